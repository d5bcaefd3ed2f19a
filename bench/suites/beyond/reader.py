"""Reads records of 1 KiB for a while, from a ring in a file or from standard input, and says how many GB/s it has
copied: `reader.py PATH|- WARMUP_SECONDS MEASURE_SECONDS`. Every record holds one byte value, one more than the last."""
import json
import os
import sys
import time

path, warmup, measure = sys.argv[1], float(sys.argv[2]), float(sys.argv[3])
wrong = number = 0


def blocks():
    if path == "-":
        rest = b""
        while True:
            block = rest + os.read(0, 65536)
            whole = len(block) // 1024 * 1024
            rest = block[whole:]
            yield [block[at:at + 1024] for at in range(0, whole, 1024)]
    import percore_queue
    consumer = percore_queue.open(path).consumer()
    while consumer.ready() == percore_queue.OK:
        yield [bytes(record) for record in consumer.records(256)]


begin = time.perf_counter() + warmup + 0.2
total, started = 0, None
for records in blocks():
    for record in records:
        wrong += record[0] != number or record[1020] != number
        number = number + 1 & 0xFF
    now = time.perf_counter()
    if started is None:
        if now > begin:
            started = now
        continue
    total += 1024 * len(records)
    if now > started + measure:
        break
print(json.dumps({"value": total / (now - started) / 1e9, "wrong": wrong}), flush=True)
os._exit(0)
