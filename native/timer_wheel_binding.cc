// Timers alone, for JavaScript: the wheel behind its two arrays, with or without a driver. Typed in src/native/.
#include <limits>

#include "bindings.h"
#include "handle.h"
#include "napi_args.h"
#include "timer_driver.h"

namespace percore {

// Null for one that is closed: nothing reaches into its wheel any more.
static TimerDriver* driverOf(napi_env env, napi_value handle) {
  auto* driver = static_cast<TimerDriver*>(ofHandle<LoopGuest, TimerDriver>(env, handle));
  return driver && !driver->isClosed() ? driver : nullptr;
}

// wheels.create({ delivery, timerRequests, tickBits, expiriesPerTurn, originNs, deliver? }) -> handle
static Napi::Value createTimers(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  if (!info[0].IsObject()) return throwSystemError(env, EINVAL, "createTimers", "options");
  Napi::Object options = info[0].As<Napi::Object>();
  const char* names[TimerDriver::kViews] = {"delivery", "timerRequests"};
  const size_t least[TimerDriver::kViews] = {
      sizeof(layout::Delivery) / sizeof(int32_t), sizeof(layout::TimerRequests) / sizeof(double)};
  const napi_typedarray_type types[TimerDriver::kViews] = {napi_int32_array, napi_float64_array};
  napi_value views[TimerDriver::kViews] = {};
  void* data[TimerDriver::kViews] = {};
  for (int i = 0; i < TimerDriver::kViews; i++) {
    views[i] = options.Get(names[i]);
    size_t length = 0;
    if (!arrayOf(env, views[i], types[i], &data[i], &length) || length < least[i])
      return throwSystemError(env, EINVAL, "createTimers", names[i]);
  }
  const int tickBits = int32Of(env, options.Get("tickBits"));
  const int32_t expiries = int32Of(env, options.Get("expiriesPerTurn"));
  if (tickBits < 0 || tickBits > TimerWheel::kMaxTickBits || expiries < 1)
    return throwSystemError(env, EINVAL, "createTimers");
  auto driver = std::make_unique<TimerDriver>(
      env, tickBits, size_t(expiries), static_cast<layout::Delivery*>(data[0]), static_cast<double*>(data[1]), views);
  const Napi::Value deliver = options.Get("deliver");
  if (deliver.IsFunction()) {
    if (const int error = driver->start(deliver, int64Of(env, options.Get("originNs"), 0)))
      return throwSystemError(env, -error, "timerfd_create");
  }
  const napi_value external = makeHandle<LoopGuest, TimerDriver>(env, driver.get());
  driver.release();
  return Napi::Value(env, external);
}

static napi_value drainTimers(napi_env env, napi_callback_info info) {
  if (TimerDriver* driver = driverOf(env, RawArgs<1>(env, info).value[0])) driver->exchange().drain();
  return nullptr;
}

// wheels.share(handle, index, records)
static napi_value shareTimers(napi_env env, napi_callback_info info) {
  RawArgs<3> args(env, info);
  if (TimerDriver* driver = driverOf(env, args.value[0])) driver->shareRecords(args.int32(1), args.value[2]);
  return nullptr;
}

// wheels.poll(handle, nowNs): drains, then fills the delivery, however much work that is.
static napi_value pollTimers(napi_env env, napi_callback_info info) {
  RawArgs<2> args(env, info);
  if (TimerDriver* driver = driverOf(env, args.value[0]))
    driver->exchange().poll(args.int64(1, 0), TimerWheel::kNoBound);
  return nullptr;
}

// wheels.next(handle) -> nanoseconds since the origin, or Infinity. Drains.
static napi_value nextTimer(napi_env env, napi_callback_info info) {
  RawArgs<1> args(env, info);
  TimerDriver* driver = driverOf(env, args.value[0]);
  if (driver) driver->exchange().drain();
  const int64_t nextNs = driver ? driver->exchange().nextDeadlineNs() : TimerWheel::kNever;
  return args.real(nextNs == TimerWheel::kNever ? std::numeric_limits<double>::infinity() : double(nextNs));
}

static napi_value refTimers(napi_env env, napi_callback_info info) {
  RawArgs<2> args(env, info);
  if (TimerDriver* driver = driverOf(env, args.value[0])) driver->setRef(args.boolean(1));
  return nullptr;
}

static napi_value closeTimers(napi_env env, napi_callback_info info) {
  if (TimerDriver* driver = driverOf(env, RawArgs<1>(env, info).value[0])) driver->shutDown();
  return nullptr;
}

void exportTimers(Napi::Env env, Napi::Object exports) {
  Group wheels(env, exports, "wheels");
  wheels.add("create", Napi::Function::New(env, createTimers));
  wheels.addRaw("drain", drainTimers);
  wheels.addRaw("share", shareTimers);
  wheels.addRaw("poll", pollTimers);
  wheels.addRaw("next", nextTimer);
  wheels.addRaw("setReferenced", refTimers);
  wheels.addRaw("close", closeTimers);
}

}  // namespace percore
