// The timer wheel against a model that cannot be wrong: a sorted multimap. Both get the same random commands, and after
// each the wheel must have given exactly the ids the model gives, in its order, and agree on the next deadline and the
// count. That covers: never early, nothing lost, nothing twice, earliest first, ties in the order of arming. Some calls
// may do little work only, as a turn's do: then timers may come with a later call, but in order still.
//
//   timer_wheel_test [seeds = 2500] [first seed = 1]
//
// A failure prints its seed, and `timer_wheel_test 1 <seed>` repeats it.

#include "../timer_wheel.h"

#include <algorithm>
#include <cinttypes>
#include <cstdio>
#include <cstdlib>
#include <map>
#include <memory>
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
constexpr int64_t kTickNs = int64_t{1} << TimerWheel::kDefaultTickBits;
constexpr int64_t kDayNs = 86'400'000'000'000;
constexpr int64_t kCenturyNs = 36'525 * kDayNs;
constexpr int kLevels = 10;
constexpr int kCommandsPerSeed = 400;

int64_t addCapped(int64_t a, int64_t b) {
  int64_t sum;
  if (__builtin_add_overflow(a, b, &sum)) return b > 0 ? kNever : INT64_MIN;
  return sum;
}

// Memory for a wheel, growing as its owner's does: the first chunk begins small and is copied, the others come whole.
class Memory {
 public:
  void reach(TimerWheel& wheel, uint32_t id) {
    for (; id >= ids_; ids_ = uint32_t((chunks_.size() - 1) * TimerWheel::kChunkTimers) + size_) {
      if (chunks_.empty() || size_ == TimerWheel::kChunkTimers) {
        size_ = chunks_.empty() ? 2 : TimerWheel::kChunkTimers;
        chunks_.push_back(std::make_unique<TimerWheel::Timer[]>(size_));
      } else {
        auto larger = std::make_unique<TimerWheel::Timer[]>(size_ * 2);
        std::copy(chunks_[0].get(), chunks_[0].get() + size_, larger.get());
        chunks_[0] = std::move(larger);
        size_ *= 2;
      }
      wheel.setChunk(uint32_t(chunks_.size() - 1), chunks_.back().get(), size_);
    }
  }

 private:
  std::vector<std::unique_ptr<TimerWheel::Timer[]>> chunks_;
  uint32_t size_ = 0;  // Of the last chunk.
  uint32_t ids_ = 0;
};

// Both sides, the checks, and where the run is, for the message.
class Pair {
 public:
  Pair(const char* name, uint64_t seed, int tickBits = TimerWheel::kDefaultTickBits)
      : wheel_(tickBits), name_(name), seed_(seed) {}

  void arm(uint32_t id, int64_t deadlineNs) {
    memory_.reach(wheel_, id);
    const bool isDone = wheel_.arm(id, deadlineNs);
    expect(isDone, "arm() succeeds", 1, isDone);
    modelDisarm(id);
    if (armed_.size() <= id) armed_.resize(id + 1, model_.end());
    deadlineNs = std::min(std::max<int64_t>(deadlineNs, 0), kNever - 1);
    armed_[id] = model_.emplace(deadlineNs, id);  // Goes behind equal deadlines.
  }

  void disarm(uint32_t id) {
    const bool wasArmed = modelDisarm(id);
    const bool isDone = wheel_.disarm(id);
    expect(isDone == wasArmed, "disarm() knows whether the timer was armed", wasArmed, isDone);
  }

