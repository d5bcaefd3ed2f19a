#include "locked_memory.h"

#include <pthread.h>
#include <sys/mman.h>
#include <sys/prctl.h>

#include <atomic>
#include <cerrno>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <mutex>
#include <vector>

#include "thread.h"

namespace percore {

namespace {

constexpr auto kLookEvery = std::chrono::milliseconds(500);
// No arena of malloc and no stack reserves so much; V8 does for its code, 128 MiB and more.
constexpr uintptr_t kMuchReserved = uintptr_t(64) << 20;
// A larger mapping beside code is no part of it.
constexpr uintptr_t kMostOfCode = uintptr_t(4) << 20;

struct Mapping {
  uintptr_t start, end;
  bool isPlain, isCode, isReserved, isSkipped;
  uintptr_t bytes() const { return end - start; }
};

std::vector<Mapping> mappings() {
  std::vector<Mapping> found;
  // Not maps, which is read faster, since only this tells what V8's heaps are: they are not copied to children.
  FILE* const file = fopen("/proc/self/smaps", "re");
  if (!file) return found;
  char line[512];
  while (fgets(line, sizeof line, file)) {
    if (strncmp(line, "VmFlags:", 8) == 0 && !found.empty() && strstr(line, " dc")) found.back().isSkipped = true;
    unsigned long start = 0, end = 0, inode = 0;
    char permissions[5] = {}, path[8] = {};
    const int count = sscanf(line, "%lx-%lx %4s %*s %*s %lu %7s", &start, &end, permissions, &inode, path);
    if (count < 4) continue;
    // Private and of no file; V8 may have given it a name.
    const bool isPlain = inode == 0 && permissions[3] == 'p' && (count == 4 || strncmp(path, "[anon:", 6) == 0);
    const bool isReserved = strncmp(permissions, "---", 3) == 0;
    found.push_back({start, end, isPlain, isPlain && permissions[2] == 'x', isReserved, isReserved});
  }
  fclose(file);
  return found;
}

// From a mapping that is V8's code, or reserved for it, to both sides.
void skipCode(std::vector<Mapping>& all) {
  const auto skip = [&all](size_t from, int step) {
    for (size_t at = from;;) {
      const size_t next = at + size_t(step);
      if (next >= all.size()) return;
      const uintptr_t gap = step > 0 ? all[next].start - all[at].end : all[at].start - all[next].end;
      if (gap != 0 || !all[next].isPlain) return;
      if (!all[next].isCode && !all[next].isReserved && all[next].bytes() > kMostOfCode) return;
      all[next].isSkipped = true;
      at = next;
    }
  };
  for (size_t at = 0; at < all.size(); at++) {
    if (!all[at].isCode && !(all[at].isReserved && all[at].bytes() > kMuchReserved)) continue;
    all[at].isSkipped = true;
    skip(at, 1);
    skip(at, -1);
  }
}

int lockMappings() {
  std::vector<Mapping> all = mappings();
  skipCode(all);
  for (const Mapping& mapping : all) {
    if (mapping.isSkipped) continue;
    // What has gone meanwhile, and what cannot be locked (the kernel's own pages), is no matter.
    if (mlock2(reinterpret_cast<void*>(mapping.start), mapping.bytes(), MLOCK_ONFAULT) != 0 && errno == EPERM)
      return -EPERM;
  }
  return 0;
}

// Of the process, and never destroyed: its thread may outlive main().
struct Looking {
  std::mutex mutex;
  std::condition_variable changed;
  // Which thread looks, by its number; 0 for none.
  uint64_t current = 0, last = 0;

  // 0 or -errno.
  int begin() {
    const std::lock_guard lock(mutex);
    if (current != 0) return 0;
    Thread thread;
    if (const int code = thread.start([this, self = last + 1] { run(self); }); code != 0)
      return code;
    thread.detach();
    current = ++last;
    return 0;
  }
  void end() {
    const std::lock_guard lock(mutex);
    current = 0;
    changed.notify_all();
  }
  void run(uint64_t self) {
    prctl(PR_SET_NAME, "percore-locks");
    std::unique_lock lock(mutex);
    while (!changed.wait_for(lock, kLookEvery, [this, self] { return current != self; })) lockMappings();
  }
};

Looking& looking() {
  static Looking* const made = new Looking();
  return *made;
}

}  // namespace

int lockMemory(bool withFuture) {
  const int result = lockMappings();
  return result == 0 && withFuture ? looking().begin() : result;
}

int unlockMemory() {
  // Nobody locks any more once this has returned: the thread looks under the same lock.
  looking().end();
  return munlockall() == 0 ? 0 : -errno;
}

}  // namespace percore
