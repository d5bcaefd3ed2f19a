"""Reads records of 1 KiB for a while, from a ring in a file or from standard input, and says how many GB/s it has had:
`reader.py PATH|- copy|place WARMUP_SECONDS MEASURE_SECONDS`. `copy` makes bytes of its own of them, as a pipe does by
itself. Every record has one byte value, one more than the last; the first and the last word of each is looked at."""
import json
import os
import sys
import time

path, way, warmup, measure = sys.argv[1], sys.argv[2], float(sys.argv[3]), float(sys.argv[4])
PATTERN = bytes(range(256)) * 20


def blocks():
    if path == "-":
        rest = b""
        while True:
            block = rest + os.read(0, 65536)
            whole = len(block) // 1024 * 1024
            rest = block[whole:]
            yield block[:whole]
    import percore_queue
    consumer = percore_queue.open(path).consumer()
    while consumer.ready() == percore_queue.OK:
        run = consumer.run()
        yield run.tobytes() if way == "copy" else run


begin = time.perf_counter() + warmup + 0.2
wrong = number = total = 0
started = None
for block in blocks():
    count = len(block) // 1024
    wanted = PATTERN[number:number + count]
    wrong += bytes(block[::1024]) != wanted or bytes(block[1020::1024]) != wanted
    number = (number + count) & 0xFF
    now = time.perf_counter()
    if started is None:
        if now > begin:
            started = now
        continue
    total += len(block)
    if now > started + measure:
        break
print(json.dumps({"value": total / (now - started) / 1e9, "wrong": wrong}), flush=True)
os._exit(0)
