#!/usr/bin/env python3
"""Reads the counters page of a Percore process, by mmap and ctypes alone, and follows its rate controllers.

    page = Page("/dev/shm/percore-1234")
    print(page.read()["parties"][0]["received"], page.read()["queues"])
    timer = RateTimer(page, "camera")
    timer.wait_for_tick()

Run by itself it prints snapshots, one JSON object a line: percore_page.py PATH [SNAPSHOTS [SECONDS_BETWEEN]]
"""
import ctypes
import json
import mmap
import os
import sys
import time

MAGIC = 0x50435047
SECTIONS = (
    ("parties", "Party"), ("reactors", "PageReactor"), ("tasks", "PageTask"), ("classes", "PageClass"),
    ("lanes", "PageLane"), ("ways", "PageWay"), ("queues", "PageQueue"), ("cursors", "PageCursor"),
    ("topics", "TopicRow"), ("rates", "PageRate"),
)
TYPES = {"i32": ctypes.c_int32, "f64": ctypes.c_double}
# The beginning of the page, up to where its text lies: all else is named there.
SEQUENCE_AT, TEXT_AT, TEXT_BYTES_AT = 8, 64, 68
# Writing takes microseconds. A process that was killed meanwhile never comes to an end.
WRITING_S = 2


class Page:
    """One page. Mapped once; each read is a moment of its own."""

    def __init__(self, path):
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            self.memory = mmap.mmap(descriptor, 0, mmap.MAP_SHARED, mmap.PROT_READ)
        finally:
            os.close(descriptor)
        if self._int(0) != MAGIC:
            raise ValueError(f"{path} is no counters page")
        text_at, length = self._int(TEXT_AT), self._int(TEXT_BYTES_AT)
        self.fields, self.sizes = {}, {}
        for line in self.memory[text_at:text_at + length].decode("latin1").splitlines():
            structure, name, *rest = line.split()
            if name == "size":
                self.sizes[structure] = int(rest[0])
            else:
                self.fields.setdefault(structure, []).append((name, int(rest[0]), TYPES[rest[1]], int(rest[2])))

    def _int(self, at):
        return ctypes.c_int32.from_buffer_copy(self.memory, at).value

    def read(self):
        """The page as it is at one moment: it is read again while its writer is at it."""
        end = time.monotonic() + WRITING_S
        while True:
            before = self._int(SEQUENCE_AT)
            copy = bytes(self.memory)
            if before % 2 == 0 and self._int(SEQUENCE_AT) == before:
                return self._parse(copy)
            if time.monotonic() > end:
                raise TimeoutError("the page is being written all the time: its process may have been killed")
            time.sleep(0.0001)

    def _parse(self, copy):
        page = self._structure(copy, "Page", 0)
        for name, structure in SECTIONS:
            begin, size = int(page[name + "At"]), self.sizes[structure]
            page[name] = [self._structure(copy, structure, begin + i * size) for i in range(page[name])]
        return page

    def _structure(self, copy, structure, begin):
        result = {}
        for name, at, kind, count in self.fields[structure]:
            values = list((kind * count).from_buffer_copy(copy, begin + at))
            result[name] = values[0] if count == 1 else values
        # A text `x` lies in words, and `xBytes` says how long it is.
        for name in [name for name in result if name + "Bytes" in result]:
            words = (ctypes.c_int32 * len(result[name]))(*result[name])
            result[name] = bytes(words)[:int(result.pop(name + "Bytes"))].decode("utf8", "replace")
        return result


class RateTimer:
    """Ticks with a rate controller of the process, by the grid that its state shows."""

    def __init__(self, page, name):
        self.page, self.name, self.last = page, name, 0

    def state(self):
        """rateHz, lastEmissionNs, nextEmissionNs, p99JitterNs and maxJitterNs."""
        page = self.page.read()
        if page["isClosed"]:
            raise EOFError("the process has closed its page")
        for rate in page["rates"]:
            if rate["name"] == self.name:
                return rate
        raise KeyError(f"the page shows no rate {self.name}")

    def wait_for_tick(self):
        """Sleeps until the next tick; returns its time. Other Python threads run meanwhile."""
        while True:
            state = self.state()
            if state["rateHz"] > 0:
                break
            time.sleep(0.01)
        interval = 1e9 / state["rateHz"]
        now = time.monotonic_ns()
        tick = state["nextEmissionNs"]
        # The page may be some ticks old: they lie on the same grid.
        tick += max(0, -(-(max(now, self.last + interval / 2) - tick) // interval)) * interval
        time.sleep(max(0, tick - now) / 1e9)
        self.last = tick
        return tick


if __name__ == "__main__":
    if len(sys.argv) < 2:
        sys.exit("usage: percore_page.py PATH [SNAPSHOTS [SECONDS_BETWEEN]], as /dev/shm/percore-1234")
    snapshots = int(sys.argv[2]) if len(sys.argv) > 2 else 1
    pause = float(sys.argv[3]) if len(sys.argv) > 3 else 0.1
    shown = Page(sys.argv[1])
    for _ in range(snapshots):
        print(json.dumps(shown.read()), flush=True)
        time.sleep(pause)
