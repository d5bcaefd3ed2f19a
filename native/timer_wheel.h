// A hierarchical hashed timer wheel: which timers are due, and when is the next one?
//
// What. Arming puts a timer into a slot in constant time, however many there are. Deadlines are exact nanoseconds:
// slots are only where a timer waits, never when it fires, so no timer is early, and nextDeadlineNs() is the true next
// deadline: nobody has to wake up for the wheel's own sake.
//
// How. Time is cut into ticks of 65.536 us. A tick number is written in base 64, one level a digit:
//
//                    digit 7            digit 2      digit 1      digit 0
//   current tick   [  0  ]     ...     [ 03 ]       [ 17 ]       [ 42 ]
//                     |                   |            |            |
//   level             7                   2            1            0          64 slots and one bitmap each
//   slot width      9.1 years           268 ms       4.19 ms      65.5 us
//   who is there    digit 7 differs     digit 2      digit 1      only digit 0 differs, or none
//
// A timer lives at the highest digit in which its tick differs from the current tick (one in the past counts as
// current). So all of level 0 is due before all of level 1, and so on, and within a level slots are due from left to
// right, never wrapping: the lowest bit of the lowest level that has one is the earliest slot. When the current tick
// enters a coarse slot, that one slot is dealt out to lower levels. Nothing else ever moves, so a jump of days costs
// what is due plus that slot. A timer's slot follows from its deadline and the current tick; nothing stores it.
//
// One slot must also know its earliest timer, even with a million in it:
//
//   run    first = o = o = o = last     deadlines ascending: whoever arrives behind the last. One delay for
//                                       all, the usual case, makes nothing but runs.
//   pile   first = o = o = o            who arrived out of order, unsorted, and the earliest deadline among them.
//   heap          o                     a pairing heap. The pile becomes one when its earliest timer is due, or was
//               o   o = o               disarmed and the next deadline asked for; most piles are disarmed before.
//
// Cost. arm: constant. disarm: constant in run and pile, in the heap logarithmic on average over calls. expire: each
// timer is dealt out at most seven times and leaves a heap once. nextDeadlineNs: cached. A single call can take time
// in proportion to the timers in one slot: when it is dealt out, or when its pile becomes a heap.
//
// Why not one binary heap: log n cache misses each time, where most timers are time-outs that never fire.
// Why not one wheel with rounds: a slot would mix timers of all rounds, and each visit would walk those not due.
// Why not a walk for a slot's lost minimum: time-outs are disarmed earliest first, so each would cost the whole slot.
// Why records, not parallel arrays: disarming a random timer touches its record and two neighbours, three cache lines.
//
// Source: G. Varghese and T. Lauck, "Hashed and Hierarchical Timing Wheels", SOSP 1987, scheme 7. M. Fredman and
// others, "The Pairing Heap", Algorithmica 1, 1986. Finding the level from the exclusive-or of two ticks is known from
// Tokio's wheel; Agrona's DeadlineTimerWheel keeps exact deadlines in its slots.
//
// Not thread-safe: one thread owns a wheel. Allocates in arm() alone, and only for an id above all earlier ones.

#ifndef PERCORE_TIMER_WHEEL_H_
#define PERCORE_TIMER_WHEEL_H_

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <memory>

namespace percore {

class TimerWheel {
 public:
  static constexpr int64_t kNever = INT64_MAX;
  static constexpr int kTickBits = 16;  // A tick is 65.536 us.
  static constexpr uint32_t kMaxId = (1u << 24) - 1;

  // nowNs: nanoseconds since the runtime's start, not negative.
  explicit TimerWheel(int64_t nowNs);
  TimerWheel(const TimerWheel&) = delete;
  TimerWheel& operator=(const TimerWheel&) = delete;

  // Arms timer `id`, from 0 to kMaxId, for `deadlineNs`; an armed one is re-armed. Ids should be dense: storage
  // reaches to the highest. A deadline in the past expires at the next expire(); kNever counts as kNever - 1.
  // False if there is no memory or the id is out of range; nothing has changed then.
  bool arm(uint32_t id, int64_t deadlineNs);

