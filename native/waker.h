// Eventfds by which threads wake each other. Any thread of the process may write to their numbers, and nothing stops it
// from writing late: after the runtime is closed, or after the thread that made the eventfd was terminated. So the
// process keeps one table of the open eventfds; a write looks there first, and whoever closes one waits for the writes
// that are under way. A late write then does nothing, or wakes somebody who finds nothing to do; it never goes into a
// file that got the number afterwards.
#pragma once

namespace percore {

// The eventfds that one environment (the main thread, or one worker) has made. Those that remain are closed with it.
class WakerSet {
 public:
  WakerSet() = default;
  WakerSet(const WakerSet&) = delete;
  WakerSet& operator=(const WakerSet&) = delete;
  ~WakerSet();

  // The number, or -errno.
  int open();
};

// Whether `fd` is such an eventfd, and open.
bool isWaker(int fd);
// Closes it, whichever environment made it. Does nothing if there is none.
void closeWaker(int fd);

}  // namespace percore
