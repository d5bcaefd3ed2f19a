#include "waker.h"

#include <sys/eventfd.h>
#include <unistd.h>

#include <cerrno>
#include <mutex>
#include <shared_mutex>
#include <unordered_map>

#include "addon_state.h"
#include "bindings.h"
#include "napi_args.h"

namespace percore {

// One a process, whichever thread asks: the only state here that no environment owns. It is never destroyed, since
// threads may wake each other until the process has gone. A thread is not terminated inside native code, so nobody dies
// while it holds the gate.
struct OpenWakers {
  std::shared_mutex gate;  // shared: writes; exclusive: opening and closing
  std::unordered_map<int, const WakerSet*> owners;
};

static OpenWakers& openWakers() {
  static auto* wakers = new OpenWakers;
  return *wakers;
}

int WakerSet::open() {
  OpenWakers& wakers = openWakers();
  const std::unique_lock lock(wakers.gate);
  const int fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  if (fd < 0) return -errno;
  wakers.owners[fd] = this;
  return fd;
}

WakerSet::~WakerSet() {
  OpenWakers& wakers = openWakers();
  const std::unique_lock lock(wakers.gate);
  std::erase_if(wakers.owners, [this](const auto& entry) {
    if (entry.second == this) ::close(entry.first);
    return entry.second == this;
  });
}

bool isWaker(int fd) {
  OpenWakers& wakers = openWakers();
  const std::shared_lock lock(wakers.gate);
  return wakers.owners.contains(fd);
}

void closeWaker(int fd) {
  OpenWakers& wakers = openWakers();
  const std::unique_lock lock(wakers.gate);
  if (wakers.owners.erase(fd) == 1) ::close(fd);
}

// wakers.create() -> its number
static Napi::Value createWaker(const Napi::CallbackInfo& info) {
  const int fd = stateOf(info.Env())->wakers.open();
  if (fd < 0) return throwSystemError(info.Env(), -fd, "eventfd");
  return Napi::Number::New(info.Env(), fd);
}

// wake(fd): adds one. EAGAIN means that the counter is full, so a wake-up is already waiting: as good as written.
static napi_value wake(napi_env env, napi_callback_info info) {
  const int fd = RawArgs<1>(env, info).int32(0);
  const uint64_t one = 1;
  OpenWakers& wakers = openWakers();
  const std::shared_lock lock(wakers.gate);
  if (!wakers.owners.contains(fd)) return nullptr;
  ssize_t written;
  do written = write(fd, &one, sizeof one);
  while (written < 0 && errno == EINTR);
  return nullptr;
}

void exportWaker(Napi::Env env, Napi::Object exports) {
  Group wakers(env, exports, "wakers");
  wakers.add("create", Napi::Function::New(env, createWaker));
  wakers.addRaw("wake", wake);
  wakers.addRaw("close", [](napi_env e, napi_callback_info info) -> napi_value {
    closeWaker(RawArgs<1>(e, info).int32(0));
    return nullptr;
  });
}

}  // namespace percore
