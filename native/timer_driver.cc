#include "timer_driver.h"

#include <sys/timerfd.h>

#include <algorithm>
#include <initializer_list>

#include "clock.h"

namespace percore {

TimerDriver::TimerDriver(napi_env env, int tickBits, size_t expiriesPerTurn, layout::Delivery* delivery, double* requests, const napi_value (&views)[kViews])
    : env_(env), source_(tickBits, expiriesPerTurn), delivery_(delivery) {
  source_.attach(delivery, requests);
  for (int i = 0; i < kViews; i++) napi_create_reference(env, views[i], 1, &views_[i]);
}

TimerDriver::~TimerDriver() {
  for (napi_ref view : views_) napi_delete_reference(env_, view);
  records_.release(env_);
  if (deliver_) napi_delete_reference(env_, deliver_);
  if (context_) napi_async_destroy(env_, context_);
  if (handle) *handle = nullptr;
}

bool TimerDriver::start(napi_value deliver, int64_t originNs) {
  timer_.reset(timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK));
  if (!timer_) return false;
  originNs_ = originNs;
  napi_create_reference(env_, deliver, 1, &deliver_);
  napi_value name = nullptr;
  napi_create_string_utf8(env_, "percore:timers", NAPI_AUTO_LENGTH, &name);
  napi_async_init(env_, nullptr, name, &context_);
  uv_loop_t* loop = nullptr;
  napi_get_uv_event_loop(env_, &loop);
  uv_prepare_init(loop, &prepare_);
  uv_idle_init(loop, &idle_);
  uv_poll_init(loop, &pollHandle_, timer_.get());
  prepare_.data = idle_.data = pollHandle_.data = this;
  uv_prepare_start(&prepare_, [](uv_prepare_t* handle) { static_cast<TimerDriver*>(handle->data)->onPrepare(); });
  uv_poll_start(&pollHandle_, UV_READABLE, [](uv_poll_t* handle, int, int) { static_cast<TimerDriver*>(handle->data)->onFired(); });
  // Only timers that somebody waits for keep a thread alive: see setRef(). An idle handle, though unreferenced, prevents sleep.
  for (uv_handle_t* handle : {reinterpret_cast<uv_handle_t*>(&prepare_), reinterpret_cast<uv_handle_t*>(&idle_), reinterpret_cast<uv_handle_t*>(&pollHandle_)}) uv_unref(handle);
  // Asynchronous: Node turns the loop until the hook is removed, so the close callbacks run on terminate() and process.exit() too.
  napi_add_async_cleanup_hook(env_, [](napi_async_cleanup_hook_handle, void* data) { static_cast<TimerDriver*>(data)->shutDown(); }, this, &hook_);
  return true;
}

// Before libuv sleeps: what is due has run, and the timerfd knows when to end the sleep.
void TimerDriver::onPrepare() {
  if (isDead_) return;
  if ((source_.poll(monotonicNs() - originNs_) || delivery_->hasMore != 0) && !deliver()) return;
  if (delivery_->timerRequests != 0) source_.drain();
  const bool isBusy = delivery_->hasMore != 0 || !source_.isSettled();
  const int64_t nextNs = isBusy ? TimerWheel::kNever : source_.nextDeadlineNs();
  // A deadline that is over already fires the timerfd at once: libuv looks at its sockets in between.
  armTimer(nextNs);
  if (isBusy) uv_idle_start(&idle_, [](uv_idle_t*) {});
  else uv_idle_stop(&idle_);
}

void TimerDriver::onFired() {
  if (isDead_) return;
  // It stays readable until it is set again, which the next prepare does, to whatever deadline.
  armedNs_ = -1;
  if (source_.poll(monotonicNs() - originNs_)) deliver();
}

// False: touch nothing any more (closed, or the environment is being terminated).
bool TimerDriver::deliver() {
  napi_handle_scope scope = nullptr;
  if (napi_open_handle_scope(env_, &scope) != napi_ok) {
    isDead_ = true;
    return false;
  }
  napi_value function = nullptr;
  napi_get_reference_value(env_, deliver_, &function);
  // Promises and ticks run at its end. The function is its own receiver: any object will do, and this one is at hand.
  const napi_status status = function ? napi_make_callback(env_, context_, function, function, 0, nullptr, nullptr) : napi_generic_failure;
  if (status != napi_ok) {
    bool isPending = false;
    napi_value error = nullptr;
    napi_is_exception_pending(env_, &isPending);
    if (isPending && napi_get_and_clear_last_exception(env_, &error) == napi_ok) napi_fatal_exception(env_, error);
    else isDead_ = true;  // terminate() has come
  }
  napi_close_handle_scope(env_, scope);
  delivery_->timers = 0;
  return !isDead_;
}

void TimerDriver::armTimer(int64_t deadlineNs) {
  if (deadlineNs == armedNs_) return;
  armedNs_ = deadlineNs;
  itimerspec spec{};
  if (deadlineNs != TimerWheel::kNever) {
    // Zero would disarm: a deadline in the past is one nanosecond after boot.
    const int64_t at = std::max<int64_t>(deadlineNs + originNs_, 1);
    spec.it_value = {time_t(at / 1000000000), long(at % 1000000000)};
  }
  timerfd_settime(timer_.get(), TFD_TIMER_ABSTIME, &spec, nullptr);
}

void TimerDriver::setRef(bool isReferenced) {
  if (isDead_ || !isStarted()) return;
  auto* handle = reinterpret_cast<uv_handle_t*>(&pollHandle_);
  if (isReferenced) uv_ref(handle);
  else uv_unref(handle);
}

void TimerDriver::shutDown() {
  isDead_ = true;
  if (openHandles_ != 0 || !isStarted()) return;  // close() and teardown may both come
  for (uv_handle_t* handle : {reinterpret_cast<uv_handle_t*>(&prepare_), reinterpret_cast<uv_handle_t*>(&idle_), reinterpret_cast<uv_handle_t*>(&pollHandle_)}) {
    openHandles_++;
    uv_close(handle, onClosed);
  }
}

void TimerDriver::onClosed(uv_handle_t* handle) {
  TimerDriver* driver = static_cast<TimerDriver*>(handle->data);
  if (--driver->openHandles_ != 0) return;
  const napi_env env = driver->env_;
  const napi_async_cleanup_hook_handle hook = driver->hook_;
  napi_handle_scope scope = nullptr;
  napi_open_handle_scope(env, &scope);
  delete driver;
  if (scope) napi_close_handle_scope(env, scope);
  napi_remove_async_cleanup_hook(hook);  // from here on Node may tear the loop down
}

}  // namespace percore
