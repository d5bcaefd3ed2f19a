// Which of two epolls holds the other, for a reactor: libuv's holds the reactor's, or the reactor's holds libuv's.
//
//   kOutside   libuv sleeps, and a wake for the reactor costs two epoll_waits and a pass of libuv     (the usual way)
//   kInside    the reactor sleeps in its own, and such a wake costs one; what wakes libuv costs one more
//
//   kOutside --many short sleeps in a row that ended for the reactor--> kInside
//   kInside  --libuv has mostly been woken, or sleeps are long--------> kOutside
//
// Only short sleeps are inside: libuv does not know of them, so `performance.eventLoopUtilization()` takes them for
// work.
#pragma once
#include <algorithm>
#include <cstdint>

namespace percore {

class Nesting {
 public:
  // The longest sleep inside, for epoll_wait. Above a tick of the kernel, so that going to sleep sets no clock.
  static constexpr int kMostInsideMs = 10;

  // The thread has slept for so long, and was woken for the reactor (`isOurs`) or for libuv.
  void note(int64_t sleptNs, bool isOurs) {
    score_ = std::clamp(score_ + (isOurs && sleptNs < kShortNs ? 1 : -kOther), 0, kMost);
  }
  void reset() { score_ = 0; }
  bool wantsInside() const { return score_ == kMost; }
  bool wantsOutside() const { return score_ == 0; }

 private:
  static constexpr int64_t kShortNs = 500'000;
  static constexpr int kMost = 32, kOther = 4;
  int score_ = 0;
};

}  // namespace percore
