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
// Why in C++: an event costs 10 to 20 ns here, and ten times that in JavaScript, which for few events a second is not
// even compiled. Knows nothing of Node.
#pragma once
#include <cstdint>
#include <cstring>
#include <limits>
#include <memory>
#include <vector>

namespace percore {

// As the kernel has it: 16 bytes, ended by a zero.
struct ThreadName {
  uint64_t words[2] = {0, 0};

  static ThreadName at(const void* bytes) {
    ThreadName name;
    memcpy(name.words, bytes, sizeof name.words);
    return name;
  }
  bool operator==(const ThreadName&) const = default;
  bool isHandler() const { return memcmp(words, "irq/", 4) == 0; }
};

// Who leaves a CPU, or comes to it, or wakes another. -1 and no name are for what is not known, or no thread.
struct SwitchSide {
  int32_t pid = -1, priority = -1;
  ThreadName name;
};

// Names by the numbers of threads, as events have last told them. Few of all events are ever shown, so they keep
// numbers alone, and whoever shows them looks here. Two numbers may have one place: then the name that came before is
// lost.
class ThreadNames {
 public:
  // Who woke a thread, where that was no thread.
  static constexpr int32_t kNobody = -1, kInterrupt = -2, kSoftInterrupt = -3;

  ThreadNames() : names_(kPlaces) {}

  void learn(int32_t pid, const void* name) {
    Named& known = names_[placeOf(pid)];
    if (known.pid == pid && memcmp(known.name.words, name, sizeof known.name.words) == 0) return;
    known.pid = pid;
    known.name = ThreadName::at(name);
  }
  // Without a name, and a number for what has one, where that is not known.
  SwitchSide of(int32_t pid, int32_t priority) const;

 private:
  static constexpr size_t kPlaces = 4096;

  struct Named {
    int32_t pid = kNobody;
    ThreadName name;
  };

  static size_t placeOf(int32_t pid) { return size_t(uint32_t(pid)) % kPlaces; }

  std::vector<Named> names_;
};

// A change of who runs on a CPU.
struct Switch {
  int64_t timeNs;
  int32_t cpu;
  int32_t prevPid, prevPriority, nextPid, nextPriority;
  // It lies in the event.
  const void* nextName;
  // `prev` could have gone on, or sleeps: so that a signal would wake it, as a timer's sleeper does, or not.
  bool isPreemption, isVoluntary, isInterruptible;
};

enum class TraceEventKind : uint8_t { kWaking, kSwitch, kIrqEntry, kIrqExit };

// As it is kept of each event of a followed thread.
struct TraceEvent {
  // Since the thread was woken.
  int64_t ns = 0;
  TraceEventKind kind = TraceEventKind::kSwitch;
  bool isPreemption = false, isVoluntary = false;
  int32_t cpu = 0, wakeCpu = -1, irq = -1;
  int32_t prevPid = -1, prevPriority = -1, nextPid = -1, nextPriority = -1;
};

// What happened to one thread since it was woken: the first and the last events, of those between some are left out
// when there are many.
struct Episode {
  static constexpr uint32_t kFirst = 16, kLast = 16;

  int64_t beganNs = 0;
  uint32_t count = 0;
  TraceEvent events[kFirst + kLast];

  void begin(int64_t timeNs) {
    beganNs = timeNs;
    count = 0;
  }
  TraceEvent& add(TraceEventKind kind, int64_t timeNs, int32_t cpu) {
    TraceEvent& next = events[placeOf(count++)];
    next.ns = timeNs - beganNs;
    next.kind = kind;
    next.cpu = cpu;
    next.wakeCpu = next.irq = -1;
    return next;
  }
  uint32_t leftOut() const { return count > kFirst + kLast ? count - kFirst - kLast : 0; }
  // The events that are kept, in their order: number `i` of them, from 0.
  const TraceEvent& kept(uint32_t i) const { return events[placeOf(i < kFirst ? i : i + leftOut())]; }
  uint32_t keptCount() const { return count - leftOut(); }