  size_t expire(int64_t nowNs, size_t limit, size_t work = TimerWheel::kNoBound) {
    constexpr uint32_t kUntouched = 0xDEADBEEF;
    out_.assign(limit + 1, kUntouched);
    const size_t count = wheel_.expire(nowNs, out_.data(), limit, work);
    expect(count <= limit, "expire() keeps to its limit", int64_t(limit), int64_t(count));
    for (size_t at = 0; at < count; ++at) {
      const auto next = model_.begin();
      expect(next != model_.end(), "no timer expires twice", -1, out_[at]);
      expect(next->first <= nowNs, "no timer expires early", next->first, nowNs);
      expect(next->second == out_[at], "the earliest expires first", next->second, out_[at]);
      armed_[next->second] = model_.end();
      model_.erase(next);
    }
    expect(wheel_.isSettled() || work != TimerWheel::kNoBound, "with no bound the work is done", 1, 0);
    const bool isComplete = count == limit || model_.empty() || model_.begin()->first > nowNs;
    expect(isComplete || !wheel_.isSettled(), "all that is due expires", 1, isComplete);
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

  Memory memory_;
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
  explicit Run(uint64_t seed) : random_(seed), pair_("random commands", seed, tickBits()) {
    startNs();
    constexpr uint32_t kIdCounts[] = {1, 2, 5, 20, 100, 400, 2000};
    idCount_ = kIdCounts[below(7)];
    clusterNs_ = int64_t{1} << below(40);
    armWeight_ = 2 + below(12);
    disarmWeight_ = 1 + below(8);
    isClustered_ = below(3) == 0;
    if (below(2) == 0) percore::TimerWheelTest::setNextOrder(pair_.wheel(), UINT32_MAX - uint32_t(below(500)));
    // Asking after each command would always refresh what is cached, so a third of the seeds let it go stale.
    isAskedAlways_ = below(3) == 0;
    isHurried_ = below(2) == 0;
    isTied_ = below(3) == 0;
    tieNs_ = ahead();
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
        pair_.expire(nowNs_, limit(), work());
      }
      if (isAskedAlways_ || below(8) == 0) pair_.checkNext();
      pair_.checkCount();
    }
    // Whatever is left comes out, a little at a time. A call that may do next to nothing still brings it nearer.
    int64_t calls = 0;
    const int64_t most = 1000 + 100 * int64_t(pair_.size());
    while (pair_.size() > 0) {
      nowNs_ = std::max(nowNs_, below(4) == 0 ? kNever : pair_.next());
      pair_.expire(nowNs_, size_t(1 + below(8)), isHurried_ ? size_t(below(100)) : TimerWheel::kNoBound);
      if (isAskedAlways_) pair_.checkNext();
      pair_.checkCount();
      ++calls;
      pair_.expect(calls < most, "each call brings the end nearer", most, calls);
    }
    return kCommandsPerSeed;
  }

 private:
  int64_t below(int64_t bound) { return int64_t(random_() % uint64_t(bound)); }
  // As many small ones as large ones.
  int64_t anyLength() { return int64_t((random_() >> 1) >> below(63)); }
  int64_t offByOne() { return below(3) - 1; }
  uint32_t anyId() { return uint32_t(below(idCount_)); }
  static int levelBits(int64_t level) { return 4 + 6 * int(level); }

  int tickBits() {
    constexpr int kTickBits[] = {16, 16, 16, 16, 0, 1, 5, 6, 20, TimerWheel::kMaxTickBits};
    return kTickBits[below(10)];
  }

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
      case 4: return isTied_ ? tieNs_ : ahead();  // A tie of many.
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
      case 1:
      case 2:  // The earliest: what is cached about it goes stale.
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

  size_t work() { return isHurried_ ? size_t(below(200)) : TimerWheel::kNoBound; }

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
  bool isHurried_ = false;
  bool isTied_ = false;
  int64_t tieNs_ = 0;
};

// Named cases: what a reader wants to see stated.

void anEmptyWheelHasNothing() {
  Pair pair("an empty wheel has nothing", 0);
  pair.checkNext();
  pair.checkCount();
  pair.expire(kNever, 10);
  pair.disarm(0);
  pair.disarm(UINT32_MAX);
}

void idsWithoutMemoryAreRefused() {
  Pair pair("ids without memory are refused", 0);
  pair.arm(5, 5);
  const bool isArmed = pair.wheel().arm(TimerWheel::kMaxId, 5) || pair.wheel().arm(UINT32_MAX, 5);
  pair.expect(!isArmed, "arm() refuses", 0, isArmed);
  const bool isDisarmed = pair.wheel().disarm(TimerWheel::kMaxId) || pair.wheel().disarm(UINT32_MAX);
  pair.expect(!isDisarmed, "disarm() refuses", 0, isDisarmed);
  pair.checkNext();
  pair.checkCount();
}

