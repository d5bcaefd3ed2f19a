// A real-time level that always has something to do starves the ordinary threads of its CPU, so the kernel gives them
// 50 ms of each second, in one piece: the fair server of Linux 6.12 and later, and the throttling of real-time threads
// before it. A level that rests by itself owes nothing and is never stopped for so long.
//
//   works, works, works ---> owes a share of that time ---> between two turns: sleeps for as long as it owes
//   sleeps, for lack of work ---> owes so much less
//   waits for a level above ---> owes as if it worked, since nobody below has the core then either
//
// Source: the kernel's kernel/sched/deadline.c: what ordinary threads run, and what a CPU idles, is taken off the time
// that the fair server gives.
#pragma once
#include <algorithm>
#include <cstdint>
#include <ctime>

#include "layout.h"

namespace percore {

class LevelRest {
 public:
  // So many rests follow each other where a level above keeps the core between them. Then this one has a turn: it would
  // starve otherwise, and the ordinary threads have enough by the others.
  static constexpr int kMostInARow = 16;

  // How long the thread should sleep now, which has worked until `now`; 0: it owes too little.
  int64_t dueNs(const layout::Party& party, int64_t now) {
    const int64_t every = party.restEveryNs;
    if (every == 0) return 0;
    if (beganNs_ == 0) beganNs_ = now;
    if (now - beganNs_ < every) return 0;
    return std::min((now - beganNs_) * party.restNs / every, kMostNs);
  }

  // It has slept, for whatever reason.
  void noteSleep(const layout::Party& party, int64_t from, int64_t to) {
    if (party.restEveryNs == 0) return;
    const int64_t paid = (to - from) * party.restEveryNs / party.restNs;
    beganNs_ = beganNs_ == 0 || to - from >= kMostNs ? to : std::min(to, beganNs_ + (to - from) + paid);
  }

  static void sleep(int64_t ns) {
    const timespec time{0, long(ns)};
    clock_nanosleep(CLOCK_MONOTONIC, 0, &time, nullptr);  // a signal ends it early, and the rest is owed
  }

 private:
  // What it owes beyond this after a very long turn is forgiven: the kernel has taken it, or the turn has waited for
  // something.
  static constexpr int64_t kMostNs = 2'000'000;
  int64_t beganNs_ = 0;  // so long ago that it owes its share of the time since
};

}  // namespace percore
