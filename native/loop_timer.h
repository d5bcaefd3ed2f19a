// Ends libuv's sleep where the kernel refuses a timerfd, as a container's filter may: libuv's own timer, which is late
// by up to a millisecond and needs no descriptor. Opened only there. Source: libuv's uv_timer_t.
#pragma once
#include <cerrno>
#include <cstdint>

struct uv_loop_s;
struct uv_timer_s;

namespace percore {

class LoopTimer {
 public:
  LoopTimer() = default;
  LoopTimer(const LoopTimer&) = delete;
  LoopTimer& operator=(const LoopTimer&) = delete;
  ~LoopTimer() { close(); }

  // Whether this errno means that timers must work without it: the call is forbidden, or the kernel lacks it.
  static bool isStandInFor(int error) { return error == EPERM || error == EACCES || error == ENOSYS; }

  // Keeps no loop alive.
  void open(uv_loop_s* loop) { timer_ = make(loop); }

  // An absolute CLOCK_MONOTONIC time; INT64_MAX: never. libuv's own clock is that of its last pass, so it may end a
  // sleep too early: whoever armed it then looks at the clock and arms it again.
  void arm(int64_t atNs) {
    if (timer_) start(timer_, atNs);
  }

  // Called before the loop ends. The handle outlives this object until libuv has let go of it.
  void close() {
    if (timer_) end(timer_);
    timer_ = nullptr;
  }

 private:
  // The part that needs libuv, kept apart so that code that never has a loop can be tested without it.
  static uv_timer_s* make(uv_loop_s* loop);
  static void start(uv_timer_s* timer, int64_t atNs);
  static void end(uv_timer_s* timer);

  uv_timer_s* timer_ = nullptr;
};

}  // namespace percore
