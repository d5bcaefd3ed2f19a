// A rate timer's clockwork: an alarm in libuv's loop that calls JavaScript at a deadline. The grid of deadlines,
// catching up and all that a tick says are JavaScript's (src/timers/tick-grid.ts).
//
//   deadline - lead                                deadline
//   armed for ──wake──> uv_poll readable ─> due? ─> rehearse ─> spin ─> onExpire() ─> promises run ─> arm the next
//
// The alarm is armed a little early, since waking takes its time and the first call after a sleep, with cold caches,
// takes eight times as long as the next. So the thread wakes, calls JavaScript once for practice, spins what is left,
// and calls it in earnest. The lead is adapted to how long waking takes (its median) and what a rehearsal takes, tens
// of microseconds, most of which the tick would have cost anyway; a timer that is made to spin has a fixed lead that
// covers nearly every wake-up.
//
// The next deadline is read from shared state after JavaScript and its promises have run, so a tick makes one system
// call besides libuv's. Handles and the callback scope are opened before the spin: nothing but the call lies between
// the deadline and JavaScript.
//
// Why not the reactor's wheel: it is polled once a turn, and exists in reactors alone. This works in any thread with a
// libuv loop.
#include <uv.h>

#include <algorithm>
#include <cmath>
#include <initializer_list>

#include "alarm.h"
#include "bindings.h"
#include "handle.h"
#include "javascript_call.h"
#include "napi_args.h"
#include "pause_cpu.h"

namespace percore {

namespace {

// The Float64Array that both sides know; the other is NativeAlarm in src/timers/alarm.ts. Times are relative to
// originNs; one thread.
enum State { kDeadlineNs, kFiredNs, kIsFiring, kStateWords };

// A rehearsal after a sleep takes so long.
constexpr int64_t kColdNs = 12000;
// How long before the deadline the second one begins, in a long spin; it takes a microsecond or two.
constexpr int64_t kWarmNs = 20000;
// With less time left than this, a rehearsal would only make the tick late.
constexpr int64_t kNoTimeNs = 2000;
// The estimate of the wake-up moves by this towards each one, which makes it their median, whatever the outliers.
constexpr int64_t kStepNs = 500;
constexpr int64_t kFirstWakeNs = 20000;

class RateTimer {
 public:
  // `spinNs` is the lead, or the most that an adaptive one may be.
  RateTimer(
      napi_env env, std::unique_ptr<Alarm> alarm, double* state, int64_t originNs, int64_t spinNs, bool isAdaptive)
      : env_(env),
        alarm_(std::move(alarm)),
        state_(state),
        originNs_(originNs),
        spinNs_(spinNs),
        isAdaptive_(isAdaptive) {}

  // 0 or -errno.
  int start(napi_value stateView, napi_value onExpire);
  // Arms what state says now; during a firing that happens at its end anyway. 0 or -errno.
  int arm() { return isClosing_ || state_[kIsFiring] != 0 ? 0 : apply(); }
  void setRef(bool isReferenced) {
    isReferenced_ = isReferenced;
    keepAlive();
  }
  // Ends it; memory is freed after libuv's close callback. May be called from inside onExpire, and twice.
  void shutDown();
  // Where the JavaScript handle keeps its pointer here; cleared when the timer is gone.
  RateTimer** handle = nullptr;

 private:
  void onReadable();
  void noteWake();
  int64_t leadNs(int64_t now) const;
  int64_t spin(napi_value function);
  int64_t pauseUntil(int64_t at);
  void rehearse(napi_value function);
  int apply();
  void rearm();
  void keepAlive();
  // A throw is handed on as an uncaught exception, as from setInterval. False: the environment is being terminated.
  bool settle(napi_status status) { return settleCall(env_, status); }
  void close();

