// What one thread is doing, from what the scheduler tells of it, and the figures that follow from it.
//
//                 waking             switch to it              switch away, it sleeps
//      asleep ------------> woken -----------------> running ------------------------> asleep
//         |   relief, if a timer      schedule-in      ^  |     response, irq
//         |   has woken it                             |  | switch away, it could go on
//         |                              switch to it  |  v
//      unknown: at first, and after a hole          preempted
//
// A wake-up of a thread that is not asleep yet changes nothing: either it goes on, or it is just going to sleep on
// another CPU, and then the next switch to it says that this was the wake-up. A time is recorded only when its
// beginning has been seen, so figures are right from the first one on and after holes.
//
// Why in C++: an event costs about 10 ns here, and more than ten times that in JavaScript, which for few events a
// second is not even compiled. Why in the header: so that an event's numbers stay in registers on their way to the
// thread; written to memory one by one and read again as a whole, they stall the core. Knows nothing of Node.
#pragma once
#include <cstdint>

#include "thread_figures.h"
#include "threads_by_number.h"

namespace percore {

class FollowedThread {
 public:
  const int32_t tid;
  ThreadName name;
  // Its end was told: its number may be somebody else's by now.
  bool hasEnded = false;
  FigureRecord figures[kFigures];

  FollowedThread(int32_t id, ThreadName called, const ThreadsByNumber& all) : tid(id), name(called), all_(all) {}

  // `event` tells of a wake-up; `isTimer`: a hard interrupt did that is none of a device.
  void onWaking(const TraceEvent& event, bool isTimer) {
    if (state_ == State::kRunning || state_ == State::kPreempted) {
      isEarly_ = true;
      earlyIsTimer_ = isTimer;
      early_ = event;
      return;
    }
    wake(event, isTimer);
  }

  // It has a CPU.
  void onSwitchIn(const TraceEvent& event) {
    if (isEarly_) endEarly();
    const State before = state_;
    state_ = State::kRunning;
    episode_.add(event);
    if (before == State::kWoken) {
      hasBegun_ = true;
      ranNs_ = event.ns;
      irqNs_ = 0;
      record(Figure::kScheduleIn, event.ns - episode_.beganNs);
    } else if (before != State::kPreempted) {
      hasBegun_ = false;
    }
  }

  void onSwitchOut(const TraceEvent& event) {
    const bool isWhole = state_ == State::kRunning && hasBegun_;
    episode_.add(event);
    isInterrupted_ = false;
    if (!(event.leaving & kVoluntary)) {
      state_ = State::kPreempted;
      hasBegun_ = isWhole;
      return;
    }
    state_ = State::kAsleep;
    hasBegun_ = false;
    reliefNs_ = kNone;
    if (!isWhole) return;
    const int64_t tookNs = event.ns - episode_.beganNs;
    record(Figure::kResponse, tookNs);
    const int64_t irqNs = name.isHandler() ? event.ns - ranNs_ : irqNs_;
    if (irqNs > 0) record(Figure::kIrq, irqNs);
    if (event.leaving & kInterruptible) reliefNs_ = tookNs;
  }

  // An interrupt handler begins, or ends, on the CPU where it runs.
  void onInterrupt(const TraceEvent& event);
  // Something of it may have been missed: nothing that is under way counts.
  void forget();

 private:
  enum class State : uint8_t { kUnknown, kAsleep, kWoken, kRunning, kPreempted };
  static constexpr int64_t kNone = -1;

  void record(Figure which, int64_t ns) { figures[int(which)].record(ns, episode_, all_); }

  void wake(const TraceEvent& event, bool isTimer) {
    if (isTimer && reliefNs_ != kNone) record(Figure::kRelief, reliefNs_);
    reliefNs_ = kNone;
    state_ = State::kWoken;
    episode_.begin(event.ns);
    episode_.add(event);
  }
  void endEarly();

  const ThreadsByNumber& all_;
  State state_ = State::kUnknown;
  // Whether the wake-up of what it does now was seen.
  bool hasBegun_ = false;
  // A wake-up before it slept, of which it is not known yet whether it was one.
  bool isEarly_ = false, earlyIsTimer_ = false;
  bool isInterrupted_ = false;
  // Its last response, which is its relief if a timer ends this sleep.
  int64_t reliefNs_ = kNone;
  int64_t ranNs_ = 0, irqNs_ = 0, irqBeganNs_ = 0;
  TraceEvent early_;
  Episode episode_;
};

}  // namespace percore
