// Timers of a thread that is not a reactor: the wheel's source and, unless somebody drives it by hand, a guest of the
// thread's libuv loop. Read `onPrepare` first: it is the whole loop.
//
//   libuv's pass:  ... -> prepare (poll; run what is due; arm the timerfd) -> libuv's epoll -> fired (poll; run) -> ...
//
// One call into JavaScript for all that is due, one timerfd for all that is not. The timerfd holds the exact next
// deadline, so that an idle thread is not woken; it counts in nanoseconds and is not subject to timer slack, where a
// uv_timer would be rounded to milliseconds. Source: timerfd_create(2); libuv's design overview, "The I/O loop".
#pragma once
#include <node_api.h>
#include <uv.h>

#include <cstdint>

#include "layout.h"
#include "timer_records.h"
#include "timer_source.h"
#include "unique_fd.h"

namespace percore {

class TimerDriver {
 public:
  static constexpr int kViews = 2;

  // `views` are the typed arrays behind `delivery` and `requests`, kept alive as long as they are used.
  TimerDriver(napi_env env, int tickBits, size_t expiriesPerTurn, layout::Delivery* delivery, double* requests, const napi_value (&views)[kViews]);
  TimerDriver(const TimerDriver&) = delete;
  TimerDriver& operator=(const TimerDriver&) = delete;

  // Joins the thread's loop: `deliver` is called when something is due. False, with errno set, when a descriptor is refused.
  bool start(napi_value deliver, int64_t originNs);
  bool isStarted() const { return hook_ != nullptr; }
  // Leaves the loop; all is freed after libuv's close callbacks. May be called from inside `deliver`, and twice.
  void shutDown();
  // Keeps the thread's loop alive or not (at first).
  void setRef(bool isReferenced);
  TimerSource& source() { return source_; }
  void shareRecords(uint32_t index, napi_value view) { records_.share(env_, source_, index, view); }
  bool isClosed() const { return isDead_; }
  // Where JavaScript's handle keeps its pointer here; cleared when this is gone.
  TimerDriver** handle = nullptr;
  // For the handle's finalizer, of one that was never started.
  ~TimerDriver();

 private:
  void onPrepare();
  void onFired();
  bool deliver();
  void armTimer(int64_t deadlineNs);
  static void onClosed(uv_handle_t* handle);

  napi_env env_;
  napi_ref deliver_ = nullptr, views_[kViews] = {};
  napi_async_context context_ = nullptr;
  napi_async_cleanup_hook_handle hook_ = nullptr;
  uv_poll_t pollHandle_{};
  uv_prepare_t prepare_{};
  uv_idle_t idle_{};
  int openHandles_ = 0;

  TimerSource source_;
  TimerRecords records_;
  layout::Delivery* delivery_;
  UniqueFd timer_;
  int64_t originNs_ = 0;
  int64_t armedNs_ = TimerWheel::kNever;
  bool isDead_ = false;
};

}  // namespace percore