  napi_env env_;
  std::unique_ptr<Alarm> alarm_;
  double* state_;
  const int64_t originNs_, spinNs_;
  const bool isAdaptive_;
  // On the alarm's clock: when JavaScript is called, and when the thread is to wake for it.
  int64_t deadlineNs_ = INT64_MAX, wakeAtNs_ = INT64_MAX;
  int64_t wakeNs_ = kFirstWakeNs;  // what waking takes
  bool isAsleep_ = false;          // armed for the future: the next wake-up tells how long one takes
  napi_ref stateView_ = nullptr, onExpire_ = nullptr;
  napi_async_context context_ = nullptr;
  napi_async_cleanup_hook_handle hook_ = nullptr;
  uv_poll_t poll_{};
  bool isReferenced_ = true, isClosing_ = false;
};

void RateTimer::onReadable() {
  if (isClosing_ || !alarm_->isDue()) return;
  noteWake();
  napi_handle_scope handles = nullptr;
  napi_callback_scope scope = nullptr;
  napi_value function = nullptr;
  if (napi_open_handle_scope(env_, &handles) != napi_ok) return;
  napi_get_reference_value(env_, onExpire_, &function);
  // Fails when the environment is being terminated; then nothing is called, and the cleanup hook comes.
  if (function && napi_open_callback_scope(env_, function, context_, &scope) == napi_ok) {
    state_[kFiredNs] = double(spin(function) - originNs_);
    state_[kIsFiring] = 1;
    bool isAlive = settle(napi_call_function(env_, function, function, 0, nullptr, nullptr));
    // Promises run here: whoever awaits the tick goes on, and says when the next is wanted.
    isAlive = settle(napi_close_callback_scope(env_, scope)) && isAlive;
    state_[kIsFiring] = 0;
    if (isAlive && !isClosing_) rearm();
  }
  napi_close_handle_scope(env_, handles);
}

void RateTimer::noteWake() {
  if (!isAsleep_) return;
  isAsleep_ = false;
  wakeNs_ = std::clamp(wakeNs_ + (alarm_->nowNs() - wakeAtNs_ > wakeNs_ ? kStepNs : -kStepNs), int64_t{0}, spinNs_);
}

int64_t RateTimer::leadNs(int64_t now) const {
  if (!isAdaptive_) return spinNs_;
  // Of a short interval it may be a quarter: a timer that sleeps is not to spin all the time.
  return std::clamp((deadlineNs_ - now) / 4, int64_t{0}, std::min(spinNs_, wakeNs_ + kColdNs));
}

// To the deadline, if it is not over; returns the time then. In a long spin JavaScript is rehearsed twice, at once and
// shortly before the end, since meanwhile other things get the caches. More than that makes the tick slower: the branch
// predictors learn that it is always too early.
int64_t RateTimer::spin(napi_value function) {
  int64_t left = deadlineNs_ - alarm_->nowNs();
  if (left > kNoTimeNs) rehearse(function);
  if (left > 2 * kWarmNs) {
    left = deadlineNs_ - pauseUntil(deadlineNs_ - kWarmNs);
    if (left > kNoTimeNs) rehearse(function);
  }
  return pauseUntil(deadlineNs_);
}

int64_t RateTimer::pauseUntil(int64_t at) {
  int64_t now = alarm_->nowNs();
  while (now < at) {
    pauseCpu();
    now = alarm_->nowNs();
  }
  return now;
}

// JavaScript takes it for an alarm that came too early, and answers by arming it again.
void RateTimer::rehearse(napi_value function) {
  state_[kFiredNs] = -HUGE_VAL;
  state_[kIsFiring] = 1;
  settle(napi_call_function(env_, function, function, 0, nullptr, nullptr));
}

// Also quiets the descriptor of an alarm that has fired.
int RateTimer::apply() {
  const double deadline = state_[kDeadlineNs];
  // JavaScript's deadlines are at most a century away (checked there); Infinity is none.
  const bool isWanted = deadline < 9e18;
  deadlineNs_ = isWanted ? int64_t(deadline) + originNs_ : INT64_MAX;
  int result;
  if (isWanted) {
    const int64_t now = alarm_->nowNs();
    wakeAtNs_ = deadlineNs_ - leadNs(now);
    isAsleep_ = wakeAtNs_ > now;
    result = alarm_->arm(wakeAtNs_);
  } else {
    isAsleep_ = false;
    result = alarm_->disarm();
  }
  keepAlive();
  return result;
}

// A timer that cannot be armed (ENOMEM from io_uring) would be silent for ever, so its thread is told by an uncaught
// exception.
void RateTimer::rearm() {
  const int error = apply();
  if (error == 0) return;
  throwSystemError(Napi::Env(env_), -error, "arming a rate timer");
  settle(napi_pending_exception);
}

// A timer nobody waits for does not keep its thread alive.
void RateTimer::keepAlive() {
  auto* handle = reinterpret_cast<uv_handle_t*>(&poll_);
  if (isReferenced_ && deadlineNs_ != INT64_MAX) uv_ref(handle);
  else uv_unref(handle);
}

int RateTimer::start(napi_value stateView, napi_value onExpire) {
  uv_loop_t* loop = nullptr;
  if (napi_get_uv_event_loop(env_, &loop) != napi_ok) return -ECANCELED;
  if (const int refused = uv_poll_init(loop, &poll_, alarm_->fd())) return refused;
  poll_.data = this;
  napi_create_reference(env_, stateView, 1, &stateView_);
  napi_create_reference(env_, onExpire, 1, &onExpire_);
  napi_value name = nullptr;
  napi_create_string_utf8(env_, "percore:rate-timer", NAPI_AUTO_LENGTH, &name);
  napi_async_init(env_, nullptr, name, &context_);
  uv_poll_start(
      &poll_, UV_READABLE, [](uv_poll_t* handle, int, int) { static_cast<RateTimer*>(handle->data)->onReadable(); });
  keepAlive();
  // Asynchronous: Node turns the loop until the hook is removed, so the close callback runs on terminate() and
  // process.exit() too.
  napi_add_async_cleanup_hook(
      env_, [](napi_async_cleanup_hook_handle, void* data) { static_cast<RateTimer*>(data)->shutDown(); }, this,
      &hook_);
  return 0;
}

void RateTimer::shutDown() {
  if (isClosing_) return;
  isClosing_ = true;
  uv_close(reinterpret_cast<uv_handle_t*>(&poll_),
      [](uv_handle_t* handle) { static_cast<RateTimer*>(handle->data)->close(); });
  // libuv lets go of a descriptor inside uv_close. So it is free for others when close() returns, unless the alarm's
  // clock is in use.
  if (state_[kIsFiring] == 0) alarm_.reset();
}

void RateTimer::close() {
  napi_handle_scope scope = nullptr;
  napi_open_handle_scope(env_, &scope);
  for (napi_ref reference : {stateView_, onExpire_}) napi_delete_reference(env_, reference);
  napi_async_destroy(env_, context_);
  if (scope) napi_close_handle_scope(env_, scope);
  if (handle) *handle = nullptr;
  napi_remove_async_cleanup_hook(hook_);  // from here on Node may tear the loop down
  delete this;
}

// ---- For JavaScript ------------------------------------------------------------------------------------------------

// alarms.create(isUring, clock, originNs, spinNs, isAdaptive, state, onExpire) -> handle; throws what the kernel
// refused.
Napi::Value createRateTimer(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  void* state = nullptr;
  size_t length = 0;
  const int64_t originNs = int64Of(env, info[2], INT64_MIN), spinNs = int64Of(env, info[3]);
  if (!arrayOf(env, info[5], napi_float64_array, &state, &length) || length < kStateWords || !info[6].IsFunction() ||
      originNs == INT64_MIN || spinNs < 0) {
    return throwSystemError(env, EINVAL, "createRateTimer");
  }
  const auto open = booleanOf(env, info[0]) ? openUringAlarm : openTimerfdAlarm;
  OpenedAlarm opened = open(clockid_t(int32Of(env, info[1])));
  if (!opened.alarm) return throwSystemError(env, opened.error, opened.syscall);
  auto* timer = new RateTimer(
      env, std::move(opened.alarm), static_cast<double*>(state), originNs, spinNs, booleanOf(env, info[4]));
  if (const int refused = timer->start(info[5], info[6])) {
    delete timer;
    return throwSystemError(env, -refused, "uv_poll_init");
  }
  return Napi::Value(env, makeHandle(env, timer));
}

// alarms.arm(handle) -> 0 or -errno
napi_value armRateTimer(napi_env env, napi_callback_info info) {
  RawArgs<1> args(env, info);
  RateTimer* timer = ofHandle<RateTimer>(env, args.value[0]);
  return args.integer(timer ? timer->arm() : -EBADF);
}

napi_value setRateTimerRef(napi_env env, napi_callback_info info) {
  RawArgs<2> args(env, info);
  if (RateTimer* timer = ofHandle<RateTimer>(env, args.value[0])) timer->setRef(args.boolean(1));
  return nullptr;
}

napi_value closeRateTimer(napi_env env, napi_callback_info info) {
  if (RateTimer* timer = ofHandle<RateTimer>(env, RawArgs<1>(env, info).value[0])) timer->shutDown();
  return nullptr;
}

}  // namespace

void exportRateTimer(Napi::Env env, Napi::Object exports) {
  Group alarms(env, exports, "alarms");
  alarms.add("create", Napi::Function::New(env, createRateTimer));
  alarms.addRaw("arm", armRateTimer);
  alarms.addRaw("setReferenced", setRateTimerRef);
  alarms.addRaw("close", closeRateTimer);
}

}  // namespace percore
