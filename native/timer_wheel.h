// A hierarchical hashed timer wheel: which timers are due, and when is the next one?
//
// What. Arming and disarming touch one list, whatever the number of timers. Deadlines are exact nanoseconds: slots are
// only where a timer waits, never when it fires, so no timer is early and nextDeadlineNs() is the true next deadline.
//
// How. Time is cut into ticks of 65.536 us. A tick number is written in base 64, one level a digit:
//
//                    digit 7            digit 2      digit 1      digit 0
//   current tick   [  0  ]     ...     [ 03 ]       [ 17 ]       [ 42 ]
//                     |                   |            |            |
//   level          [0..63]     ...     [0..63]      [0..63]      [0..63]      64 slots and one bitmap each
//   slot width      9.1 y              268 ms       4.19 ms      65.5 us
//   what is there   digit 7            digit 2      digit 1      ticks of this 4.19 ms
//                   differs            differs      differs      (the current one too)
//
//   near            one list beside the wheel: timers armed for the current tick or the past
//
// A timer lives at the highest digit in which its tick differs from the current tick. So all of level 0 is due before
// all of level 1, and so on, and within a level slots are due from left to right, never wrapping: the lowest bit of the
// lowest level that has one finds the earliest slot. When the current tick enters a coarse slot, that one slot is dealt
// out to lower levels (a cascade); nothing else ever moves, so a jump of days costs what is due plus that slot.
//
//   slot:   first -> o -> o -> o   ->  o -> o -> last        newest last, so equal deadlines expire in arming order
//                    sorted run        the rest: its earliest deadline is kept, a lower bound once that was disarmed
//                         ^ sortedLast
//
// A slot is put in order when its first timer is due, and only then; timers armed with one delay arrive in order
// and are never sorted. A slot in order is not joined by arrivals (those are near), so what a limit leaves behind
// is not sorted again.
//
// Cost. arm, disarm: constant. expire: each timer moves down at most seven levels and is sorted once. nextDeadlineNs:
// cached; otherwise one look at the earliest slot, or a walk over its rest if the earliest of that was disarmed. The
// walks are counted, and once they have cost as much as sorting, the slot is sorted instead. One call can still
// take a time proportional to the timers in one slot (about 20 ns each).
//
// Why not a binary heap: each arm and disarm is log n cache misses, and most timers are time-outs that never fire.
// Why not one wheel with rounds: a slot mixes timers of all rounds, so each visit walks timers that are not due.
// Why one record a timer, not parallel arrays: at random ids a record is one cache line, arrays are four.
//
// Source: G. Varghese and T. Lauck, "Hashed and Hierarchical Timing Wheels", SOSP 1987, scheme 7. Finding the level from
// the exclusive-or of two ticks is known from Tokio's wheel; Agrona's DeadlineTimerWheel keeps exact deadlines in slots.
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

  // Arms timer `id`, from 0 to kMaxId, for `deadlineNs`; an armed one is re-armed. Ids should be dense, as storage
  // reaches to the highest one. A deadline in the past expires at the next expire(); kNever counts as kNever - 1.
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
  static constexpr int kDigitBits = 6;
  static constexpr uint32_t kSlotsPerLevel = 1u << kDigitBits;
  static constexpr uint32_t kLevels = 8;  // 16 + 8 * 6 bits reach beyond the largest int64.
  static constexpr uint32_t kNearSlot = kLevels * kSlotsPerLevel;
  static constexpr uint32_t kNoSlot = kNearSlot + 1;  // Always empty; also what a timer not armed is in.
  static constexpr uint32_t kNil = UINT32_MAX;
  static constexpr uint32_t kFew = 32;  // Timers up to which insertion sorts fastest.

  struct Timer {
    int64_t deadlineNs;
    uint32_t next;
    uint32_t previous;
    uint32_t slot;  // kNoSlot: not armed, and the other fields mean nothing.
  };

  struct Slot {
    uint32_t first = kNil;
    uint32_t last = kNil;
    uint32_t sortedLast = kNil;  // The end of the sorted run, which is never empty while the slot is not.
    uint32_t count = 0;
    int64_t restEarliestNs = kNever;  // No timer after the sorted run is earlier.
    bool restIsStale = false;         // The timer restEarliestNs came from may be gone.
    uint32_t walkedSinceSort = 0;
  };

  struct FreeDeleter {
    void operator()(void* memory) const { std::free(memory); }
  };

  bool reach(uint32_t id);
  uint32_t slotOfTick(int64_t tick) const;
  uint32_t earliestSlot() const;
  int64_t earliestNs(uint32_t slotIndex);
  void append(uint32_t id, uint32_t slotIndex);
  void unlink(uint32_t id);
  void advance(int64_t tick);
  size_t take(uint32_t slotIndex, int64_t boundNs, uint32_t* out, size_t limit);
  void markEmpty(uint32_t slotIndex);
  void sort(Slot& slot);
  uint32_t sortFew(Slot& slot);
  uint32_t sortMany(Slot& slot);

  int64_t currentTick_;
  int64_t nextDeadlineNs_ = kNever;
  bool nextIsKnown_ = true;
  size_t armedCount_ = 0;
  std::unique_ptr<Timer, FreeDeleter> storage_;
  Timer* timers_ = nullptr;  // == storage_.get()
  uint32_t knownIds_ = 0;    // Ids below this have an initialised Timer.
  uint32_t capacity_ = 0;
  uint64_t occupied_[kLevels + 1] = {};  // Bit s of word l: slot s of level l holds a timer. The last word is for near.
  Slot slots_[kNoSlot + 1];
};

}  // namespace percore

#endif  // PERCORE_TIMER_WHEEL_H_
