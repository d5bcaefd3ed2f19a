#include "halts.h"

#include <fcntl.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>

#include "clock.h"
#include "schedstat.h"

namespace percore {

static constexpr int64_t kEveryNs = 10'000'000, kLeastNs = 10'000'000;

// For how long the thread that has opened `fd` has waited for a CPU so far; 0 where the kernel does not say.
static int64_t waitedNs(int fd) {
  Schedstat stat;
  return readSchedstat(fd, &stat) ? stat.waitedNs : 0;
}

Halts& Halts::ofProcess() {
  static Halts* const made = new Halts();
  return *made;
}

int Halts::hold() {
  const std::lock_guard holding(holding_);
  if (holders_ == 0) {
    isOver_ = false;  // no watcher runs
    if (const int code = watcher_.start([this] { run(); }); code != 0) return code;
  }
  holders_++;
  return 0;
}

void Halts::letGo() {
  const std::lock_guard holding(holding_);
  if (--holders_ > 0) return;
  {
    const std::lock_guard lock(mutex_);
    isOver_ = true;
    changed_.notify_one();
  }
  watcher_.join();
}

int64_t Halts::betweenNs(int64_t fromNs, int64_t toNs) {
  const std::lock_guard lock(mutex_);
  int64_t sum = 0;
  for (const Halt& halt : kept_)
    sum += std::max<int64_t>(0, std::min(halt.toNs, toNs) - std::max(halt.fromNs, fromNs));
  return sum;
}

void Halts::run() {
  prctl(PR_SET_NAME, "percore-halts");
  const int fd = open("/proc/thread-self/schedstat", O_RDONLY | O_CLOEXEC);
  std::unique_lock lock(mutex_);
  while (!isOver_) {
    const int64_t dueNs = monotonicNs() + kEveryNs, before = waitedNs(fd);
    changed_.wait_for(lock, std::chrono::nanoseconds(kEveryNs));
    // It waited for a CPU once the process could go on.
    const int64_t toNs = monotonicNs() - std::max<int64_t>(0, waitedNs(fd) - before);
    if (toNs - dueNs >= kLeastNs) kept_[next_++ % kKept] = {dueNs, toNs};
  }
  lock.unlock();
  if (fd >= 0) close(fd);
}

}  // namespace percore
