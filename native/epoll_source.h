// Readiness by epoll. One descriptor that libuv's own epoll watches (nested), holding the eventfd, the timerfd and the sockets.
//
// Edge-triggered unless an interest says LEVEL: the eventfd and the timerfd then need no read, and a socket whose reading is paused
// needs no system call to say so. The price is the contract of `collect`: readiness is a hint, so keep trying until would-block.
// Source: epoll(7); mio for the nouns token, interest and readiness.
#pragma once
#include <cstdint>

#include "layout.h"
#include "unique_fd.h"

namespace percore {

class EpollSource {
 public:
  static constexpr uint64_t kWakerToken = UINT64_MAX;
  static constexpr uint64_t kTimerToken = UINT64_MAX - 1;

  // False, with errno set, when the kernel refuses.
  bool open(int eventFd);
  int fd() const { return epoll_.get(); }
  // All 0 or -errno. A token is JavaScript's: slot and generation, at least 0. `interest` is a set of layout::Interest.
  int add(int fd, int32_t token, int32_t interest);
  int modify(int fd, int32_t token, int32_t interest);
  int remove(int fd);
  // Wakes the sleeper at an absolute CLOCK_MONOTONIC time; INT64_MAX never. A system call only if it differs from the last.
  void armTimer(int64_t monotonicNs);
  // Takes what is ready without waiting, at most what fits in `delivery`. Counts eventfd wake-ups in `wakes`.
  void collect(layout::Delivery* delivery, double* wakes);
  void close();

 private:
  UniqueFd epoll_, timer_;
  int64_t armedNs_ = INT64_MAX;
};

}  // namespace percore