void aTimerIsNotOneNanosecondEarly() {
  for (int bits = 0; bits < 63; ++bits) {
    for (int64_t off = -1; off <= 1; ++off) {
      Pair pair("a timer is not one nanosecond early", uint64_t(bits));
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
  Pair pair("the last deadline is reached", 0);
  pair.arm(0, kNever);  // Counts as the one before.
  pair.arm(1, kNever - 1);
  pair.checkNext();
  pair.expect(pair.expire(kNever - 2, 8) == 0, "not before", 0, 1);
  pair.expect(pair.expire(kNever - 1, 8) == 2, "both", 2, 0);
}

void equalDeadlinesKeepTheOrderOfArming() {
  Pair pair("equal deadlines keep the order of arming", 0);
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
  Pair pair("arrivals during a backlog are ordered", 0);
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
  Pair pair("disarming the earliest keeps the next exact", 0);
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

// More of one nanosecond than a slot is looked through for, while the count of arms goes through its end.
void manyOfOneNanosecondKeepTheirOrder() {
  Pair pair("many of one nanosecond keep their order", 0);
  percore::TimerWheelTest::setNextOrder(pair.wheel(), uint32_t(0) - 2500);
  const int64_t deadlineNs = 30 * kDayNs + 1;
  for (uint32_t id = 0; id < 5000; ++id) pair.arm((id * 2221) % 5000, deadlineNs);
  for (uint32_t id = 0; id < 5000; id += 7) pair.disarm(id);
  pair.checkNext();
  while (pair.size() > 0) pair.expire(deadlineNs, 64, 100);
}

// One call may do little: were any of them to do it all, there would be fewer.
void workIsBounded() {
  constexpr uint32_t kTimers = 100'000;
  constexpr size_t kWork = 256;
  Pair pair("work is bounded", 0);
  std::mt19937_64 random(1);
  for (uint32_t id = 0; id < kTimers; ++id) pair.arm(id, 1'000 * kTickNs + int64_t(random() % uint64_t(kTickNs)));
  size_t calls = 0;
  for (; !pair.wheel().isSettled(); ++calls) pair.expire(0, 1, kWork);
  pair.expect(calls >= kTimers / kWork, "finding the earliest takes many calls", kTimers / kWork, int64_t(calls));
  pair.expect(calls <= 8 * kTimers / kWork, "and not too many", 8 * kTimers / kWork, int64_t(calls));
  // A timer that is due meanwhile does not wait for those behind it.
  for (calls = 0; pair.size() > 0; ++calls) {
    if (calls % 10 == 0) {
      pair.arm(kTimers, 1);
      pair.expect(pair.expire(1, 8, kWork) == 1, "the early one comes at once", 1, 0);
    }
    pair.expire(kDayNs, 256, kWork);
  }
  pair.expect(calls >= kTimers / 256, "so does expiring", kTimers / 256, int64_t(calls));
  pair.expect(calls <= 16 * kTimers / kWork, "and not too many", 16 * kTimers / kWork, int64_t(calls));
}

// A coarse slot of many that is being dealt out takes arrivals and disarms meanwhile.
void aSlotThatIsBeingDealtOutTakesPart() {
  Pair pair("a slot that is being dealt out takes part", 0);
  std::mt19937_64 random(2);
  constexpr uint32_t kTimers = 4000;
  for (uint32_t id = 0; id < kTimers; ++id) pair.arm(id, kDayNs + int64_t(random() % uint64_t(kDayNs)));
  int64_t nowNs = kDayNs;
  for (int round = 0; pair.size() > 0; ++round) {
    pair.expire(nowNs, 16, 64);
    if (round < 3000) {
      pair.arm(uint32_t(random() % kTimers), nowNs + int64_t(random() % uint64_t(kDayNs)));
      pair.disarm(uint32_t(random() % kTimers));
      if (pair.size() > 0 && round % 3 == 0) pair.disarm(pair.nextId());
    }
    if (round % 16 == 0) pair.checkNext();
    pair.checkCount();
    if (round % 4 == 0) nowNs += kDayNs / 500;
  }
}

// While a slot is being dealt out, one who arrives may pass those in front, but not those behind that still wait.
void arrivalsDoNotOvertakeWhatIsBeingDealtOut() {
  for (int64_t apartNs = 1; apartNs < kDayNs; apartNs *= 3) {
    Pair pair("arrivals do not overtake what is being dealt out", uint64_t(apartNs));
    constexpr uint32_t kTimers = 1000;
    // The earliest is dealt out last: lists are taken from their young end.
    for (uint32_t id = 0; id < kTimers; ++id) pair.arm(id, kDayNs + int64_t{id} * apartNs);
    pair.expire(0, 8, 64);
    pair.arm(kTimers, kDayNs - 1);
    pair.arm(kTimers + 1, kDayNs + 1);
    pair.arm(kTimers + 2, kDayNs);
    pair.arm(kTimers + 3, kDayNs - 1);
    while (pair.size() > 0) pair.expire(2 * kCenturyNs / 3, 8, 64);
  }
}

void namedCases() {
  anEmptyWheelHasNothing();
  idsWithoutMemoryAreRefused();
  aTimerIsNotOneNanosecondEarly();
  theLastDeadlineIsReached();
  equalDeadlinesKeepTheOrderOfArming();
  arrivalsDuringABacklogAreOrdered();
  disarmingTheEarliestKeepsTheNextExact();
  manyOfOneNanosecondKeepTheirOrder();
  workIsBounded();
  aSlotThatIsBeingDealtOutTakesPart();
  arrivalsDoNotOvertakeWhatIsBeingDealtOut();
}

}  // namespace

int main(int argc, char** argv) {
  const uint64_t seeds = argc > 1 ? std::strtoull(argv[1], nullptr, 10) : 2500;
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
