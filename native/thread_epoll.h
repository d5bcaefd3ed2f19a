// What wakes a reactor: one epoll descriptor that libuv's own watches (nested), holding the eventfd, the timerfd and
// what the I/O source puts into it. The eventfd and the timerfd are edge-triggered, so that they need no read. Source:
// epoll(7), timerfd_create(2).
#pragma once
#include <cstdint>

#include "io_source.h"
#include "loop_timer.h"
#include "unique_fd.h"

namespace percore {

class ThreadEpoll {
 public:
  static constexpr uint64_t kWakerToken = UINT64_MAX;
  static constexpr uint64_t kTimerToken = UINT64_MAX - 1;

  // False, with errno set, when the kernel refuses. An eventfd of -1: there is none. A timer of `loop` stands in for a
  // timerfd that is forbidden; without a loop nothing is ever armed.
  bool open(int eventFd, uv_loop_s* loop);
  int fd() const { return epoll_.get(); }
  // Wakes the sleeper at an absolute CLOCK_MONOTONIC time; INT64_MAX never. A system call only if it differs from the
  // last.
  void armTimer(int64_t monotonicNs);
  // Hands what is ready to `io` without waiting, as long as it has room. Counts eventfd wake-ups in `wakes`.
  void collect(IoSource* io, double* wakes);
  // Beside the closing of the other handles of the loop.
  void leaveLoop() { standIn_.close(); }
  void close();

 private:
  UniqueFd epoll_, timer_;
  LoopTimer standIn_;
  int64_t armedNs_ = INT64_MAX;
};

}  // namespace percore
