// The functions of the group `halts`. Whoever watches is an environment, and lets go with it at the latest.
#include <cerrno>
#include <memory>
#include <mutex>
#include <unordered_map>

#include "bindings.h"
#include "halts.h"
#include "napi_args.h"

namespace percore {

namespace {

struct Holder {
  napi_env env;
  int32_t id;
};

struct Holders {
  std::mutex mutex;
  std::unordered_map<int32_t, std::unique_ptr<Holder>> byId;
  int32_t next = 1;
};

// Never destroyed: threads may end after main() has.
Holders& holders() {
  static Holders* const made = new Holders();
  return *made;
}

std::unique_ptr<Holder> take(int32_t id) {
  const std::lock_guard lock(holders().mutex);
  const auto found = holders().byId.find(id);
  if (found == holders().byId.end()) return nullptr;
  auto holder = std::move(found->second);
  holders().byId.erase(found);
  return holder;
}

void onEnvironmentEnd(void* data) {
  if (take(static_cast<Holder*>(data)->id)) Halts::ofProcess().letGo();
}

// halts.watch() -> its number, or -errno
napi_value watch(napi_env env, napi_callback_info info) {
  RawArgs<1> args(env, info);
  if (const int code = Halts::ofProcess().hold(); code != 0) return args.integer(code);
  Holder* holder = nullptr;
  {
    const std::lock_guard lock(holders().mutex);
    const int32_t id = holders().next++;
    holder = (holders().byId[id] = std::make_unique<Holder>(Holder{env, id})).get();
  }
  napi_add_env_cleanup_hook(env, onEnvironmentEnd, holder);
  return args.integer(holder->id);
}

// halts.unwatch(number): a second call does nothing
napi_value unwatch(napi_env env, napi_callback_info info) {
  RawArgs<1> args(env, info);
  const auto holder = take(args.int32(0));
  if (!holder) return nullptr;
  napi_remove_env_cleanup_hook(holder->env, onEnvironmentEnd, holder.get());
  Halts::ofProcess().letGo();
  return nullptr;
}

// halts.between(fromNs, toNs) -> nanoseconds
napi_value between(napi_env env, napi_callback_info info) {
  RawArgs<2> args(env, info);
  napi_value ns = nullptr;
  napi_create_double(env, double(Halts::ofProcess().betweenNs(args.int64(0), args.int64(1))), &ns);
  return ns;
}

}  // namespace

void exportHalts(Napi::Env env, Napi::Object exports) {
  Group halts(env, exports, "halts");
  halts.addRaw("watch", watch);
  halts.addRaw("unwatch", unwatch);
  halts.addRaw("between", between);
}

}  // namespace percore
