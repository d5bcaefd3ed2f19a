"""Writes records of 1 KiB until it is killed, into a ring in a file or to standard output: `writer.py PATH|-`. Every
record has one byte value, one more than the last. Both ways copy 64 of them at a time from where they lie ready."""
import os
import sys

path = sys.argv[1]
RECORDS = memoryview(b"".join(bytes([value]) * 1024 for value in range(256)) * 2)

number = 0
if path == "-":
    while True:
        number = (number + os.write(1, RECORDS[number * 1024:(number + 64) * 1024]) // 1024) & 0xFF
import percore_queue
producer = percore_queue.open(path).producer()
while True:
    place = producer.claim(64)
    count = len(place) // 1024
    if count == 0:
        producer.room(timeout=1)
        continue
    place[:] = RECORDS[number * 1024:(number + count) * 1024]
    producer.commit()
    number = (number + count) & 0xFF
