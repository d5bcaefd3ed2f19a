// Eventfds. The runtime's main thread makes one for each party and closes them after every worker has gone: a late waker
// would otherwise write into a number that was used again.
#include <sys/eventfd.h>
#include <unistd.h>

#include "bindings.h"
#include "napi_args.h"
#include "unique_fd.h"

namespace percore {

static Napi::Value createWaker(const Napi::CallbackInfo& info) {
  UniqueFd fd(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  if (!fd) return throwSystemError(info.Env(), errno, "eventfd");
  return Napi::Number::New(info.Env(), fd.release());
}

// wake(fd): adds one. EAGAIN means the counter is full, so a wake-up is already waiting: as good as written.
static napi_value wake(napi_env env, napi_callback_info info) {
  RawArgs<1> args(env, info);
  const uint64_t one = 1;
  ssize_t written;
  do written = write(args.int32(0), &one, sizeof one);
  while (written < 0 && errno == EINTR);
  return nullptr;
}

static napi_value closeWaker(napi_env env, napi_callback_info info) {
  close(RawArgs<1>(env, info).int32(0));
  return nullptr;
}

void exportWaker(Napi::Env env, Napi::Object exports) {
  exports.Set("createWaker", Napi::Function::New(env, createWaker));
  exportRaw(env, exports, "wake", wake);
  exportRaw(env, exports, "closeWaker", closeWaker);
}

}  // namespace percore
