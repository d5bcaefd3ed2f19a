// A hierarchical timer wheel: which timers are due, and when is the next one?
//
// What. Arming and disarming take constant time, however many timers there are. Deadlines are exact nanoseconds: slots
// are only where a timer waits, never when it fires, so no timer is early, and nextDeadlineNs() is the true next
// deadline: nobody has to wake up for the wheel's own sake. No call takes longer than it is allowed to.
//
// How. A wheel has 64 slots of one width; a slot holds timers as they come, or, once it is opened, a finer wheel.
// Widths are a tick times 64^n. Only the leftmost slot is ever opened, and only when it holds too many to look through:
//
//   root: one slot   ----opened---->  [ 17 s | 17 s | ... ]        64 slots; any far timer waits in one of these
//                                        |
//                                     [ 268 ms | 268 ms | ... ]
//                                        |
//                                     [ 4.2 ms | 4.2 ms | ... ]    ... ticks of 65.5 us, and below: 1 us, 16 ns, 1 ns
//                                        |
//                                     at most 32 timers, looked through for the earliest
//
// Opening a slot deals its timers out to the new wheel's slots, a few at a call. Meanwhile both hold timers: those that
// arrive go to the wheel, and the earliest of what is left bounds what may expire. A new wheel is only as coarse as the
// timers seen need; for a timer that arrives from beyond it a coarser wheel is put above it. Timers of the same
// nanosecond are told apart by the order of arming, so opening always ends: below 1 ns come six levels more, of the
// count of arms.
//
// Memory of this machine answers after 200 ns where a list leads to the next timer, but 16 such answers can be under
// way at once. So a slot holds not one list but eight, by id, and dealing out takes from each in turn what it has asked
// the memory for a round earlier. Callers that disarm many timers ask in the same way: see prefetch().
//
// Cost. arm, disarm: constant, at most 18 slots deep; usually 2 to 4. expire: each timer is dealt out once a level and
// only on its way to expiring; the many that are disarmed before never move. No list is ever walked to its end.
//
// Why not one wheel a level, around the present time, as usual: when time enters a coarse slot with a million timers,
// all of them move before anything else can, and the earliest of a coarse slot, once disarmed, is found by a walk.
// Why not a heap: log n cache misses each time, where most timers are time-outs that never fire.
// Why not arrays in place of lists: expiring gains a little, disarming loses as much, since a hole has to be filled.
//
// Source: G. Varghese and T. Lauck, "Hashed and Hierarchical Timing Wheels", SOSP 1987, scheme 7. W. T. Tang and
// others, "Ladder queue", ACM TOMACS 15, 2005, for opening only what is earliest. D. R. Morrison, "PATRICIA", J. ACM
// 15, 1968, for wheels that skip levels. Agrona's DeadlineTimerWheel keeps exact deadlines in its slots.
//
// Not thread-safe: one thread owns a wheel. Memory: a Timer an id, which the owner provides in chunks and shares, so
// that a timer is one cache line to both; and 3.1 KiB a wheel, of which there are a few. A process without memory for
// those ends.

#ifndef PERCORE_TIMER_WHEEL_H_
#define PERCORE_TIMER_WHEEL_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

namespace percore {

class TimerWheel {
 public:
  static constexpr int64_t kNever = INT64_MAX;
  static constexpr int kDefaultTickBits = 16;  // A tick is 65.536 us.
  static constexpr int kMaxTickBits = 40;
  static constexpr uint32_t kMaxId = (1u << 24) - 1;
  static constexpr uint32_t kChunkBits = 14;
  static constexpr uint32_t kChunkTimers = 1u << kChunkBits;
  static constexpr size_t kNoBound = SIZE_MAX;

  // One id's place. All zero is a timer that is not armed.
  struct Timer {
    int64_t deadlineNs;
    uint32_t next;
    uint32_t previous;   // kNil for the first of a stripe.
    uint32_t order;      // The count of arms when it was armed; 0 while it is not.
    uint32_t ownerWord;  // The owner's, like the next: the wheel does not look at them.
    double ownerNumber;
  };
  static_assert(sizeof(Timer) == 32, "two to a cache line, none across two");

  // A tick is 2^tickBits ns, 0 to kMaxTickBits: where the edges of slots lie. It makes nothing due before or after its
  // time.
  explicit TimerWheel(int tickBits = kDefaultTickBits);
  TimerWheel(const TimerWheel&) = delete;
  TimerWheel& operator=(const TimerWheel&) = delete;

  // Memory for the ids from index * kChunkTimers on, `count` of them; it takes the place of what was there and holds a
  // copy of that, or it is new and all zero. Only the last chunk may be short. It stays the caller's.
  void setChunk(uint32_t index, Timer* timers, uint32_t count);

  // Arms timer `id` for `deadlineNs`; an armed one is re-armed. A negative deadline counts as 0, kNever as kNever - 1.
  // False for an id without memory; nothing has changed then.
  bool arm(uint32_t id, int64_t deadlineNs);

  // True if `id` was armed. Ids that expired, were disarmed or never existed are harmless.
  bool disarm(uint32_t id);

  // Asks the memory for what arm(id) or disarm(id) will look at: first for the timer, say sixteen calls ahead, then,
  // eight ahead, for those beside it in its list.
  void prefetch(uint32_t id) const {
    if (id < ids_) __builtin_prefetch(&timer(id), 1);
  }
  void prefetchNeighbours(uint32_t id) const;

