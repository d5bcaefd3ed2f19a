#include "loop_timer.h"

#include <uv.h>

#include <algorithm>

#include "clock.h"

namespace percore {

uv_timer_s* LoopTimer::make(uv_loop_s* loop) {
  auto* timer = new uv_timer_t;
  uv_timer_init(loop, timer);
  uv_unref(reinterpret_cast<uv_handle_t*>(timer));
  return timer;
}

void LoopTimer::start(uv_timer_s* timer, int64_t atNs) {
  if (atNs == INT64_MAX) {
    uv_timer_stop(timer);
    return;
  }
  const int64_t leftNs = std::max<int64_t>(atNs - monotonicNs(), 0);
  uv_timer_start(timer, [](uv_timer_t*) {}, uint64_t(leftNs + 999999) / 1000000, 0);
}

void LoopTimer::end(uv_timer_s* timer) {
  uv_close(reinterpret_cast<uv_handle_t*>(timer),
      [](uv_handle_t* handle) { delete reinterpret_cast<uv_timer_t*>(handle); });
}

}  // namespace percore
