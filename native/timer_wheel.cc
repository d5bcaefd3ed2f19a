// The timer wheel that timer_wheel.h draws and explains. First what callers see, then the earliest, then slots.

#include "timer_wheel.h"

#include <algorithm>

namespace percore {

TimerWheel::TimerWheel(int tickBits) : lowestBits_(static_cast<uint32_t>(tickBits) % kDigitBits) {
  if (lowestBits_ == 0) lowestBits_ = kDigitBits;
}

void TimerWheel::setChunk(uint32_t index, Timer* timers, uint32_t count) {
  if (index >= chunks_.size()) chunks_.resize(index + 1);
  chunks_[index] = timers;
  ids_ = std::min(index * kChunkTimers + count, kMaxId + 1);
}

bool TimerWheel::arm(uint32_t id, int64_t deadlineNs) {
  if (id >= ids_) return false;
  disarm(id);
  deadlineNs = std::min(std::max<int64_t>(deadlineNs, 0), kNever - 1);
  timer(id).deadlineNs = deadlineNs;
  timer(id).order = nextOrder_;
  if (++nextOrder_ == 0) ++nextOrder_;
  place(&root_, id);
  ++armedCount_;
  nextDeadlineNs_ = std::min(nextDeadlineNs_, deadlineNs);  // Counts only while it is known.
  // Any of them may have gone to the earliest slot: it is looked at again before it can be crowded.
  if (++armsSinceSettled_ > kFew) isSettled_ = false;
  return true;
}

bool TimerWheel::disarm(uint32_t id) {
  if (id >= ids_ || timer(id).order == 0) return false;
  if (timer(id).deadlineNs == nextDeadlineNs_) nextIsKnown_ = isSettled_ = false;
  unlink(id);
  --armedCount_;
  return true;
}

void TimerWheel::prefetchNeighbours(uint32_t id) const {
  if (id >= ids_ || timer(id).order == 0) return;
  if (timer(id).next != kNil) __builtin_prefetch(&timer(timer(id).next), 1);
  if (timer(id).previous != kNil) __builtin_prefetch(&timer(timer(id).previous), 1);
}

size_t TimerWheel::expire(int64_t nowNs, uint32_t* out, size_t limit, size_t work) {
  nowNs = std::min(nowNs, kNever - 1);
  if (isSettled_ && nextDeadlineNs_ > nowNs) return 0;
  work = std::max<size_t>(work, kOpenWork);  // With less, no slot would ever be opened.
  size_t count = 0;
  // Each round takes at least one timer.
  while (findEarliest(&work) && count < limit && nextDeadlineNs_ <= nowNs)
    count += takeDue(nowNs, out + count, limit - count);
  return count;
}

int64_t TimerWheel::nextDeadlineNs() {
  size_t work = kNoBound;
  if (!nextIsKnown_) findEarliest(&work);
  return nextDeadlineNs_;
}

// ---- The earliest ----

// Goes down the leftmost slots to one with few timers, opening and dealing out what stands in the way. True: the
// candidates are all timers of that slot, and the earliest of them is the earliest of all.
bool TimerWheel::findEarliest(size_t* work) {
  isSettled_ = nextIsKnown_ = false;
  candidateCount_ = 0;
  boundNs_ = kNever;
  depth_ = 0;
  for (Slot* slot = &root_;;) {
    path_[depth_] = slot;
    if (slot->wheel == nullptr) {
      candidateCount_ = gather(*slot);
      if (candidateCount_ <= kFew) break;
      if (*work < kOpenWork) return false;
      *work -= kOpenWork;
      open(slot, candidateCount_);
      candidateCount_ = 0;
    }
    if (slot->stripes != 0) {
      deal(slot, work);
      boundNs_ = std::min(boundNs_, slot->earliestNs);
      if (slot->wheel->occupied == 0) return false;
    }
    slot = &slot->wheel->slots[__builtin_ctzll(slot->wheel->occupied)];
    ++depth_;
  }
  int64_t earliestNs = kNever;
  for (uint32_t at = 0; at < candidateCount_; ++at) earliestNs = std::min(earliestNs, candidates_[at].deadlineNs);
  if (earliestNs >= boundNs_ && boundNs_ != kNever) return false;
  nextDeadlineNs_ = earliestNs;
  armsSinceSettled_ = 0;
  return isSettled_ = nextIsKnown_ = true;
}

// Lists the timers of a slot, all of them or one more than a few, from all stripes in turn.
uint32_t TimerWheel::gather(const Slot& slot) {
  uint32_t next[kStripes];
  std::copy(slot.first, slot.first + kStripes, next);
  const uint32_t birth = birthNow();
  uint32_t count = 0;
  for (uint32_t left = slot.stripes; left != 0;) {
    for (uint32_t round = left; round != 0; round &= round - 1) {
      const uint32_t stripe = static_cast<uint32_t>(__builtin_ctz(round));
      const uint32_t id = next[stripe];
      const Timer& found = timer(id);
      candidates_[count++] = {found.deadlineNs, found.order - birth, id};
      if (count > kFew) return count;
      next[stripe] = found.next;
      if (found.next == kNil) left &= ~(1u << stripe);
    }
  }
  return count;
}

// Gives a slot a wheel, as fine as the candidates allow; some of the others may lie beyond it.
void TimerWheel::open(Slot* slot, uint32_t candidates) {
  uint64_t deadlines = 0;
  uint32_t ages = 0;
  for (uint32_t at = 1; at < candidates; ++at) {
    deadlines |= static_cast<uint64_t>(candidates_[at].deadlineNs ^ candidates_[0].deadlineNs);
    ages |= candidates_[at].age ^ candidates_[0].age;
  }
  slot->wheel = makeWheel(levelShift(deadlines, ages), candidates_[0].deadlineNs, candidates_[0].age, birthNow());
}

// Moves timers of an open slot into its wheel.
void TimerWheel::deal(Slot* slot, size_t* work) {
  for (uint32_t stripe = 0; slot->stripes != 0 && *work != 0; stripe = (stripe + 1) % kStripes) {
    const uint32_t id = slot->first[stripe];
    if (id == kNil) continue;
    const uint32_t next = timer(id).next;
    slot->first[stripe] = next;
    if (next == kNil) {
      slot->stripes &= ~(1u << stripe);
    } else {
      __builtin_prefetch(&timer(next), 1);  // Needed in the next round.
    }
    place(slotBelow(slot, id), id);
    if (next != kNil) timer(next).previous = kNil;
    --*work;
  }
  if (slot->stripes == 0) slot->earliestNs = kNever;
}

// Takes the due ones of the candidates, in order.
size_t TimerWheel::takeDue(int64_t nowNs, uint32_t* out, size_t limit) {
  std::sort(candidates_, candidates_ + candidateCount_, isBefore);
  size_t count = 0;
  while (count < candidateCount_ && count < limit && candidates_[count].deadlineNs <= nowNs &&
         candidates_[count].deadlineNs < boundNs_)
    ++count;
  armedCount_ -= count;
  isSettled_ = nextIsKnown_ = false;
  for (size_t at = 0; at < count; ++at) out[at] = candidates_[at].id;
  if (count < candidateCount_) {
    for (size_t at = 0; at < count; ++at) unlink(out[at]);
    return count;
  }
  // The whole slot: no neighbour is left to be told.
  for (size_t at = 0; at < count; ++at) timer(out[at]).order = 0;
  *path_[depth_] = Slot();
  tidy(depth_);
  return count;
}

// ---- Slots ----

// Puts a timer into `slot` or where it belongs below.
void TimerWheel::place(Slot* slot, uint32_t id) {
  while (slot->wheel != nullptr) slot = slotBelow(slot, id);
  const uint32_t stripe = id % kStripes;
  const uint32_t next = slot->first[stripe];
  Timer& placed = timer(id);
  placed.next = next;
  placed.previous = kNil;
  if (next != kNil) timer(next).previous = id;
  slot->first[stripe] = id;
  slot->stripes |= 1u << stripe;
  slot->earliestNs = std::min(slot->earliestNs, placed.deadlineNs);
}

// The slot for `id` in the wheel of an open slot.
TimerWheel::Slot* TimerWheel::slotBelow(Slot* slot, uint32_t id) {
  Wheel* wheel = cover(slot, id);
  const uint32_t digit = digitOf(*wheel, id);
  if ((wheel->occupied >> digit & 1) == 0) {
    wheel->occupied |= uint64_t{1} << digit;
    wheel->slots[digit] = Slot();
  }
  return &wheel->slots[digit];
}

// The wheel of an open slot, or a coarser one put above it where that does not reach to `id`.
TimerWheel::Wheel* TimerWheel::cover(Slot* slot, uint32_t id) {
  Wheel* wheel = slot->wheel;
  const uint64_t deadlines = static_cast<uint64_t>(timer(id).deadlineNs ^ wheel->deadlineNs);
  uint32_t ages = 0;
  if (!wheel->isByOrder()) {
    if (deadlines >> wheel->coverBits == 0) return wheel;
  } else if (deadlines == 0) {
    ages = (timer(id).order - wheel->birth) ^ wheel->age;
    if (static_cast<uint64_t>(ages) >> wheel->coverBits == 0) return wheel;
  }
  Wheel* coarser = makeWheel(levelShift(deadlines, ages), wheel->deadlineNs, wheel->age, wheel->birth);
  const uint32_t digit = digitOf(*coarser, wheel->deadlineNs, wheel->age);
  coarser->occupied = uint64_t{1} << digit;
  coarser->slots[digit] = Slot();
  coarser->slots[digit].wheel = wheel;
  slot->wheel = coarser;
  return coarser;
}

// Takes an armed timer out of its list.
void TimerWheel::unlink(uint32_t id) {
  Timer& gone = timer(id);
  const uint32_t next = gone.next;
  if (next != kNil) timer(next).previous = gone.previous;
  if (gone.previous != kNil) timer(gone.previous).next = next;
  else unlinkFirst(id);
  gone.order = 0;
}

// The rest of it for the first of a stripe: which one follows from its key.
void TimerWheel::unlinkFirst(uint32_t id) {
  const uint32_t stripe = id % kStripes;
  uint32_t depth = 0;
  Slot* slot = &root_;
  for (; slot->first[stripe] != id; ++depth) {
    path_[depth] = slot;
    slot = &slot->wheel->slots[digitOf(*slot->wheel, id)];
  }
  path_[depth] = slot;
  slot->first[stripe] = timer(id).next;
  if (slot->first[stripe] != kNil) return;
  slot->stripes &= ~(1u << stripe);
  if (slot->stripes != 0) return;
  slot->earliestNs = kNever;
  tidy(depth);
}

// Marks the slot at the end of the path as empty if it is, and lays away the wheels that this empties.
void TimerWheel::tidy(uint32_t depth) {
  for (; depth > 0; --depth) {
    const Slot* slot = path_[depth];
    if (slot->stripes != 0 || slot->wheel != nullptr) return;
    Wheel* wheel = path_[depth - 1]->wheel;
    wheel->occupied &= ~(uint64_t{1} << (slot - wheel->slots));
    if (wheel->occupied != 0) return;
    path_[depth - 1]->wheel = nullptr;
    spareWheels_.push_back(wheel);
  }
}

// ---- Keys ----

uint32_t TimerWheel::digitOf(const Wheel& wheel, int64_t deadlineNs, uint32_t age) const {
  if (wheel.isByOrder()) return age >> wheel.shift & wheel.mask;
  return static_cast<uint32_t>(static_cast<uint64_t>(deadlineNs) >> (wheel.shift - kOrderBits)) & wheel.mask;
}

uint32_t TimerWheel::digitOf(const Wheel& wheel, uint32_t id) const {
  if (wheel.isByOrder()) return (timer(id).order - wheel.birth) >> wheel.shift & wheel.mask;
  return static_cast<uint32_t>(static_cast<uint64_t>(timer(id).deadlineNs) >> (wheel.shift - kOrderBits)) & wheel.mask;
}

// Where the level begins in which keys with these differences differ first.
uint32_t TimerWheel::levelShift(uint64_t deadlineDifference, uint32_t orderDifference) const {
  const bool isByOrder = deadlineDifference == 0;
  const uint32_t highest =
      63 - static_cast<uint32_t>(__builtin_clzll((isByOrder ? orderDifference : deadlineDifference) | 1));
  const uint32_t lowest = isByOrder ? kOrderBits % kDigitBits : lowestBits_;
  const uint32_t shift = highest < lowest ? 0 : lowest + (highest - lowest) / kDigitBits * kDigitBits;
  return isByOrder ? shift : kOrderBits + shift;
}

bool TimerWheel::isBefore(const Candidate& a, const Candidate& b) {
  return a.deadlineNs != b.deadlineNs ? a.deadlineNs < b.deadlineNs : a.age < b.age;
}

// ---- Storage ----

TimerWheel::Wheel* TimerWheel::makeWheel(uint32_t shift, int64_t deadlineNs, uint32_t age, uint32_t birth) {
  if (spareWheels_.empty()) {
    wheels_.push_back(std::make_unique<Wheel>());
    spareWheels_.reserve(wheels_.size());
    spareWheels_.push_back(wheels_.back().get());
  }
  Wheel* wheel = spareWheels_.back();
  spareWheels_.pop_back();
  const uint32_t start = shift < kOrderBits ? shift : shift - kOrderBits;
  const uint32_t bits = start != 0 ? kDigitBits : shift == 0 ? kOrderBits % kDigitBits : lowestBits_;
  wheel->occupied = 0;
  wheel->deadlineNs = deadlineNs;
  wheel->age = age;
  wheel->birth = birth;
  wheel->shift = shift;
  wheel->coverBits = std::min(start + bits, 63u);  // Deadlines have 63 bits.
  wheel->mask = (1u << bits) - 1;
  return wheel;
}

}  // namespace percore
