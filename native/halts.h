// Notices when the whole process stood still: stopped by SIGSTOP or a debugger, frozen with its container, or left out
// by the host of a virtual machine. No thread is told of that, and the kernel counts it nowhere. So a thread that only
// sleeps looks how late it wakes.
//
//   sleeps 10 ms --> woke in time, or had to wait for a CPU: nothing
//                \-> woke 10 ms late or more: since it should have woken nothing of this process has run
//
// One for the process, while somebody holds it.
#pragma once
#include <condition_variable>
#include <cstdint>
#include <mutex>

#include "thread.h"

namespace percore {

class Halts {
 public:
  // Lives as long as the process, since threads may end after main() has.
  static Halts& ofProcess();
  // 0, or -errno where the system gives no thread; then it is not held.
  int hold();
  void letGo();
  // For how long it stood still between two times of CLOCK_MONOTONIC, of the last halts.
  int64_t betweenNs(int64_t fromNs, int64_t toNs);

 private:
  static constexpr int kKept = 16;
  struct Halt {
    int64_t fromNs = 0, toNs = 0;
  };

  void run();

  std::mutex holding_;  // of those who hold and let go
  int holders_ = 0;
  std::mutex mutex_;  // of all below
  std::condition_variable changed_;
  bool isOver_ = false;
  Halt kept_[kKept];
  unsigned next_ = 0;
  Thread watcher_;
};

}  // namespace percore
