// The timer wheel against a model that cannot be wrong: a sorted multimap. Both get the same random commands, and after
// each the wheel must have given exactly the ids the model gives, in its order, and agree on the next deadline and the
// count. That covers: never early, nothing lost, nothing twice, earliest first, ties in the order of arming.
//
//   timer_wheel_test [seeds = 10000] [first seed = 1]
//
// A failure prints its seed, and `timer_wheel_test 1 <seed>` repeats it.

#include "../timer_wheel.h"

#include <algorithm>
#include <cinttypes>
#include <cstdio>
#include <cstdlib>
#include <map>
#include <random>
#include <vector>

namespace percore {

class TimerWheelTest {
 public:
  static void setNextOrder(TimerWheel& wheel, uint32_t order) { wheel.nextOrder_ = order; }
};

}  // namespace percore

using percore::TimerWheel;

namespace {

constexpr int64_t kNever = TimerWheel::kNever;
constexpr int64_t kTickNs = int64_t{1} << TimerWheel::kTickBits;
constexpr int64_t kDayNs = 86'400'000'000'000;
constexpr int64_t kCenturyNs = 36'525 * kDayNs;
constexpr int kLevels = 8;
constexpr int kCommandsPerSeed = 400;

int64_t addCapped(int64_t a, int64_t b) {
  int64_t sum;
  if (__builtin_add_overflow(a, b, &sum)) return b > 0 ? kNever : INT64_MIN;
  return sum;
}

// Both sides, the checks, and where the run is, for the message.
class Pair {
 public:
  Pair(const char* name, uint64_t seed, int64_t startNs) : wheel_(startNs), name_(name), seed_(seed) {}

  void arm(uint32_t id, int64_t deadlineNs) {
    const bool isDone = wheel_.arm(id, deadlineNs);
    expect(isDone, "arm() succeeds", 1, isDone);
    modelDisarm(id);
    if (armed_.size() <= id) armed_.resize(id + 1, model_.end());
    if (deadlineNs == kNever) deadlineNs = kNever - 1;
    armed_[id] = model_.emplace(deadlineNs, id);  // Goes behind equal deadlines.
  }

  void disarm(uint32_t id) {
    const bool wasArmed = modelDisarm(id);
    const bool isDone = wheel_.disarm(id);
    expect(isDone == wasArmed, "disarm() knows whether the timer was armed", wasArmed, isDone);
  }

  size_t expire(int64_t nowNs, size_t limit) {
    constexpr uint32_t kUntouched = 0xDEADBEEF;
    out_.assign(limit + 1, kUntouched);
    const size_t count = wheel_.expire(nowNs, out_.data(), limit);
    expect(count <= limit, "expire() keeps to its limit", int64_t(limit), int64_t(count));
    for (size_t at = 0; at < count; ++at) {
      const auto next = model_.begin();
      expect(next != model_.end(), "no timer expires twice", -1, out_[at]);
      expect(next->first <= nowNs, "no timer expires early", next->first, nowNs);
      expect(next->second == out_[at], "the earliest expires first", next->second, out_[at]);
      armed_[next->second] = model_.end();
      model_.erase(next);
    }
    const bool isComplete = count == limit || model_.empty() || model_.begin()->first > nowNs;
    expect(isComplete, "all that is due expires", 1, isComplete);
    expect(out_[count] == kUntouched, "nothing is written beyond what is returned", kUntouched, out_[count]);
    return count;
  }

  void checkNext() {
    const int64_t actual = wheel_.nextDeadlineNs();
    expect(actual == next(), "nextDeadlineNs() is exact", next(), actual);
  }
  void checkCount() {
    const int64_t count = int64_t(model_.size());
    expect(int64_t(wheel_.armedCount()) == count, "armedCount() is right", count, int64_t(wheel_.armedCount()));
  }

  int64_t next() const { return model_.empty() ? kNever : model_.begin()->first; }
  uint32_t nextId() const { return model_.begin()->second; }
  bool isArmed(uint32_t id) const { return id < armed_.size() && armed_[id] != model_.end(); }
  int64_t deadlineOf(uint32_t id) const { return armed_[id]->first; }
  size_t size() const { return model_.size(); }
  TimerWheel& wheel() { return wheel_; }
  void step() { ++step_; }

