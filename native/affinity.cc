// Placement of the calling thread. The kernel narrows a mask silently, so every call reads back and returns what was granted.
// Sources: sched_setaffinity(2), prctl(2), sched(7).
#include <sched.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <memory>

#include "bindings.h"
#include "napi_args.h"

namespace percore {

static constexpr int kMaxCpus = 8192;
using CpuSet = std::unique_ptr<cpu_set_t, void (*)(cpu_set_t*)>;

static CpuSet allocateSet() {
  CpuSet set(CPU_ALLOC(kMaxCpus), [](cpu_set_t* s) { CPU_FREE(s); });
  CPU_ZERO_S(CPU_ALLOC_SIZE(kMaxCpus), set.get());
  return set;
}

static Napi::Value grantedCpus(Napi::Env env) {
  CpuSet set = allocateSet();
  if (sched_getaffinity(0, CPU_ALLOC_SIZE(kMaxCpus), set.get()) != 0) return throwSystemError(env, errno, "sched_getaffinity");
  Napi::Array list = Napi::Array::New(env);
  uint32_t count = 0;
  for (int cpu = 0; cpu < kMaxCpus; cpu++)
    if (CPU_ISSET_S(cpu, CPU_ALLOC_SIZE(kMaxCpus), set.get())) list.Set(count++, Napi::Number::New(env, cpu));
  return list;
}

static Napi::Value getAffinity(const Napi::CallbackInfo& info) { return grantedCpus(info.Env()); }

// pinThread(cpu) -> the CPUs granted to this thread, or throws EINVAL when the CPU is outside the cpuset.
static Napi::Value pinThread(const Napi::CallbackInfo& info) {
  const int cpu = info[0].ToNumber().Int32Value();
  if (cpu < 0 || cpu >= kMaxCpus) return throwSystemError(info.Env(), EINVAL, "sched_setaffinity");
  CpuSet set = allocateSet();
  CPU_SET_S(cpu, CPU_ALLOC_SIZE(kMaxCpus), set.get());
  if (sched_setaffinity(0, CPU_ALLOC_SIZE(kMaxCpus), set.get()) != 0) return throwSystemError(info.Env(), errno, "sched_setaffinity");
  return grantedCpus(info.Env());
}

// setTimerSlack(ns) -> granted ns. The default of 50 us delays every sleep of the thread by as much.
static Napi::Value setTimerSlack(const Napi::CallbackInfo& info) {
  prctl(PR_SET_TIMERSLACK, static_cast<unsigned long>(info[0].ToNumber().Int64Value()), 0, 0, 0);
  return Napi::Number::New(info.Env(), prctl(PR_GET_TIMERSLACK, 0, 0, 0, 0));
}

// setThreadName(name): shown by top -H and gdb; at most 15 bytes.
static Napi::Value setThreadName(const Napi::CallbackInfo& info) {
  prctl(PR_SET_NAME, info[0].ToString().Utf8Value().substr(0, 15).c_str(), 0, 0, 0);
  return info.Env().Undefined();
}

static Napi::Value threadId(const Napi::CallbackInfo& info) { return Napi::Number::New(info.Env(), double(syscall(SYS_gettid))); }
static Napi::Value currentCpu(const Napi::CallbackInfo& info) { return Napi::Number::New(info.Env(), sched_getcpu()); }

void exportAffinity(Napi::Env env, Napi::Object exports) {
  exports.Set("getAffinity", Napi::Function::New(env, getAffinity));
  exports.Set("pinThread", Napi::Function::New(env, pinThread));
  exports.Set("setTimerSlack", Napi::Function::New(env, setTimerSlack));
  exports.Set("setThreadName", Napi::Function::New(env, setThreadName));
  exports.Set("threadId", Napi::Function::New(env, threadId));
  exports.Set("currentCpu", Napi::Function::New(env, currentCpu));
}

}  // namespace percore
