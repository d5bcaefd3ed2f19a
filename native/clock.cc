#include "clock.h"

#include "bindings.h"
#include "napi_args.h"

namespace percore {

// monotonicNs() -> number. Exact to the nanosecond for the first 104 days after boot; callers subtract the runtime's origin.
static napi_value now(napi_env env, napi_callback_info info) {
  RawArgs<1> args(env, info);
  return args.real(double(monotonicNs() - int64_t(args.number(0))));
}

void exportClock(Napi::Env env, Napi::Object exports) { exportRaw(env, exports, "nowNs", now); }

}  // namespace percore