  void expect(bool holds, const char* claim, int64_t expected, int64_t actual) const {
    if (holds) return;
    std::printf("timer wheel: FAILED, %s, seed %" PRIu64 ", command %d: ", name_, seed_, step_);
    std::printf("%s: expected %" PRId64 ", got %" PRId64 "\n", claim, expected, actual);
    std::exit(1);
  }

 private:
  using Model = std::multimap<int64_t, uint32_t>;

  bool modelDisarm(uint32_t id) {
    if (!isArmed(id)) return false;
    model_.erase(armed_[id]);
    armed_[id] = model_.end();
    return true;
  }

  TimerWheel wheel_;
  Model model_;
  std::vector<Model::iterator> armed_;
  std::vector<uint32_t> out_;
  const char* name_;
  uint64_t seed_;
  int step_ = 0;
};

// What a seed does: how many timers, how far apart, how often each command.
class Run {
 public:
  explicit Run(uint64_t seed) : random_(seed), pair_("random commands", seed, startNs()) {
    constexpr uint32_t kIdCounts[] = {1, 2, 5, 20, 100, 400};
    idCount_ = kIdCounts[below(6)];
    clusterNs_ = int64_t{1} << below(40);
    armWeight_ = 2 + below(12);
    disarmWeight_ = 1 + below(8);
    isClustered_ = below(3) == 0;
    if (below(2) == 0) percore::TimerWheelTest::setNextOrder(pair_.wheel(), uint32_t(0) - uint32_t(below(500)));
    // Asking after each command would always refresh what is cached, so a third of the seeds let it go stale.
    isAskedAlways_ = below(3) != 0;
    if (below(2) == 0) {  // Begin crowded, so that a slot has more than is sorted at once.
      for (uint32_t id = 0; id < idCount_; ++id) pair_.arm(id, deadline());
    }
  }

  int run() {
    for (int command = 0; command < kCommandsPerSeed; ++command) {
      pair_.step();
      const int64_t kind = below(armWeight_ + disarmWeight_ + 4);
      if (kind < armWeight_) {
        pair_.arm(anyId(), deadline());
      } else if (kind < armWeight_ + disarmWeight_) {
        disarm();
      } else {
        nowNs_ = later();
        pair_.expire(nowNs_, limit());
      }
      if (isAskedAlways_ || below(8) == 0) pair_.checkNext();
      pair_.checkCount();
    }
    // Whatever is left comes out, a little at a time.
    while (pair_.size() > 0) {
      nowNs_ = std::max(nowNs_, below(4) == 0 ? kNever : pair_.next());
      pair_.expire(nowNs_, size_t(1 + below(8)));
      pair_.checkNext();
      pair_.checkCount();
    }
    return kCommandsPerSeed;
  }

 private:
  int64_t below(int64_t bound) { return int64_t(random_() % uint64_t(bound)); }
  // As many small ones as large ones.
  int64_t anyLength() { return int64_t((random_() >> 1) >> below(63)); }
  int64_t offByOne() { return below(3) - 1; }
  uint32_t anyId() { return uint32_t(below(idCount_)); }
  static int levelBits(int64_t level) { return TimerWheel::kTickBits + 6 * int(level); }

  int64_t startNs() {
    switch (below(4)) {
      case 0: nowNs_ = 0; break;
      case 1: nowNs_ = anyLength(); break;
      case 2: nowNs_ = (int64_t{1} << 62) + offByOne() * anyLength() / 4; break;
      default: nowNs_ = (int64_t{1} << (16 + below(47))) + offByOne();
    }
    return nowNs_;
  }

