// Placement of the calling thread. The kernel narrows a mask silently, so every call reads back and returns what was
// granted. Sources: sched_setaffinity(2), prctl(2), sched(7).
#include <pthread.h>
#include <sched.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include <cerrno>
#include <memory>
#include <mutex>

#include "bindings.h"
#include "napi_args.h"
#include "schedstat.h"
#include "unique_fd.h"

namespace percore {

static constexpr int kMaxCpus = 8192;
using CpuSet = std::unique_ptr<cpu_set_t, void (*)(cpu_set_t*)>;

static CpuSet allocateSet() {
  CpuSet set(CPU_ALLOC(kMaxCpus), [](cpu_set_t* s) { CPU_FREE(s); });
  CPU_ZERO_S(CPU_ALLOC_SIZE(kMaxCpus), set.get());
  return set;
}

// The CPUs that an array of numbers names; null if an element is not a CPU.
static CpuSet cpusOf(const Napi::Array& cpus) {
  CpuSet set = allocateSet();
  for (uint32_t i = 0; i < cpus.Length(); i++) {
    const Napi::Value cpu = cpus.Get(i);
    const double number = cpu.IsNumber() ? cpu.As<Napi::Number>().DoubleValue() : -1;
    // NaN is not CPU 0.
    if (!(number >= 0 && number < kMaxCpus) || number != double(int(number))) return CpuSet(nullptr, set.get_deleter());
    CPU_SET_S(int(number), CPU_ALLOC_SIZE(kMaxCpus), set.get());
  }
  return set;
}

static Napi::Value cpusOfThread(Napi::Env env, pid_t tid) {
  CpuSet set = allocateSet();
  if (sched_getaffinity(tid, CPU_ALLOC_SIZE(kMaxCpus), set.get()) != 0) {
    // Another thread may have ended: it has no CPUs.
    if (tid != 0) return Napi::Array::New(env);
    return throwSystemError(env, errno, "sched_getaffinity");
  }
  Napi::Array list = Napi::Array::New(env);
  uint32_t count = 0;
  for (int cpu = 0; cpu < kMaxCpus; cpu++)
    if (CPU_ISSET_S(cpu, CPU_ALLOC_SIZE(kMaxCpus), set.get())) list.Set(count++, Napi::Number::New(env, cpu));
  return list;
}

static Napi::Value grantedCpus(Napi::Env env) { return cpusOfThread(env, 0); }

static Napi::Value getAffinity(const Napi::CallbackInfo& info) { return grantedCpus(info.Env()); }

// threads.getAffinityOf(tid) -> CPUs; none for a thread that does not exist. For any thread of the process.
static Napi::Value getAffinityOf(const Napi::CallbackInfo& info) {
  const int32_t tid = int32Of(info.Env(), info[0]);
  if (tid <= 0) return Napi::Array::New(info.Env());
  return cpusOfThread(info.Env(), tid);
}

// threads.setAffinityOf(tid, [cpu, ...]) -> 0 or -errno.
static Napi::Value setAffinityOf(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  const int32_t tid = int32Of(env, info[0]);
  const CpuSet set = info[1].IsArray() ? cpusOf(info[1].As<Napi::Array>()) : CpuSet(nullptr, nullptr);
  if (tid <= 0 || !set) return Napi::Number::New(env, -EINVAL);
  const int result = sched_setaffinity(tid, CPU_ALLOC_SIZE(kMaxCpus), set.get());
  return Napi::Number::New(env, result == 0 ? 0 : -errno);
}

static Napi::Value getTimerSlack(const Napi::CallbackInfo& info) {
  return Napi::Number::New(info.Env(), prctl(PR_GET_TIMERSLACK, 0, 0, 0, 0));
}

// threads.setAffinity([cpu, ...]) -> the CPUs granted to this thread, or throws EINVAL when none of them is in the
// cpuset.
static Napi::Value setAffinity(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  if (!info[0].IsArray()) return throwSystemError(env, EINVAL, "sched_setaffinity");
  const CpuSet set = cpusOf(info[0].As<Napi::Array>());
  if (!set) return throwSystemError(env, EINVAL, "sched_setaffinity");
  if (sched_setaffinity(0, CPU_ALLOC_SIZE(kMaxCpus), set.get()) != 0)
    return throwSystemError(env, errno, "sched_setaffinity");
  return grantedCpus(env);
}

// threads.setTimerSlack(ns) -> granted ns. With the default of 50 us every sleep of the thread may end that much late.
// 0 asks for the thread's default.
static Napi::Value setTimerSlack(const Napi::CallbackInfo& info) {
  const double ns = info[0].IsNumber() ? info[0].As<Napi::Number>().DoubleValue() : -1;
  if (!(ns >= 0 && ns <= 9007199254740991.0)) return throwSystemError(info.Env(), EINVAL, "prctl");
  // A refusal shows in what is read back.
  prctl(PR_SET_TIMERSLACK, static_cast<unsigned long>(ns), 0, 0, 0);
  return getTimerSlack(info);
}

// threads.exactSleep() -> 0, or -errno of the timerfd that is refused.
static Napi::Value exactSleep(const Napi::CallbackInfo& info) {
  const UniqueFd timer(timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK));
  return Napi::Number::New(info.Env(), timer ? 0 : -errno);
}