 private:
  static uint32_t placeOf(uint32_t at) { return at < kFirst ? at : kFirst + (at - kFirst) % kLast; }
};

// The worst episode of a figure, which is shown: with names.
struct Worst {
  struct Event : TraceEvent {
    SwitchSide prev, next;
  };

  int64_t beganNs = 0;
  uint32_t leftOut = 0, count = 0;
  Event events[Episode::kFirst + Episode::kLast];

  // Only what is there: most episodes have three events.
  void take(const Episode& episode, const ThreadNames& names);
};

// One figure of one thread. Its memory is taken with the first value.
class FigureRecord {
 public:
  // As `Histogram` of src/observe/histogram.ts has it: the counts, the largest value, and the smallest and 1.
  static constexpr int kStepBits = 5, kSteps = 1 << kStepBits, kTopBits = 40;
  static constexpr int kCounts = (kTopBits - kStepBits + 1) * kSteps, kNumbers = kCounts + 2;
  static constexpr int64_t kNoBound = std::numeric_limits<int64_t>::max();

  int64_t boundNs = kNoBound;

  // The number comes first, the events second: they are copied where none was worse.
  void record(int64_t ns, const Episode& episode, const ThreadNames& names);

  uint64_t count() const { return count_; }
  uint64_t violations() const { return violations_; }
  const double* histogram() const { return histogram_.get(); }
  const Worst* worst() const { return worst_.get(); }

 private:
  int64_t worstNs_ = -1;
  uint64_t count_ = 0, violations_ = 0;
  std::unique_ptr<double[]> histogram_;
  std::unique_ptr<Worst> worst_;
};

enum class Figure : uint8_t { kScheduleIn, kResponse, kRelief, kIrq };
constexpr int kFigures = 4;

class FollowedThread {
 public:
  const int32_t tid;
  ThreadName name;
  // Its end was told: its number may be somebody else's by now.
  bool hasEnded = false;
  FigureRecord figures[kFigures];

  FollowedThread(int32_t id, ThreadName called, const ThreadNames& names) : tid(id), name(called), names_(names) {}

  // `waker` is who ran on the CPU that woke it; `isTimer`: a hard interrupt did that is none of a device.
  void onWaking(int64_t timeNs, int32_t cpu, int32_t wakeCpu, int32_t waker, bool isTimer);
  void onSwitchIn(const Switch& change);
  void onSwitchOut(const Switch& change);
  // An interrupt handler begins, or ends, on the CPU where it runs.
  void onInterrupt(int64_t timeNs, int32_t cpu, int32_t irq, bool isEntry);
  // Something of it may have been missed: nothing that is under way counts.
  void forget();

 private:
  enum class State : uint8_t { kUnknown, kAsleep, kWoken, kRunning, kPreempted };
  static constexpr int64_t kNone = -1;

  void record(Figure which, int64_t ns) { figures[int(which)].record(ns, episode_, names_); }
  void wake(int64_t timeNs, int32_t cpu, int32_t wakeCpu, int32_t waker, bool isTimer);
  void addSwitch(const Switch& change);

  const ThreadNames& names_;
  State state_ = State::kUnknown;
  // Whether the wake-up of what it does now was seen.
  bool hasBegun_ = false;
  // A wake-up before it slept, of which it is not known yet whether it was one.
  bool isEarly_ = false, earlyIsTimer_ = false;
  int32_t earlyCpu_ = 0, earlyWakeCpu_ = 0;
  int64_t earlyNs_ = 0;
  // Its last response, which is its relief if a timer ends this sleep.
  int64_t reliefNs_ = kNone;
  int64_t ranNs_ = 0, irqNs_ = 0;
  bool isInterrupted_ = false;
  int64_t irqBeganNs_ = 0;
  Episode episode_;
};

}  // namespace percore
