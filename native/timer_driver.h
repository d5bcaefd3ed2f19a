// Timers of a thread that is not a reactor: the wheel's exchange and, unless somebody drives it by hand, a guest of the
// thread's libuv loop. Read `onPrepare` first: it is the whole loop.
//
// One call into JavaScript for all that is due, one timerfd for all that is not. The timerfd holds the exact next
// deadline, so that an idle thread is not woken; it counts in nanoseconds and is not subject to timer slack, where a
// uv_timer would be rounded to milliseconds. Source: timerfd_create(2).
#pragma once
#include <node_api.h>

#include <cstdint>

#include "layout.h"
#include "loop_timer.h"
#include "loop_guest.h"
#include "timer_records.h"
#include "timer_exchange.h"
#include "unique_fd.h"

namespace percore {

class TimerDriver final : public LoopGuest {
 public:
  static constexpr int kViews = 2;

  // `views` are the typed arrays behind `delivery` and `requests`.
  TimerDriver(napi_env env, int tickBits, size_t expiriesPerTurn, layout::Delivery* delivery, double* requests,
      const napi_value (&views)[kViews]);
  ~TimerDriver() override { records_.release(env_); }

  // Joins the thread's loop: `deliver` is called when something is due. 0, or -errno when a
  // descriptor is refused.
  int start(napi_value deliver, int64_t originNs);
  TimerExchange& exchange() { return exchange_; }
  void shareRecords(int32_t index, napi_value view) { records_.share(env_, exchange_, index, view); }
  bool isClosed() const { return isDead_; }
  void shutDown() override;

 private:
  void onPrepare() override;
  void onReadable() override;
  bool run();
  void armTimer(int64_t deadlineNs);

  TimerExchange exchange_;
  TimerRecords records_;
  layout::Delivery* delivery_;
  // A timerfd; where that is forbidden, an eventfd that nobody writes, for libuv to watch, and a timer of libuv's.
  UniqueFd timer_;
  LoopTimer standIn_;
  bool isStoodIn_ = false;
  int64_t originNs_ = 0;
  int64_t armedNs_ = TimerWheel::kNever;
};

}  // namespace percore