  // True if `id` was armed. Ids that expired, were disarmed or never existed are harmless.
  bool disarm(uint32_t id);

  // The earliest armed deadline, exactly, or kNever.
  int64_t nextDeadlineNs();

  // Disarms at most `limit` timers with deadline <= nowNs and writes their ids to `out`: the earliest deadlines, in
  // order, equal ones in the order of arming. Returns how many; what the limit left is due at the next call.
  // Call it each turn even when nothing is due: it moves the wheel's time, which keeps new timers in fine slots.
  // A nowNs below an earlier one is allowed and expires what is due by then.
  size_t expire(int64_t nowNs, uint32_t* out, size_t limit);

  size_t armedCount() const { return armedCount_; }

 private:
  friend class TimerWheelTest;  // Lets nextOrder_ begin just below its wrap.

  static constexpr uint32_t kDigitBits = 6;
  static constexpr uint32_t kSlotsPerLevel = 1u << kDigitBits;
  static constexpr uint32_t kLevels = 8;  // 16 + 8 * 6 bits hold every int64 deadline.
  static constexpr uint32_t kSlots = kLevels * kSlotsPerLevel;
  static constexpr uint32_t kNoSlot = kSlots;  // A slot that stays empty, for an empty wheel's earliest.

  // In place of an id. The last three stand in Timer::child, where a timer in no heap says where it is.
  static constexpr uint32_t kNil = UINT32_MAX;
  static constexpr uint32_t kInRun = UINT32_MAX - 1;
  static constexpr uint32_t kInPile = UINT32_MAX - 2;
  static constexpr uint32_t kUnarmed = UINT32_MAX - 3;

  struct Timer {
    int64_t deadlineNs;
    uint32_t order;     // Counts arms, to break ties. Wraps: a timer armed 2^32 arms ago may lose one.
    uint32_t next;      // In the run, the pile, or among the children of one parent.
    uint32_t previous;  // The same; the parent, for a first child; nothing, for a root.
    uint32_t child;     // The first child, kNil, or one of the marks above.
  };
  static_assert(sizeof(Timer) == 24, "with storage growing by half, at most 36 bytes a timer");

  struct Slot {
    uint32_t runFirst = kNil;
    uint32_t runLast = kNil;
    uint32_t pileFirst = kNil;
    uint32_t heapRoot = kNil;
    int64_t pileEarliestNs = kNever;  // No timer in the pile is earlier.
    bool pileIsStale = false;         // The timer that gave pileEarliestNs may be gone.
  };

  struct FreeDeleter {
    void operator()(void* memory) const { std::free(memory); }
  };

  void insert(uint32_t id);
  void remove(uint32_t id);
  void advance(int64_t tick);
  void dealOut(uint32_t first);

  uint32_t slotOf(uint32_t id) const;
  uint32_t slotOfTick(int64_t tick) const;
  uint32_t earliestSlot() const;
  int64_t earliestNs(Slot& slot);
  uint32_t earliestId(Slot& slot);
  uint32_t earlierTop(const Slot& slot) const;
  bool isBefore(uint32_t a, uint32_t b) const;
  bool isOlder(uint32_t order, uint32_t thanOrder) const;
  void markEmpty(uint32_t slotIndex);

  void pileToHeap(Slot& slot);
  void addHeap(Slot& slot, uint32_t root);
  uint32_t combine(uint32_t first);
  uint32_t meld(uint32_t a, uint32_t b);

  bool reach(uint32_t id);

  int64_t currentTick_;
  int64_t nextDeadlineNs_ = kNever;
  bool nextIsKnown_ = true;
  uint32_t nextOrder_ = 0;
  size_t armedCount_ = 0;
  std::unique_ptr<Timer, FreeDeleter> storage_;
  Timer* timers_ = nullptr;  // What storage_ owns.
  uint32_t knownIds_ = 0;    // Ids below this have an initialised Timer.
  uint32_t capacity_ = 0;
  uint64_t occupied_[kLevels] = {};  // Bit s of word l: slot s of level l holds a timer.
  Slot slots_[kSlots + 1];
};

}  // namespace percore

#endif  // PERCORE_TIMER_WHEEL_H_