  // A time ahead: next to something that may matter.
  int64_t ahead() {
    switch (below(8)) {
      case 0: return nowNs_;
      case 1: return addCapped(nowNs_, 1);
      case 2: return addCapped(nowNs_, kTickNs + offByOne());
      case 3: return addCapped(nowNs_, (int64_t{1} << levelBits(below(kLevels))) + offByOne());
      case 4: {  // The next edge of a slot of some level.
        const int bits = levelBits(below(kLevels));
        if (bits > 62) return kNever - 1;
        return addCapped(nowNs_ | ((int64_t{1} << bits) - 1), 1 + offByOne());
      }
      case 5: return addCapped(nowNs_, anyLength());
      case 6: return addCapped(nowNs_, 30 * kDayNs);
      default: return addCapped(nowNs_, below(16) == 0 ? kCenturyNs : below(64) * kTickNs);
    }
  }

  int64_t deadline() {
    if (isClustered_ && below(8) != 0) return addCapped(nowNs_, below(clusterNs_));
    switch (below(8)) {
      case 0: return std::max<int64_t>(0, nowNs_ - anyLength());
      case 1: {  // A tie.
        const uint32_t other = anyId();
        return pair_.isArmed(other) ? pair_.deadlineOf(other) : ahead();
      }
      case 2: return addCapped(nowNs_, below(clusterNs_));
      case 3:
        if (below(16) == 0) return kNever - below(2);
        if (below(16) == 0) return -anyLength();
        return addCapped(nowNs_, below(kTickNs));
      default: return ahead();
    }
  }

  void disarm() {
    switch (below(8)) {
      case 0: return pair_.disarm(uint32_t(random_() >> 32));  // Most likely unknown.
      case 1: case 2:  // The earliest: what is cached about it goes stale.
        if (pair_.size() > 0) pair_.disarm(pair_.nextId());
        return;
      default: return pair_.disarm(anyId());
    }
  }

  int64_t later() {
    switch (below(8)) {
      case 0: return pair_.next() == kNever ? nowNs_ : std::max(nowNs_, pair_.next());
      case 1: return pair_.next() == kNever ? nowNs_ : std::max(nowNs_, pair_.next() - 1);
      case 2: return isClustered_ ? addCapped(nowNs_, below(clusterNs_)) : ahead();
      case 3: return below(16) == 0 ? std::max<int64_t>(0, nowNs_ - anyLength()) : nowNs_;  // Even backwards.
      case 4: return addCapped(nowNs_, below(4 * kTickNs));
      default: return ahead();
    }
  }

  size_t limit() {
    switch (below(4)) {
      case 0: return size_t(below(4));
      case 1: return size_t(below(64));
      default: return 1000;
    }
  }