  // Disarms timers with deadline <= nowNs and writes their ids to `out`: the earliest deadlines, in order, equal ones
  // in the order of arming. Returns how many: at most `limit`, and no more than about `work` timers are looked at on
  // the way (a few dozen more where a slot is opened). What is left comes with the next calls, in order still.
  size_t expire(int64_t nowNs, uint32_t* out, size_t limit, size_t work = kNoBound);

  // True when the earliest timer is at hand. False: `work` was too little, call expire() again before you sleep.
  bool isSettled() const { return isSettled_; }

  // The earliest armed deadline, exactly, or kNever. At once when settled; otherwise does the work that is left.
  int64_t nextDeadlineNs();

  size_t armedCount() const { return armedCount_; }

 private:
  friend class TimerWheelTest;  // Lets nextOrder_ begin just below its wrap.

  static constexpr uint32_t kDigitBits = 6;
  static constexpr uint32_t kSlots = 1u << kDigitBits;
  static constexpr uint32_t kStripes = 8;
  static constexpr uint32_t kFew = 32;       // So many timers of a slot are looked through rather than dealt out.
  static constexpr uint32_t kOpenWork = 64;  // What making a wheel counts as, in timers looked at.
  static constexpr uint32_t kOrderBits = 32;
  static constexpr uint32_t kMaxDepth = 20;  // root, 11 levels of the deadline, 6 of the order, and room.

  static constexpr uint32_t kNil = UINT32_MAX;  // In place of an id.

  struct Wheel;
  struct Slot {
    // Stripe s holds ids with id % kStripes == s, the youngest first.
    uint32_t first[kStripes] = {kNil, kNil, kNil, kNil, kNil, kNil, kNil, kNil};
    uint32_t stripes = 0;         // Bit s: stripe s is not empty.
    int64_t earliestNs = kNever;  // No timer of the stripes is earlier.
    Wheel* wheel = nullptr;       // Set when opened. While stripes are left, they are being dealt out to it.
  };

  // Deadline and order make one key of 96 bits, the deadline above. A wheel's slots are the six bits from `shift` on of
  // it (fewer in the lowest level of each part); its timers agree in all bits above those.
  struct Wheel {
    uint64_t occupied = 0;   // Bit s: slot s is not empty; the others are not initialised.
    int64_t deadlineNs = 0;  // A key inside.
    uint32_t age = 0;
    uint32_t birth = 0;  // An order's age is counted from here, so that its wrap lies far away.
    uint32_t shift = 0;
    uint32_t coverBits = 0;  // Bits of its part of the key, from 0, in which its timers may differ.
    uint32_t mask = 0;
    Slot slots[kSlots];

    bool isByOrder() const { return shift < kOrderBits; }
  };

  struct Candidate {
    int64_t deadlineNs;
    uint32_t age;
    uint32_t id;
  };

  Timer& timer(uint32_t id) { return chunks_[id >> kChunkBits][id % kChunkTimers]; }
  const Timer& timer(uint32_t id) const { return chunks_[id >> kChunkBits][id % kChunkTimers]; }

  bool findEarliest(size_t* work);
  void open(Slot* slot, uint32_t candidates);
  void deal(Slot* slot, size_t* work);
  uint32_t gather(const Slot& slot);
  size_t takeDue(int64_t nowNs, uint32_t* out, size_t limit);

  void place(Slot* slot, uint32_t id);
  Slot* slotBelow(Slot* slot, uint32_t id);
  Wheel* cover(Slot* slot, uint32_t id);
  void unlink(uint32_t id);
  void unlinkFirst(uint32_t id);
  void tidy(uint32_t depth);

  uint32_t digitOf(const Wheel& wheel, int64_t deadlineNs, uint32_t age) const;
  uint32_t digitOf(const Wheel& wheel, uint32_t id) const;
  uint32_t levelShift(uint64_t deadlineDifference, uint32_t orderDifference) const;
  uint32_t birthNow() const { return nextOrder_ - (1u << 31); }
  static bool isBefore(const Candidate& a, const Candidate& b);

  Wheel* makeWheel(uint32_t shift, int64_t deadlineNs, uint32_t age, uint32_t birth);

  uint32_t lowestBits_;  // Width of the finest level, so that the levels above fall on ticks.
  int64_t nextDeadlineNs_ = kNever;
  bool nextIsKnown_ = true;
  bool isSettled_ = true;  // Then what findEarliest() found is there yet, and not crowded since.
  uint32_t armsSinceSettled_ = 0;
  uint32_t nextOrder_ = 1;  // Never 0.
  size_t armedCount_ = 0;

  Slot root_;
  // What findEarliest() has found, for takeDue(), and the way there; unlink() uses the way too.
  Candidate candidates_[kFew + 1];
  uint32_t candidateCount_ = 0;
  int64_t boundNs_ = kNever;  // What is this late or later may have an earlier one among those being dealt out.
  uint32_t depth_ = 0;
  Slot* path_[kMaxDepth] = {};

  std::vector<Timer*> chunks_;
  uint32_t ids_ = 0;  // Ids below this have memory.
  std::vector<std::unique_ptr<Wheel>> wheels_;
  std::vector<Wheel*> spareWheels_;
};

}  // namespace percore

#endif  // PERCORE_TIMER_WHEEL_H_
