// The functions of the group `stalls`. A watch belongs to the thread that has made it, and other threads join it by its
// number: so there is one table for the process, the only one of this addon that is not an environment's.
#include <cerrno>
#include <unordered_map>

#include <sys/syscall.h>
#include <unistd.h>

#include <pthread.h>

#include "bindings.h"
#include "isolate_stack.h"
#include "napi_args.h"
#include "stall_watch.h"

namespace percore {

namespace {

struct Owner {
  napi_env env = nullptr;
  napi_threadsafe_function tell = nullptr;
  std::unique_ptr<StallWatch> watch;
  int32_t id = 0;
};

struct Table {
  std::mutex mutex;
  std::unordered_map<int32_t, std::shared_ptr<Owner>> owners;
  int32_t next = 1;

  std::shared_ptr<Owner> find(int32_t id) {
    const std::lock_guard lock(mutex);
    const auto found = owners.find(id);
    return found == owners.end() ? nullptr : found->second;
  }
};

// Never destroyed: threads may end after main() has.
Table& table() {
  static Table* const made = new Table();
  return *made;
}

void onEnvironmentEnd(void* data);

void close(Owner* owner, bool isEnding) {
  std::shared_ptr<Owner> held;
  {
    const std::lock_guard lock(table().mutex);
    const auto found = table().owners.find(owner->id);
    if (found == table().owners.end()) return;
    held = found->second;
    table().owners.erase(found);
  }
  if (!isEnding) napi_remove_env_cleanup_hook(held->env, onEnvironmentEnd, owner);
  held->watch->stop();
  napi_release_threadsafe_function(held->tell, napi_tsfn_abort);
}

void onEnvironmentEnd(void* data) { close(static_cast<Owner*>(data), true); }

// On the main thread: (party, ns, atNs, collectedNs, hasAnswered, isContinued, task, stack).
void tellJavaScript(napi_env env, napi_value function, void*, void* data) {
  const std::unique_ptr<Stall> stall(static_cast<Stall*>(data));
  if (!env || !function) return;
  napi_value args[8] = {};
  napi_create_int32(env, stall->party, &args[0]);
  napi_create_double(env, double(stall->ns), &args[1]);
  napi_create_double(env, double(stall->atNs), &args[2]);
  napi_create_double(env, double(stall->collectedNs), &args[3]);
  napi_get_boolean(env, stall->hasAnswered, &args[4]);
  napi_get_boolean(env, stall->isContinued, &args[5]);
  napi_create_string_utf8(env, stall->task.data(), stall->task.size(), &args[6]);
  napi_create_string_utf8(env, stall->stack.data(), stall->stack.size(), &args[7]);
  if (!args[7]) return;
  napi_value global = nullptr, result = nullptr;
  if (napi_get_global(env, &global) == napi_ok) napi_call_function(env, global, function, 8, args, &result);
}

void onStall(void* context, Stall&& stall) {
  auto* held = new Stall(std::move(stall));
  const auto tell = static_cast<Owner*>(context)->tell;
  if (napi_call_threadsafe_function(tell, held, napi_tsfn_nonblocking) != napi_ok) delete held;
}

// stalls.create(mainParty, tell) -> its number, or -errno
napi_value createWatch(napi_env env, napi_callback_info info) {
  RawArgs<2> args(env, info);
  if (!hasIsolateStacks()) return args.integer(-ENOSYS);
  auto owner = std::make_shared<Owner>();
  napi_value name = nullptr;
  if (napi_create_string_utf8(env, "percore:stalls", NAPI_AUTO_LENGTH, &name) != napi_ok ||
      napi_create_threadsafe_function(env, args.value[1], nullptr, name, 0, 1, nullptr, nullptr, nullptr,
          tellJavaScript, &owner->tell) != napi_ok)
    return args.integer(-EINVAL);
  napi_unref_threadsafe_function(env, owner->tell);
  owner->env = env;
  owner->watch = std::make_unique<StallWatch>(args.int32(0), onStall, owner.get());
  {
    const std::lock_guard lock(table().mutex);
    owner->id = table().next++;
    table().owners.emplace(owner->id, owner);
  }
  // After the function's own: so it runs before that, and the watcher has ended when the function does.
  napi_add_env_cleanup_hook(env, onEnvironmentEnd, owner.get());
  return args.integer(owner->id);
}

void onThreadEnd(void* data) {
  const std::unique_ptr<std::shared_ptr<WatchedThread>> thread(static_cast<std::shared_ptr<WatchedThread>*>(data));
  (*thread)->leave();
}

// stalls.join(watch, inbox, steps) -> 0 or -errno: the calling thread is watched until it ends
napi_value joinWatch(napi_env env, napi_callback_info info) {
  RawArgs<3> args(env, info);
  const auto owner = table().find(args.int32(0));
  char* inbox = nullptr;
  size_t length = 0;
  napi_valuetype type = napi_undefined;
  if (!owner) return args.integer(-ENOENT);
  if (!args.bytes(1, &inbox, &length) || length < sizeof(layout::Party) ||
      napi_typeof(env, args.value[2], &type) != napi_ok || type != napi_object)
    return args.integer(-EINVAL);
  auto thread = std::make_shared<WatchedThread>();
  if (napi_create_reference(env, args.value[1], 1, &thread->view) != napi_ok ||
      napi_create_reference(env, args.value[2], 1, &thread->steps) != napi_ok ||
      pthread_getcpuclockid(pthread_self(), &thread->cpuClock) != 0)
    return args.integer(-EINVAL);
  thread->env = env;
  thread->party = reinterpret_cast<layout::Party*>(inbox);
  thread->tid = int(syscall(SYS_gettid));
  thread->isMain = thread->party->id == owner->watch->mainParty();
  thread->isolate = currentIsolate();
  thread->enter();
  napi_add_env_cleanup_hook(env, onThreadEnd, new std::shared_ptr<WatchedThread>(thread));
  owner->watch->join(std::move(thread));
  return args.integer(0);
}

// stalls.set(watch, thresholdNs, mostPerMinute) -> 0 or -errno
napi_value setWatch(napi_env env, napi_callback_info info) {
  RawArgs<3> args(env, info);
  const auto owner = table().find(args.int32(0));
  const int64_t threshold = args.int64(1);
  const int32_t most = args.int32(2);
  if (!owner) return args.integer(-ENOENT);
  if (threshold < 0 || most < 0) return args.integer(-EINVAL);
  owner->watch->setMostPerMinute(most);
  return args.integer(owner->watch->setThreshold(threshold));
}

// stalls.close(watch)
napi_value closeWatch(napi_env env, napi_callback_info info) {
  RawArgs<1> args(env, info);
  const auto owner = table().find(args.int32(0));
  if (owner && owner->env == env) close(owner.get(), false);
  return nullptr;
}

}  // namespace

void exportStalls(Napi::Env env, Napi::Object exports) {
  Group stalls(env, exports, "stalls");
  stalls.addRaw("create", createWatch);
  stalls.addRaw("join", joinWatch);
  stalls.addRaw("set", setWatch);
  stalls.addRaw("close", closeWatch);
}

}  // namespace percore