  std::mt19937_64 random_;
  int64_t nowNs_ = 0;
  Pair pair_;
  uint32_t idCount_ = 0;
  int64_t clusterNs_ = 0;
  int64_t armWeight_ = 0;
  int64_t disarmWeight_ = 0;
  bool isClustered_ = false;
  bool isAskedAlways_ = true;
};

// Named cases: what a reader wants to see stated.

void anEmptyWheelHasNothing() {
  Pair pair("an empty wheel has nothing", 0, 0);
  pair.checkNext();
  pair.checkCount();
  pair.expire(kNever, 10);
  pair.disarm(0);
  pair.disarm(UINT32_MAX);
}

void idsOutOfRangeAreRefused() {
  Pair pair("ids out of range are refused", 0, 0);
  const bool isArmed = pair.wheel().arm(TimerWheel::kMaxId + 1, 5) || pair.wheel().arm(UINT32_MAX, 5);
  pair.expect(!isArmed, "arm() refuses", 0, isArmed);
  pair.checkNext();
  pair.checkCount();
}

void aTimerIsNotOneNanosecondEarly() {
  for (int bits = 0; bits < 63; ++bits) {
    for (int64_t off = -1; off <= 1; ++off) {
      Pair pair("a timer is not one nanosecond early", uint64_t(bits), 0);
      const int64_t deadlineNs = (int64_t{1} << bits) + off;
      pair.arm(7, deadlineNs);
      pair.checkNext();
      if (deadlineNs > 0) pair.expect(pair.expire(deadlineNs - 1, 8) == 0, "one nanosecond before", 0, 1);
      pair.checkNext();
      pair.expect(pair.expire(deadlineNs, 8) == 1, "at its deadline", 1, 0);
    }
  }
}

void theLastDeadlineIsReached() {
  Pair pair("the last deadline is reached", 0, 0);
  pair.arm(0, kNever);  // Counts as the one before.
  pair.arm(1, kNever - 1);
  pair.checkNext();
  pair.expect(pair.expire(kNever - 2, 8) == 0, "not before", 0, 1);
  pair.expect(pair.expire(kNever - 1, 8) == 2, "both", 2, 0);
}

void equalDeadlinesKeepTheOrderOfArming() {
  Pair pair("equal deadlines keep the order of arming", 0, 0);
  const int64_t deadlineNs = 5'000'000'123;
  for (uint32_t id = 0; id < 1000; ++id) {
    pair.arm((id * 389) % 1000, deadlineNs);
    if (id % 100 == 50) pair.expire(int64_t(id) * 5'000'000, 8);  // Time moves, so slots are dealt out between.
  }
  for (uint32_t id = 0; id < 1000; id += 3) pair.arm(id, deadlineNs);  // Re-arming moves to the end.
  while (pair.size() > 0) pair.expire(deadlineNs, 64);
}

// What the limit leaves must not be overtaken by later arrivals of its own tick, nor hide earlier ones.
void arrivalsDuringABacklogAreOrdered() {
  Pair pair("arrivals during a backlog are ordered", 0, 0);
  for (uint32_t id = 0; id < 5000; ++id) pair.arm(id, 10 * kTickNs + (int64_t{id} * 7919) % kTickNs);
  uint32_t id = 5000;
  while (pair.size() > 0) {
    pair.expire(kDayNs, 100);
    pair.checkNext();
    if (id >= 5300) continue;
    pair.arm(id, 0);
    pair.arm(id + 1, 10 * kTickNs + (int64_t{id} * 104'729) % kTickNs);
    pair.arm(id + 2, kDayNs - 1);
    id += 3;
    pair.checkNext();
    pair.checkCount();
  }
}

// A crowded slot whose earliest is disarmed again and again, with arrivals out of order.
void disarmingTheEarliestKeepsTheNextExact() {
  Pair pair("disarming the earliest keeps the next exact", 0, 0);
  std::mt19937_64 random(1);
  constexpr uint32_t kTimers = 3000;
  std::map<int64_t, uint32_t> earliest;  // Distinct deadlines, all in one slot of level 3.
  const int64_t slotNs = int64_t{1} << 34;
  uint32_t id = 0;
  for (; id < kTimers; ++id) {
    const int64_t deadlineNs = slotNs + int64_t(random() % uint64_t(slotNs / kTimers)) * kTimers + id;
    earliest[deadlineNs] = id;
    pair.arm(id, deadlineNs);
  }
  for (; id < 3 * kTimers; ++id) {
    pair.checkNext();
    pair.disarm(earliest.begin()->second);
    earliest.erase(earliest.begin());
    const int64_t deadlineNs = slotNs + int64_t(random() % uint64_t(slotNs / (3 * kTimers))) * 3 * kTimers + id;
    if (!earliest.emplace(deadlineNs, id).second) continue;
    pair.arm(id, deadlineNs);
    pair.checkCount();
  }
}

void namedCases() {
  anEmptyWheelHasNothing();
  idsOutOfRangeAreRefused();
  aTimerIsNotOneNanosecondEarly();
  theLastDeadlineIsReached();
  equalDeadlinesKeepTheOrderOfArming();
  arrivalsDuringABacklogAreOrdered();
  disarmingTheEarliestKeepsTheNextExact();
}

}  // namespace

int main(int argc, char** argv) {
  const uint64_t seeds = argc > 1 ? std::strtoull(argv[1], nullptr, 10) : 10000;
  const uint64_t firstSeed = argc > 2 ? std::strtoull(argv[2], nullptr, 10) : 1;
  if (seeds == 0) {
    std::printf("usage: timer_wheel_test [seeds] [first seed]\n");
    return 1;
  }
  namedCases();
  uint64_t commands = 0;
  for (uint64_t seed = firstSeed; seed < firstSeed + seeds; ++seed) commands += uint64_t(Run(seed).run());
  std::printf("timer wheel: %" PRIu64 " commands, 0 failures\n", commands);
  return 0;
}
