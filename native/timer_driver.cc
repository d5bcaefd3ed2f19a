#include "timer_driver.h"

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
  if (!timer_) return -errno;
  originNs_ = originNs;
  return LoopGuest::start("percore:timers", timer_.get(), deliver);
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
  armedNs_ = deadlineNs;
  setTimerfd(timer_.get(), deadlineNs == TimerWheel::kNever ? INT64_MAX : deadlineNs + originNs_);
}

}  // namespace percore
