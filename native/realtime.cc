// How the scheduler treats a thread, and memory that is present before it is needed. The caller reads each policy back,
// since the kernel may refuse it and others may change it. Sources: sched(7), sched_setattr(2), mlockall(2),
// madvise(2).
#include <pthread.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>

#include "bindings.h"
#include "locked_memory.h"
#include "napi_args.h"

namespace percore {

// As in the kernel (struct sched_attr of its linux/sched/types header). The C library has had a name for it only since
// glibc 2.41.
struct SchedAttributes {
  uint32_t size = sizeof(SchedAttributes);
  uint32_t policy = 0;
  uint64_t flags = 0;
  int32_t nice = 0;
  uint32_t priority = 0;
  uint64_t runtimeNs = 0, deadlineNs = 0, periodNs = 0;
};
static_assert(sizeof(SchedAttributes) == 48, "SCHED_ATTR_SIZE_VER0");
static constexpr uint64_t kResetOnFork = 1;

// The numbers of a policy, in this order: policy, nice, priority, runtimeNs, deadlineNs, periodNs.
static constexpr size_t kPolicyNumbers = 6;

// realtime.setPolicy(tid, numbers) -> 0 or -errno. Whatever the thread starts does not inherit a real-time policy.
static napi_value setPolicy(napi_env env, napi_callback_info info) {
  RawArgs<2> args(env, info);
  const int32_t tid = args.int32(0);
  double* numbers = nullptr;
  size_t length = 0;
  if (tid < 0 || !args.numbers(1, &numbers, &length) || length < kPolicyNumbers) return args.integer(-EINVAL);
  for (size_t i = 0; i < kPolicyNumbers; i++)
    if (!(numbers[i] >= -20 && numbers[i] <= 9007199254740991.0)) return args.integer(-EINVAL);
  for (size_t i = 2; i < kPolicyNumbers; i++)
    if (numbers[i] < 0) return args.integer(-EINVAL);
  // The thread may have ended, and another process may have its number.
  if (tid != 0 && syscall(SYS_tgkill, getpid(), tid, 0) != 0) return args.integer(-errno);
  SchedAttributes attributes;
  attributes.policy = uint32_t(int32_t(numbers[0]));
  attributes.flags = kResetOnFork;
  attributes.nice = int32_t(numbers[1]);
  attributes.priority = uint32_t(numbers[2]);
  attributes.runtimeNs = uint64_t(numbers[3]);
  attributes.deadlineNs = uint64_t(numbers[4]);
  attributes.periodNs = uint64_t(numbers[5]);
  return args.integer(syscall(SYS_sched_setattr, tid, &attributes, 0) == 0 ? 0 : -errno);
}

// realtime.getPolicy(tid, numbers) -> 0 or -errno.
static napi_value getPolicy(napi_env env, napi_callback_info info) {
  RawArgs<2> args(env, info);
  const int32_t tid = args.int32(0);
  double* numbers = nullptr;
  size_t length = 0;
  if (tid < 0 || !args.numbers(1, &numbers, &length) || length < kPolicyNumbers) return args.integer(-EINVAL);
  SchedAttributes attributes;
  if (syscall(SYS_sched_getattr, tid, &attributes, sizeof attributes, 0) != 0) return args.integer(-errno);
  const double found[kPolicyNumbers] = {double(attributes.policy), double(attributes.nice),
      double(attributes.priority), double(attributes.runtimeNs), double(attributes.deadlineNs),
      double(attributes.periodNs)};
  memcpy(numbers, found, sizeof found);
  return args.integer(0);
}

// realtime.lockMemory(withFuture) -> 0 or -errno: every page that the process has, and shall have, but V8's stays in
// memory. A page that nobody has touched is locked when it is, so that address space which is only reserved takes none.
static napi_value lockAll(napi_env env, napi_callback_info info) {
  RawArgs<1> args(env, info);
  return args.integer(lockMemory(args.boolean(0)));
}

static napi_value unlockAll(napi_env env, napi_callback_info info) {
  RawArgs<1> args(env, info);
  return args.integer(unlockMemory());
}

// The whole pages that hold these bytes.
struct Pages {
  char* start = nullptr;
  size_t length = 0;
  size_t page = size_t(sysconf(_SC_PAGESIZE));
  Pages(char* data, size_t bytes) {
    const uintptr_t first = uintptr_t(data) / page * page;
    const uintptr_t end = (uintptr_t(data) + bytes + page - 1) / page * page;
    start = reinterpret_cast<char*>(first);
    length = end - first;
  }
};

// realtime.prefault(bytes) -> 0 or -errno: makes each page present and writable. The content does not change, even
// while others write it.
static napi_value prefault(napi_env env, napi_callback_info info) {
  RawArgs<1> args(env, info);
  char* data = nullptr;
  size_t length = 0;
  if (!args.bytes(0, &data, &length)) return args.integer(-EINVAL);
  if (length == 0) return args.integer(0);
  const Pages pages(data, length);
#ifdef MADV_POPULATE_WRITE
  if (madvise(pages.start, pages.length, MADV_POPULATE_WRITE) == 0) return args.integer(0);
  if (errno != EINVAL) return args.integer(-errno);
#endif
  // Before Linux 5.14: adding zero, which no other writer can lose.
  for (size_t at = 0; at < length; at += pages.page)
    reinterpret_cast<std::atomic<char>*>(data + at)->fetch_add(0, std::memory_order_relaxed);
  reinterpret_cast<std::atomic<char>*>(data + length - 1)->fetch_add(0, std::memory_order_relaxed);
  return args.integer(0);
}

// realtime.residentBytes(bytes) -> bytes of the pages that hold these and are in memory, or -errno.
static napi_value residentBytes(napi_env env, napi_callback_info info) {
  RawArgs<1> args(env, info);
  char* data = nullptr;
  size_t length = 0;
  if (!args.bytes(0, &data, &length)) return args.integer(-EINVAL);
  if (length == 0) return args.integer(0);
  const Pages pages(data, length);
  unsigned char there[1024];
  double resident = 0;
  for (size_t at = 0; at < pages.length; at += sizeof there * pages.page) {
    const size_t part = std::min(pages.length - at, sizeof there * pages.page);
    if (mincore(pages.start + at, part, there) != 0) return args.integer(-errno);
    for (size_t i = 0; i < (part + pages.page - 1) / pages.page; i++)
      if (there[i] & 1) resident += double(pages.page);
  }
  return args.real(resident);
}

// realtime.prefaultStack(bytes) -> 0 or -errno: makes this much of the calling thread's stack present, below its
// present position, but never so much that the thread would leave its stack.
__attribute__((noinline)) static void touchStack(size_t bytes, size_t page) {
  auto* area = static_cast<volatile char*>(__builtin_alloca(bytes));
  // From the upper end down, as a stack grows: that is how the kernel extends the main thread's stack.
  for (size_t at = bytes; at > page; at -= page) area[at - page] = 0;
}

static napi_value prefaultStack(napi_env env, napi_callback_info info) {
  RawArgs<1> args(env, info);
  const int64_t bytes = args.int64(0);
  pthread_attr_t attributes;
  void* lowest = nullptr;
  size_t size = 0;
  if (bytes < 0) return args.integer(-EINVAL);
  if (pthread_getattr_np(pthread_self(), &attributes) != 0) return args.integer(-ENOSYS);
  pthread_attr_getstack(&attributes, &lowest, &size);
  pthread_attr_destroy(&attributes);
  const size_t left = size_t(reinterpret_cast<char*>(__builtin_frame_address(0)) - static_cast<char*>(lowest));
  constexpr size_t kKept = 64 * 1024;
  if (left < kKept || size_t(bytes) > left - kKept) return args.integer(-ENOMEM);
  touchStack(size_t(bytes), size_t(sysconf(_SC_PAGESIZE)));
  return args.integer(0);
}

// realtime.adviseHugePages(bytes, isWanted) -> 0 or -errno, for the whole pages inside of the bytes.
static napi_value adviseHugePages(napi_env env, napi_callback_info info) {
  RawArgs<2> args(env, info);
  char* data = nullptr;
  size_t length = 0;
  if (!args.bytes(0, &data, &length)) return args.integer(-EINVAL);
  const uintptr_t page = uintptr_t(sysconf(_SC_PAGESIZE));
  const uintptr_t start = (uintptr_t(data) + page - 1) / page * page, end = (uintptr_t(data) + length) / page * page;
  if (start >= end) return args.integer(0);
  const int advice = args.boolean(1) ? MADV_HUGEPAGE : MADV_NOHUGEPAGE;
  return args.integer(madvise(reinterpret_cast<void*>(start), end - start, advice) == 0 ? 0 : -errno);
}

void exportRealtime(Napi::Env env, Napi::Object exports) {
  Group realtime(env, exports, "realtime");
  realtime.addRaw("setPolicy", setPolicy);
  realtime.addRaw("getPolicy", getPolicy);
  realtime.addRaw("lockMemory", lockAll);
  realtime.addRaw("unlockMemory", unlockAll);
  realtime.addRaw("prefault", prefault);
  realtime.addRaw("residentBytes", residentBytes);
  realtime.addRaw("prefaultStack", prefaultStack);
  realtime.addRaw("adviseHugePages", adviseHugePages);
}

}  // namespace percore
