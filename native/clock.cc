#include "clock.h"

#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <memory>

#include "addon_state.h"
#include "bindings.h"
#include "napi_args.h"

namespace percore {

// clock.nowNs() -> CLOCK_MONOTONIC nanoseconds. For the beginning of a runtime; afterwards its clock is asked.
static napi_value nowNs(napi_env env, napi_callback_info info) {
  return RawArgs<1>(env, info).real(double(monotonicNs()));
}

// clock.create(out, originNs, clock) -> readClock(), which writes nanoseconds since the origin to out[0]. `clock` is a
// clockid_t. A call with no argument and no number to allocate costs a third less than one that returns its result.
static Napi::Value createClock(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  auto clock = std::make_unique<Clock>();
  size_t length = 0;
  void* data = nullptr;
  timespec now{};
  clock->originNs = int64Of(env, info[1], INT64_MIN);
  clock->id = clockid_t(int32Of(env, info[2]));
  if (!arrayOf(env, info[0], napi_float64_array, &data, &length) || length < 1 || clock->originNs == INT64_MIN)
    return throwSystemError(env, EINVAL, "createClock");
  if (clock_gettime(clock->id, &now) != 0) return throwSystemError(env, errno, "clock_gettime");
  clock->out = static_cast<double*>(data);
  // Keeps the array as long as the environment lives; a thread has one clock or a few.
  napi_create_reference(env, info[0], 1, &clock->view);
  napi_value function = nullptr;
  napi_create_function(
      env, "readClock", NAPI_AUTO_LENGTH,
      [](napi_env e, napi_callback_info i) -> napi_value {
        void* pointer = nullptr;
        if (napi_get_cb_info(e, i, nullptr, nullptr, nullptr, &pointer) != napi_ok || !pointer) return nullptr;
        const Clock* c = static_cast<Clock*>(pointer);
        *c->out = double(clockNs(c->id) - c->originNs);
        return nullptr;
      },
      clock.get(), &function);
  stateOf(env)->clocks.push_back(std::move(clock));
  return Napi::Value(env, function);
}

// system.callNs() -> what a system call takes that does nothing, filters of system calls included: the least of some
// rounds, since others may have had this CPU meanwhile. Takes 30 to 300 us.
static napi_value callNs(napi_env env, napi_callback_info info) {
  constexpr int kRounds = 16, kCalls = 16;
  int64_t least = INT64_MAX;
  for (int round = 0; round < kRounds; round++) {
    const int64_t from = monotonicNs();
    for (int i = 0; i < kCalls; i++) syscall(SYS_getppid);
    least = std::min(least, monotonicNs() - from);
  }
  return RawArgs<1>(env, info).real(double(least) / kCalls);
}

void exportClock(Napi::Env env, Napi::Object exports) {
  Group clock(env, exports, "clock");
  clock.addRaw("nowNs", nowNs);
  clock.add("create", Napi::Function::New(env, createClock));
  Group system(env, exports, "system");
  system.addRaw("callNs", callNs);
}

}  // namespace percore