// threads.setName(name): shown by top -H and gdb; at most 15 bytes.
static Napi::Value setThreadName(const Napi::CallbackInfo& info) {
  prctl(PR_SET_NAME, info[0].ToString().Utf8Value().substr(0, 15).c_str(), 0, 0, 0);
  return info.Env().Undefined();
}

// ---- What a thread's child processes begin with ---------------------------------------------------------------------

// Where the processes that this thread starts begin. The set lives as long as the thread.
struct ChildPlace {
  CpuSet cpus{nullptr, [](cpu_set_t* set) { CPU_FREE(set); }};
  unsigned long timerSlackNs = 0;
};
static thread_local ChildPlace childPlace;

// Runs in the child, between fork() and exec(): only the thread that forked exists there, and only system calls are
// allowed.
static void takeChildPlace() {
  if (!childPlace.cpus) return;
  // A cpuset that has changed meanwhile refuses it: the child then stays where its parent is.
  sched_setaffinity(0, CPU_ALLOC_SIZE(kMaxCpus), childPlace.cpus.get());
  prctl(PR_SET_TIMERSLACK, childPlace.timerSlackNs, 0, 0, 0);
}

// threads.setChildPlace([cpu, ...], timerSlackNs): the processes that this thread starts from now on begin there,
// whoever calls fork().
static Napi::Value setChildPlace(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  const double ns = info[1].IsNumber() ? info[1].As<Napi::Number>().DoubleValue() : -1;
  CpuSet set = info[0].IsArray() ? cpusOf(info[0].As<Napi::Array>()) : CpuSet(nullptr, nullptr);
  if (!set || !(ns >= 0 && ns <= 9007199254740991.0)) return throwSystemError(env, EINVAL, "setChildPlace");
  static std::once_flag once;
  int error = 0;
  std::call_once(once, [&error] { error = pthread_atfork(nullptr, nullptr, takeChildPlace); });
  if (error != 0) return throwSystemError(env, error, "pthread_atfork");
  childPlace.cpus = std::move(set);
  childPlace.timerSlackNs = static_cast<unsigned long>(ns);
  return env.Undefined();
}

// threads.scheduled(fd, out) -> 1, or 0 if nothing can be read. `fd` is a /proc/*/schedstat; `out` becomes how long its
// thread has had a CPU and has waited for one, in ns, and how often it was given one; then the caller's CPU.
static napi_value scheduled(napi_env raw, napi_callback_info call) {
  const RawArgs<2> args(raw, call);
  double* out = nullptr;
  size_t length = 0;
  Schedstat stat;
  if (!args.numbers(1, &out, &length) || length < 4 || !readSchedstat(args.int32(0), &stat)) return args.integer(0);
  out[0] = double(stat.ranNs);
  out[1] = double(stat.waitedNs);
  out[2] = double(stat.times);
  out[3] = sched_getcpu();
  return args.integer(1);
}

static Napi::Value threadId(const Napi::CallbackInfo& info) {
  return Napi::Number::New(info.Env(), double(syscall(SYS_gettid)));
}

void exportAffinity(Napi::Env env, Napi::Object exports) {
  Group threads(env, exports, "threads");
  threads.add("getAffinity", Napi::Function::New(env, getAffinity));
  threads.add("setAffinity", Napi::Function::New(env, setAffinity));
  threads.add("getAffinityOf", Napi::Function::New(env, getAffinityOf));
  threads.add("setAffinityOf", Napi::Function::New(env, setAffinityOf));
  threads.add("getTimerSlack", Napi::Function::New(env, getTimerSlack));
  threads.add("setTimerSlack", Napi::Function::New(env, setTimerSlack));
  threads.add("exactSleep", Napi::Function::New(env, exactSleep));
  threads.add("setName", Napi::Function::New(env, setThreadName));
  threads.add("setChildPlace", Napi::Function::New(env, setChildPlace));
  threads.addRaw("scheduled", scheduled);
  threads.add("id", Napi::Function::New(env, threadId));
}

}  // namespace percore
