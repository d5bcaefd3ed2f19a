// The timer wheel drawn and explained in timer_wheel.h.

#include "timer_wheel.h"

#include <algorithm>

namespace percore {

TimerWheel::TimerWheel(int64_t nowNs) : currentTick_(nowNs >> kTickBits) {}

bool TimerWheel::arm(uint32_t id, int64_t deadlineNs) {
  if (id >= knownIds_ && !reach(id)) return false;
  deadlineNs = std::min(deadlineNs, kNever - 1);
  disarm(id);
  timers_[id].deadlineNs = deadlineNs;
  const int64_t tick = deadlineNs >> kTickBits;
  append(id, tick <= currentTick_ ? kNearSlot : slotOfTick(tick));
  ++armedCount_;
  // An unknown next deadline stays unknown: there may be an earlier one.
  if (deadlineNs < nextDeadlineNs_ && nextIsKnown_) nextDeadlineNs_ = deadlineNs;
  return true;
}

bool TimerWheel::disarm(uint32_t id) {
  if (id >= knownIds_ || timers_[id].slot == kNoSlot) return false;
  unlink(id);
  timers_[id].slot = kNoSlot;
  --armedCount_;
  if (timers_[id].deadlineNs == nextDeadlineNs_) nextIsKnown_ = false;
  return true;
}

int64_t TimerWheel::nextDeadlineNs() {
  if (!nextIsKnown_) {
    nextDeadlineNs_ = std::min(earliestNs(earliestSlot()), earliestNs(kNearSlot));
    nextIsKnown_ = true;
  }
  return nextDeadlineNs_;
}

size_t TimerWheel::expire(int64_t nowNs, uint32_t* out, size_t limit) {
  nowNs = std::min(nowNs, kNever - 1);
  size_t expired = 0;
  // Each round takes at least one timer, so there are at most `limit`.
  while (expired < limit && nextDeadlineNs() <= nowNs) {
    advance(nextDeadlineNs_ >> kTickBits);
    // Now the next timer is in a slot of level 0 or near. Those in the slot were armed first, so they win a tie.
    const uint32_t slotIndex = earliestSlot();
    const int64_t slotNs = earliestNs(slotIndex);
    const int64_t nearNs = earliestNs(kNearSlot);
    expired += slotNs <= nearNs ? take(slotIndex, std::min(nowNs, nearNs), out + expired, limit - expired)
                                : take(kNearSlot, std::min(nowNs, slotNs - 1), out + expired, limit - expired);
  }
  // With due timers left, time stays at theirs: the wheel never holds a timer before its current tick.
  if (nextDeadlineNs() > nowNs) advance(nowNs >> kTickBits);
  return expired;
}

// Moves time to `tick`, if that is ahead. No timer may be due before it, so all levels below the highest digit that
// changes are empty, and only the slot entered at that level has to be dealt out.
void TimerWheel::advance(int64_t tick) {
  if (tick <= currentTick_) return;
  const uint32_t slotIndex = slotOfTick(tick);
  currentTick_ = tick;
  if (slotIndex < kSlotsPerLevel) return;  // Level 0 has no level below.
  uint32_t id = slots_[slotIndex].first;
  if (id == kNil) return;
  markEmpty(slotIndex);
  while (id != kNil) {
    const uint32_t next = timers_[id].next;
    append(id, slotOfTick(timers_[id].deadlineNs >> kTickBits));
    id = next;
  }
}

// Takes from the front of a slot while deadlines are within the bound.
size_t TimerWheel::take(uint32_t slotIndex, int64_t boundNs, uint32_t* out, size_t limit) {
  Slot& slot = slots_[slotIndex];
  if (slot.sortedLast != slot.last) sort(slot);
  size_t taken = 0;
  uint32_t id = slot.first;
  while (id != kNil && taken < limit && timers_[id].deadlineNs <= boundNs) {
    timers_[id].slot = kNoSlot;
    out[taken++] = id;
    id = timers_[id].next;
  }
  armedCount_ -= taken;
  nextIsKnown_ = false;
  if (id == kNil) {
    markEmpty(slotIndex);
  } else {
    slot.first = id;
    slot.count -= static_cast<uint32_t>(taken);
    timers_[id].previous = kNil;
  }
  return taken;
}

// kNever for an empty slot. A slot in which a timer was disarmed may have to be walked, or sorted when the walks since
// it was last sorted have cost as much as sorting it.
int64_t TimerWheel::earliestNs(uint32_t slotIndex) {
  Slot& slot = slots_[slotIndex];
  if (slot.first == kNil) return kNever;
  const int64_t firstNs = timers_[slot.first].deadlineNs;
  if (firstNs <= slot.restEarliestNs) return firstNs;
  if (!slot.restIsStale) return slot.restEarliestNs;
  if (slot.walkedSinceSort >= slot.count) {
    sort(slot);
    return timers_[slot.first].deadlineNs;
  }
  int64_t earliest = kNever;
  for (uint32_t id = timers_[slot.sortedLast].next; id != kNil; id = timers_[id].next) {
    earliest = std::min(earliest, timers_[id].deadlineNs);
    ++slot.walkedSinceSort;
  }
  slot.restEarliestNs = earliest;
  slot.restIsStale = false;
  return std::min(firstNs, earliest);
}

// The slot of the wheel that is due first, near left aside; the always empty kNoSlot if there is none.
uint32_t TimerWheel::earliestSlot() const {
  for (uint32_t level = 0; level < kLevels; ++level) {
    if (occupied_[level] != 0) {
      return level * kSlotsPerLevel + static_cast<uint32_t>(__builtin_ctzll(occupied_[level]));
    }
  }
  return kNoSlot;
}

// For a tick not before the current one. The lowest bit is set to give the current tick its slot at level 0.
uint32_t TimerWheel::slotOfTick(int64_t tick) const {
  const uint64_t difference = static_cast<uint64_t>(tick ^ currentTick_) | 1;
  const uint32_t level = static_cast<uint32_t>(63 - __builtin_clzll(difference)) / kDigitBits;
  const uint32_t digit = static_cast<uint32_t>(tick >> (level * kDigitBits)) & (kSlotsPerLevel - 1);
  return level * kSlotsPerLevel + digit;
}

void TimerWheel::append(uint32_t id, uint32_t slotIndex) {
  Slot& slot = slots_[slotIndex];
  Timer& timer = timers_[id];
  timer.slot = slotIndex;
  timer.next = kNil;
  timer.previous = slot.last;
  ++slot.count;
  if (slot.last == kNil) {
    occupied_[slotIndex / kSlotsPerLevel] |= uint64_t{1} << (slotIndex % kSlotsPerLevel);
    slot.first = slot.last = slot.sortedLast = id;
    return;
  }
  Timer& last = timers_[slot.last];
  last.next = id;
  if (slot.sortedLast == slot.last && last.deadlineNs <= timer.deadlineNs) {
    slot.sortedLast = id;
  } else if (timer.deadlineNs <= slot.restEarliestNs) {
    slot.restEarliestNs = timer.deadlineNs;
    slot.restIsStale = false;
  }
  slot.last = id;
}

void TimerWheel::unlink(uint32_t id) {
  const Timer& timer = timers_[id];
  Slot& slot = slots_[timer.slot];
  if (--slot.count == 0) {
    markEmpty(timer.slot);
    return;
  }
  // If the sorted run ends here, the next timer, alone, is a sorted run too.
  if (id == slot.sortedLast) slot.sortedLast = timer.previous != kNil ? timer.previous : timer.next;
  (timer.previous != kNil ? timers_[timer.previous].next : slot.first) = timer.next;
  (timer.next != kNil ? timers_[timer.next].previous : slot.last) = timer.previous;
  if (slot.sortedLast == slot.last) {
    slot.restEarliestNs = kNever;
    slot.restIsStale = false;
  } else if (timer.deadlineNs == slot.restEarliestNs) {
    slot.restIsStale = true;
  }
}

void TimerWheel::markEmpty(uint32_t slotIndex) {
  slots_[slotIndex] = Slot();
  occupied_[slotIndex / kSlotsPerLevel] &= ~(uint64_t{1} << (slotIndex % kSlotsPerLevel));
}

// Puts a whole slot in order. Both ways are stable, leave `next` right and return the first id.
void TimerWheel::sort(Slot& slot) {
  slot.first = slot.count <= kFew ? sortFew(slot) : sortMany(slot);
  uint32_t previous = kNil;
  for (uint32_t id = slot.first; id != kNil; id = timers_[id].next) {
    timers_[id].previous = previous;
    previous = id;
  }
  slot.last = slot.sortedLast = previous;
  slot.restEarliestNs = kNever;
  slot.restIsStale = false;
  slot.walkedSinceSort = 0;
}

// Insertion into a copy on the stack.
uint32_t TimerWheel::sortFew(Slot& slot) {
  struct Entry {
    int64_t deadlineNs;
    uint32_t id;
  } entries[kFew];
  uint32_t count = 0;
  for (uint32_t id = slot.first; id != kNil; id = timers_[id].next) {
    const int64_t deadlineNs = timers_[id].deadlineNs;
    uint32_t at = count++;
    for (; at > 0 && entries[at - 1].deadlineNs > deadlineNs; --at) entries[at] = entries[at - 1];
    entries[at] = {deadlineNs, id};
  }
  for (uint32_t at = 1; at < count; ++at) timers_[entries[at - 1].id].next = entries[at].id;
  timers_[entries[count - 1].id].next = kNil;
  return entries[0].id;
}

// Radix sort of the list, lowest byte first, over as many bytes as the deadlines differ in: two in a slot of level 0.
// It needs no memory beyond the piles' ends, and a merge sort was three times slower at 65,000 timers a slot.
uint32_t TimerWheel::sortMany(Slot& slot) {
  constexpr uint32_t kPiles = 256;
  uint32_t first = slot.first;
  int64_t smallest = kNever;
  int64_t largest = INT64_MIN;
  for (uint32_t id = first; id != kNil; id = timers_[id].next) {
    smallest = std::min(smallest, timers_[id].deadlineNs);
    largest = std::max(largest, timers_[id].deadlineNs);
  }
  // Unsigned, since the distance between two int64 may not fit into one.
  const uint64_t base = static_cast<uint64_t>(smallest);
  const uint64_t span = static_cast<uint64_t>(largest) - base;
  for (int shift = 0; shift < 64 && (span >> shift) != 0; shift += 8) {
    uint32_t pileFirst[kPiles];
    uint32_t pileLast[kPiles];
    std::fill_n(pileFirst, kPiles, kNil);
    for (uint32_t id = first; id != kNil;) {
      const uint32_t next = timers_[id].next;
      const uint32_t pile = ((static_cast<uint64_t>(timers_[id].deadlineNs) - base) >> shift) % kPiles;
      (pileFirst[pile] == kNil ? pileFirst[pile] : timers_[pileLast[pile]].next) = id;
      pileLast[pile] = id;
      id = next;
    }
    uint32_t joinedLast = kNil;
    for (uint32_t pile = 0; pile < kPiles; ++pile) {
      if (pileFirst[pile] == kNil) continue;
      (joinedLast == kNil ? first : timers_[joinedLast].next) = pileFirst[pile];
      joinedLast = pileLast[pile];
    }
    timers_[joinedLast].next = kNil;
  }
  return first;
}

// Makes room for `id` and all ids below. Grows by half, so no more than 36 bytes a timer are ever held, and touches
// only what is reached, so what is held in advance costs no memory yet.
bool TimerWheel::reach(uint32_t id) {
  if (id > kMaxId) return false;
  if (id >= capacity_) {
    const uint32_t capacity = std::max({id + 1, capacity_ + capacity_ / 2, 64u});
    void* grown = std::realloc(storage_.get(), capacity * sizeof(Timer));
    if (grown == nullptr) return false;
    storage_.release();  // realloc has freed or moved it.
    storage_.reset(static_cast<Timer*>(grown));
    timers_ = storage_.get();
    capacity_ = capacity;
  }
  for (; knownIds_ <= id; ++knownIds_) timers_[knownIds_].slot = kNoSlot;
  return true;
}

}  // namespace percore
