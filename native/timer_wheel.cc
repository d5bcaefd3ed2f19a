// The timer wheel that timer_wheel.h draws and explains. First what callers see, then slots, then heaps.

#include "timer_wheel.h"

#include <algorithm>

namespace percore {

TimerWheel::TimerWheel(int64_t nowNs) : currentTick_(std::max<int64_t>(nowNs, 0) >> kTickBits) {}

bool TimerWheel::arm(uint32_t id, int64_t deadlineNs) {
  if (id >= knownIds_ && !reach(id)) return false;
  disarm(id);
  timers_[id].deadlineNs = std::min(deadlineNs, kNever - 1);
  timers_[id].order = nextOrder_++;
  insert(id);
  ++armedCount_;
  nextDeadlineNs_ = std::min(nextDeadlineNs_, timers_[id].deadlineNs);  // Counts only while it is known.
  return true;
}

bool TimerWheel::disarm(uint32_t id) {
  if (id >= knownIds_ || timers_[id].child == kUnarmed) return false;
  remove(id);
  --armedCount_;
  if (timers_[id].deadlineNs == nextDeadlineNs_) nextIsKnown_ = false;
  return true;
}

int64_t TimerWheel::nextDeadlineNs() {
  if (!nextIsKnown_) {
    nextDeadlineNs_ = earliestNs(slots_[earliestSlot()]);
    nextIsKnown_ = true;
  }
  return nextDeadlineNs_;
}

size_t TimerWheel::expire(int64_t nowNs, uint32_t* out, size_t limit) {
  nowNs = std::min(nowNs, kNever - 1);
  size_t expired = 0;
  // Each round empties a slot of level 0 of what is due, at least one timer, or reaches the limit.
  while (expired < limit && nextDeadlineNs() <= nowNs) {
    advance(nextDeadlineNs_ >> kTickBits);
    Slot& slot = slots_[earliestSlot()];
    while (expired < limit) {
      const uint32_t id = earliestId(slot);
      if (id == kNil || timers_[id].deadlineNs > nowNs) break;
      remove(id);
      out[expired++] = id;
      --armedCount_;
    }
    nextIsKnown_ = false;
  }
  // With due timers left, time stays at theirs: no timer may be before the current tick.
  if (nextDeadlineNs() > nowNs) advance(nowNs >> kTickBits);
  return expired;
}

// Moves time on to `tick`. No timer may be due before it, so all levels below the highest digit that changes are
// empty, and only the slot entered at that level has to be dealt out.
void TimerWheel::advance(int64_t tick) {
  if (tick <= currentTick_) return;
  const uint32_t slotIndex = slotOfTick(tick);
  currentTick_ = tick;
  if (slotIndex < kSlotsPerLevel) return;  // Level 0 has none below it.
  const Slot entered = slots_[slotIndex];
  markEmpty(slotIndex);
  dealOut(entered.runFirst);
  dealOut(entered.pileFirst);
  dealOut(entered.heapRoot);
}

// Inserts all timers of a list, and all below them in the heap, where they belong by now.
void TimerWheel::dealOut(uint32_t first) {
  for (uint32_t id = first; id != kNil;) {
    uint32_t next = timers_[id].next;
    const uint32_t child = timers_[id].child;
    if (child < kUnarmed) {  // A true child. Its siblings go before what is still to come.
      uint32_t last = child;
      while (timers_[last].next != kNil) last = timers_[last].next;
      timers_[last].next = next;
      next = child;
    }
    insert(id);
    id = next;
  }
}

// ---- Slots ----

void TimerWheel::insert(uint32_t id) {
  const uint32_t slotIndex = slotOf(id);
  Slot& slot = slots_[slotIndex];
  Timer& timer = timers_[id];
  occupied_[slotIndex / kSlotsPerLevel] |= uint64_t{1} << (slotIndex % kSlotsPerLevel);
  if (slot.runLast == kNil || isBefore(slot.runLast, id)) {
    timer.child = kInRun;
    timer.next = kNil;
    timer.previous = slot.runLast;
    (slot.runLast == kNil ? slot.runFirst : timers_[slot.runLast].next) = id;
    slot.runLast = id;
    return;
  }
  timer.child = kInPile;
  timer.next = slot.pileFirst;
  timer.previous = kNil;
  if (slot.pileFirst != kNil) timers_[slot.pileFirst].previous = id;
  slot.pileFirst = id;
  if (timer.deadlineNs <= slot.pileEarliestNs) {
    slot.pileEarliestNs = timer.deadlineNs;
    slot.pileIsStale = false;
  }
}

void TimerWheel::remove(uint32_t id) {
  const uint32_t slotIndex = slotOf(id);
  Slot& slot = slots_[slotIndex];
  Timer& timer = timers_[id];
  if (timer.next != kNil) timers_[timer.next].previous = timer.previous;
  if (timer.child == kInRun) {
    (timer.previous == kNil ? slot.runFirst : timers_[timer.previous].next) = timer.next;
    if (timer.next == kNil) slot.runLast = timer.previous;
  } else if (timer.child == kInPile) {
    (timer.previous == kNil ? slot.pileFirst : timers_[timer.previous].next) = timer.next;
    if (slot.pileFirst == kNil) {
      slot.pileEarliestNs = kNever;
      slot.pileIsStale = false;
    } else if (timer.deadlineNs == slot.pileEarliestNs) {
      slot.pileIsStale = true;
    }
  } else {
    if (id == slot.heapRoot) {
      slot.heapRoot = kNil;
    } else {
      Timer& before = timers_[timer.previous];
      (before.child == id ? before.child : before.next) = timer.next;
    }
    if (timer.child != kNil) addHeap(slot, combine(timer.child));
  }
  timer.child = kUnarmed;
  if (slot.runFirst == kNil && slot.pileFirst == kNil && slot.heapRoot == kNil) markEmpty(slotIndex);
}

uint32_t TimerWheel::slotOf(uint32_t id) const {
  return slotOfTick(std::max(timers_[id].deadlineNs >> kTickBits, currentTick_));
}

// For a tick not before the current one. The lowest bit is set so that the current tick, too, has a slot at level 0.
uint32_t TimerWheel::slotOfTick(int64_t tick) const {
  const uint64_t difference = static_cast<uint64_t>(tick ^ currentTick_) | 1;
  const uint32_t level = static_cast<uint32_t>(63 - __builtin_clzll(difference)) / kDigitBits;
  const uint32_t digit = static_cast<uint32_t>(tick >> (level * kDigitBits)) % kSlotsPerLevel;
  return level * kSlotsPerLevel + digit;
}

uint32_t TimerWheel::earliestSlot() const {
  for (uint32_t level = 0; level < kLevels; ++level) {
    if (occupied_[level] == 0) continue;
    return level * kSlotsPerLevel + static_cast<uint32_t>(__builtin_ctzll(occupied_[level]));
  }
  return kNoSlot;
}

// kNever for an empty slot. Leaves the pile as it is where its earliest deadline is known or does not matter.
int64_t TimerWheel::earliestNs(Slot& slot) {
  const uint32_t top = earlierTop(slot);
  const int64_t topNs = top == kNil ? kNever : timers_[top].deadlineNs;
  if (topNs <= slot.pileEarliestNs) return topNs;
  if (!slot.pileIsStale) return slot.pileEarliestNs;
  pileToHeap(slot);
  return timers_[earlierTop(slot)].deadlineNs;
}

// kNil for an empty slot.
uint32_t TimerWheel::earliestId(Slot& slot) {
  const uint32_t top = earlierTop(slot);
  if (slot.pileFirst == kNil) return top;
  if (top != kNil && timers_[top].deadlineNs < slot.pileEarliestNs) return top;
  pileToHeap(slot);
  return earlierTop(slot);
}

// The earliest of run and heap.
uint32_t TimerWheel::earlierTop(const Slot& slot) const {
  if (slot.runFirst == kNil) return slot.heapRoot;
  if (slot.heapRoot == kNil) return slot.runFirst;
  return isBefore(slot.heapRoot, slot.runFirst) ? slot.heapRoot : slot.runFirst;
}

bool TimerWheel::isBefore(uint32_t a, uint32_t b) const {
  const Timer& x = timers_[a];
  const Timer& y = timers_[b];
  if (x.deadlineNs != y.deadlineNs) return x.deadlineNs < y.deadlineNs;
  return isOlder(x.order, y.order);
}

// Compares ages, not the signed difference: that may go round in a circle, which std::sort must never see.
bool TimerWheel::isOlder(uint32_t order, uint32_t thanOrder) const {
  return nextOrder_ - order > nextOrder_ - thanOrder;
}

void TimerWheel::markEmpty(uint32_t slotIndex) {
  slots_[slotIndex] = Slot();
  occupied_[slotIndex / kSlotsPerLevel] &= ~(uint64_t{1} << (slotIndex % kSlotsPerLevel));
}

// ---- Heaps ----

// A chain of timers in order, each the only child of the one before, is a heap already. So the pile is sorted in
// parts, on the stack, where it is fast, and only the chains are combined: half the time of combining single timers.
void TimerWheel::pileToHeap(Slot& slot) {
  constexpr uint32_t kPart = 256;
  struct Entry {
    int64_t deadlineNs;
    uint32_t order;
    uint32_t id;
  } part[kPart];
  uint32_t chains = kNil;
  for (uint32_t id = slot.pileFirst; id != kNil;) {
    uint32_t count = 0;
    for (; id != kNil && count < kPart; id = timers_[id].next) {
      part[count++] = {timers_[id].deadlineNs, timers_[id].order, id};
    }
    std::sort(part, part + count, [this](const Entry& x, const Entry& y) {
      return x.deadlineNs != y.deadlineNs ? x.deadlineNs < y.deadlineNs : isOlder(x.order, y.order);
    });
    for (uint32_t at = 0; at < count; ++at) {
      Timer& timer = timers_[part[at].id];
      timer.previous = at == 0 ? kNil : part[at - 1].id;
      timer.child = at + 1 == count ? kNil : part[at + 1].id;
      timer.next = kNil;
    }
    timers_[part[0].id].next = chains;
    chains = part[0].id;
  }
  slot.pileFirst = kNil;
  slot.pileEarliestNs = kNever;
  slot.pileIsStale = false;
  addHeap(slot, combine(chains));
}

void TimerWheel::addHeap(Slot& slot, uint32_t root) {
  slot.heapRoot = slot.heapRoot == kNil ? root : meld(slot.heapRoot, root);
  timers_[slot.heapRoot].next = kNil;
}

// Makes one heap of a list of heaps, not empty: melds neighbours two by two, then all pairs from the last to the
// first. Both passes matter: pairing is what keeps later removals logarithmic.
uint32_t TimerWheel::combine(uint32_t first) {
  uint32_t pairs = kNil;
  for (uint32_t id = first; id != kNil;) {
    const uint32_t second = timers_[id].next;
    const uint32_t next = second == kNil ? kNil : timers_[second].next;
    const uint32_t pair = second == kNil ? id : meld(id, second);
    timers_[pair].next = pairs;
    pairs = pair;
    id = next;
  }
  uint32_t root = pairs;
  for (uint32_t pair = timers_[root].next; pair != kNil;) {
    const uint32_t next = timers_[pair].next;
    root = meld(root, pair);
    pair = next;
  }
  return root;
}

// Makes the later root the first child of the earlier one and returns that. The caller sets `next` of the result.
uint32_t TimerWheel::meld(uint32_t a, uint32_t b) {
  if (isBefore(b, a)) std::swap(a, b);
  Timer& parent = timers_[a];
  Timer& child = timers_[b];
  child.next = parent.child;
  child.previous = a;
  if (parent.child != kNil) timers_[parent.child].previous = b;
  parent.child = b;
  return a;
}

// ---- Storage ----

// Makes room for `id` and all ids below. Only what is reached is touched, so what is held in advance costs address
// space, not memory.
bool TimerWheel::reach(uint32_t id) {
  if (id > kMaxId) return false;
  if (id >= capacity_) {
    const uint32_t capacity = std::max({id + 1, capacity_ + capacity_ / 2, 64u});
    void* grown = std::realloc(storage_.get(), capacity * sizeof(Timer));
    if (grown == nullptr) return false;
    storage_.release();  // realloc() has moved or freed it.
    storage_.reset(static_cast<Timer*>(grown));
    timers_ = storage_.get();
    capacity_ = capacity;
  }
  for (; knownIds_ <= id; ++knownIds_) timers_[knownIds_].child = kUnarmed;
  return true;
}

}  // namespace percore
