#include "timer_driver.h"

#include <sys/eventfd.h>

#include <cerrno>

#include "clock.h"
#include "timerfd.h"

namespace percore {

TimerDriver::TimerDriver(napi_env env, int tickBits, size_t expiriesPerTurn, layout::Delivery* delivery,
    double* requests, const napi_value (&views)[kViews])
    : LoopGuest(env), exchange_(tickBits, expiriesPerTurn), delivery_(delivery) {
  exchange_.attach(delivery, requests, nullptr);
  for (napi_value view : views) hold(view);
}

int TimerDriver::start(napi_value deliver, int64_t originNs) {
  timer_.reset(timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK));
  isStoodIn_ = !timer_ && LoopTimer::isStandInFor(errno);
  if (isStoodIn_) timer_.reset(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  if (!timer_) return -errno;
  originNs_ = originNs;
  if (const int refused = LoopGuest::start("percore:timers", timer_.get(), deliver)) return refused;
  uv_loop_s* loop = nullptr;
  if (isStoodIn_ && napi_get_uv_event_loop(env_, &loop) == napi_ok) standIn_.open(loop);
  return 0;
}

void TimerDriver::shutDown() {
  LoopGuest::shutDown();
  standIn_.close();
}

// What is due has run, and the timerfd knows when to end the sleep.
void TimerDriver::onPrepare() {
  if ((exchange_.poll(monotonicNs() - originNs_) || delivery_->hasMore != 0) && !run()) return;
  if (delivery_->timerRequests != 0) exchange_.drain();
  const bool isBusy = delivery_->hasMore != 0 || !exchange_.isSettled();
  // A deadline that is over already fires the timerfd at once: libuv looks at its sockets in between.
  armTimer(isBusy ? TimerWheel::kNever : exchange_.nextDeadlineNs());
  keepAwake(isBusy);
}

void TimerDriver::onReadable() {
  // It stays readable until it is set again, which the next prepare does, to whatever deadline.
  armedNs_ = -1;
  if (exchange_.poll(monotonicNs() - originNs_)) run();
}

bool TimerDriver::run() {
  const bool isAlive = deliver();
  delivery_->timers = 0;
  return isAlive;
}

void TimerDriver::armTimer(int64_t deadlineNs) {
  if (deadlineNs == armedNs_) return;
  const int64_t atNs = deadlineNs == TimerWheel::kNever ? INT64_MAX : deadlineNs + originNs_;
  // It may fire before its time, so it is never taken to be armed.
  if (isStoodIn_) return standIn_.arm(atNs);
  armedNs_ = deadlineNs;
  setTimerfd(timer_.get(), atNs);
}

}  // namespace percore
