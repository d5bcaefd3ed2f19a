// What is kept of the events of one thread, and the figures that are made of it. Knows nothing of Node.
#pragma once
#include <algorithm>
#include <cstdint>
#include <limits>
#include <memory>

#include "threads_by_number.h"

namespace percore {

enum class TraceEventKind : uint8_t { kWaking, kSwitch, kIrqEntry, kIrqExit };

// What the thread does that leaves a CPU: it could have gone on, or sleeps, and then so that a signal would wake it, as
// a timer's sleeper does, or not. None of them: it yields, or is the idle thread.
enum Leaving : uint8_t { kPreemption = 1, kVoluntary = 2, kInterruptible = 4 };

// As it is kept of each event of a followed thread; 32 bytes, since one is written for each.
struct TraceEvent {
  // Since zero; in a Worst since the thread was woken.
  int64_t ns = 0;
  int32_t prevPid = -1, nextPid = -1;
  // Of a wake-up the CPU that the thread is put on, of an interrupt its number.
  int32_t target = -1;
  // The kernel's, 0 to 139.
  int16_t prevPriority = -1, nextPriority = -1;
  int16_t cpu = 0;
  TraceEventKind kind = TraceEventKind::kSwitch;
  // Of a switch: a set of Leaving.
  uint8_t leaving = 0;
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
  void add(const TraceEvent& event) { events[placeOf(count++)] = event; }
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
  void take(const Episode& episode, const ThreadsByNumber& all);
};

// One figure of one thread. Its memory is taken with the first value.
class FigureRecord {
 public:
  // As `Histogram` of src/observe/histogram.ts has it: the counts, the largest value, and the smallest and 1.
  static constexpr int kStepBits = 5, kSteps = 1 << kStepBits, kTopBits = 40;
  static constexpr int kCounts = (kTopBits - kStepBits + 1) * kSteps, kNumbers = kCounts + 2;
  static constexpr int64_t kMostNs = (int64_t(1) << kTopBits) - 1;
  static constexpr int64_t kNoBound = std::numeric_limits<int64_t>::max();

  // The number comes first, the events second: they are copied where none was worse.
  void record(int64_t ns, const Episode& episode, const ThreadsByNumber& all) {
    if (!counts_) begin();
    counts_[placeOf(uint64_t(std::clamp(ns, int64_t(0), kMostNs)))]++;
    if (ns < leastNs_) leastNs_ = ns;
    if (ns > noticedNs_) notice(ns, episode, all);
  }
  void setBound(int64_t ns) {
    boundNs_ = ns;
    noticedNs_ = std::min(boundNs_, worstNs_);
  }

  uint64_t violations() const { return violations_; }
  const Worst* worst() const { return worst_.get(); }
  // Copies the histogram, kNumbers of them, and answers how many values there were.
  uint64_t read(double* numbers) const;

 private:
  static int placeOf(uint64_t value) {
    if (value < uint64_t(kSteps)) return int(value);
    const int shift = 63 - __builtin_clzll(value) - kStepBits;
    return (shift + 1) * kSteps + int(value >> shift) - kSteps;
  }
  void begin();
  // It is above its bound, or the worst so far.
  void notice(int64_t ns, const Episode& episode, const ThreadsByNumber& all);

  std::unique_ptr<uint64_t[]> counts_;
  int64_t leastNs_ = kNoBound, worstNs_ = -1, boundNs_ = kNoBound;
  // The lower one of the two: what is not above it is only counted.
  int64_t noticedNs_ = -1;
  uint64_t violations_ = 0;
  std::unique_ptr<Worst> worst_;
};

enum class Figure : uint8_t { kScheduleIn, kResponse, kRelief, kIrq };
constexpr int kFigures = 4;

}  // namespace percore
