// Ends libuv's sleep where the kernel refuses a timerfd, as a container's filter may: libuv's own timer, which is late
// by up to a millisecond and needs no descriptor. Opened only there. Source: libuv's uv_timer_t.
#pragma once
#include <uv.h>

#include <algorithm>
#include <cerrno>
#include <cstdint>

#include "clock.h"

namespace percore {

class LoopTimer {
 public:
  LoopTimer() = default;
  LoopTimer(const LoopTimer&) = delete;
  LoopTimer& operator=(const LoopTimer&) = delete;
  ~LoopTimer() { close(); }

  // Whether a refusal with this errno is one to work without: the call is forbidden, or the kernel has none.
  static bool isStandInFor(int error) { return error == EPERM || error == EACCES || error == ENOSYS; }

  // Keeps no loop alive.
  void open(uv_loop_t* loop) {
    timer_ = new uv_timer_t;
    uv_timer_init(loop, timer_);
    uv_unref(reinterpret_cast<uv_handle_t*>(timer_));
  }

  // An absolute CLOCK_MONOTONIC time; INT64_MAX: never. libuv's own clock is that of its last pass, so it may end a
  // sleep too early: whoever arms it looks at the clock then, and arms it again.
  void arm(int64_t atNs) {
    if (!timer_) return;
    if (atNs == INT64_MAX) {
      uv_timer_stop(timer_);
      return;
    }
    const int64_t leftNs = std::max<int64_t>(atNs - monotonicNs(), 0);
    uv_timer_start(timer_, [](uv_timer_t*) {}, uint64_t(leftNs + 999999) / 1000000, 0);
  }

  // Before the loop ends. The handle outlives this object until libuv has let go of it.
  void close() {
    if (!timer_) return;
    uv_close(reinterpret_cast<uv_handle_t*>(timer_),
        [](uv_handle_t* handle) { delete reinterpret_cast<uv_timer_t*>(handle); });
    timer_ = nullptr;
  }

 private:
  uv_timer_t* timer_ = nullptr;
};

}  // namespace percore
