#include "kernel_trace.h"

#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <initializer_list>

namespace percore {

namespace {

constexpr int kTypeBits = 5;
enum Type : uint32_t { kLong = 0, kPadding = 29, kTimeExtend = 30, kTimeStamp = 31 };
constexpr uint64_t kLengthMask = 0xfffff, kHasLost = uint64_t(1) << 31;
constexpr uint32_t kHardInterrupt = 0x08, kSoftInterrupt = 0x10;
constexpr int32_t kInterruptible = 1;

}  // namespace

bool TracePlaces::isSound() const {
  const int32_t words[] = {prevPid, prevPriority, prevName, prevState, nextPid, nextPriority, nextName, wakingPid,
      wakingCpu, exitPid, forkParent, forkChild, entryIrq, exitIrq};
  // An event is at most as long as its type can say.
  for (const int32_t word : words)
    if (word < 2 || word > 1024) return false;
  const int32_t least = dataAt + 8;
  return pageBytes >= least && pageBytes <= (1 << 20) && pageBytes % 8 == 0 && timeAt >= 0 && timeAt % 8 == 0 &&
         timeAt + 8 <= dataAt && commitAt >= 0 && commitAt % 4 == 0 && commitAt + 4 <= dataAt && dataAt % 4 == 0;
}

void CpuEvents::advance() {
  isHole = false;
  for (;;) {
    if (isHoleDue_) {
      isHoleDue_ = false;
      isHole = true;
      timeNs = clockNs_;
      clockNs_ = holeUntilNs;
      return;
    }
    // What follows a head: words up to the end of the data.
    if (at_ >= end_) {
      if (open()) continue;
      timeNs = kNever;
      return;
    }
    const auto* words = reinterpret_cast<const uint32_t*>(page_.data()) + at_;
    const size_t left = end_ - at_ - 1;
    const uint32_t type = *words & ((1 << kTypeBits) - 1), delta = *words >> kTypeBits;
    const bool hasSecond = type == kLong || type >= kPadding;
    if (hasSecond && left == 0) {
      at_ = end_;
      continue;
    }
    const uint64_t second = hasSecond ? words[1] : 0;
    if (type == kTimeExtend) {
      clockNs_ += int64_t(delta) + int64_t(second << 27);
      at_ += 2;
    } else if (type == kTimeStamp) {
      // Its upper five bits are those of the page's own time.
      const uint64_t upper = uint64_t(clockNs_ + zeroNs_) & (uint64_t(0x1f) << 59);
      clockNs_ = int64_t(upper | (second << 27) | delta) - zeroNs_;
      at_ += 2;
    } else if (type == kPadding) {
      if (delta == 0) {
        at_ = end_;
      } else {
        clockNs_ += delta;
        at_ += 1 + size_t(second / 4);
      }
    } else {
      clockNs_ += delta;
      const size_t length = type == kLong ? size_t(second / 4) : size_t(type) + 1;
      const size_t head = type == kLong ? 2 : 1;
      at_ += type == kLong ? 1 + length : length;
      // Cut short, which no kernel does.
      if (length <= head - 1 || length > left + (type == kLong ? 0 : 1)) {
        at_ = end_;
        continue;
      }
      event = reinterpret_cast<const int32_t*>(words + head);
      eventWords = uint32_t(length - 1);
      timeNs = clockNs_;
      return;
    }
  }
}

bool CpuEvents::open() {
  if (isDry_) return false;
  ssize_t length;
  do {
    length = read(fd_, page_.data(), page_.size() * 4);
  } while (length < 0 && errno == EINTR);
  if (length < places_.dataAt) {
    isDry_ = true;
    error_ = length < 0 && errno != EAGAIN ? errno : 0;
    return false;
  }
  pages_++;
  const auto* bytes = reinterpret_cast<const char*>(page_.data());
  uint32_t commit;
  int64_t startNs;
  memcpy(&commit, bytes + places_.commitAt, sizeof commit);
  memcpy(&startNs, bytes + places_.timeAt, sizeof startNs);
  startNs -= zeroNs_;
  at_ = size_t(places_.dataAt) / 4;
  end_ = std::min(at_ + size_t(commit & kLengthMask) / 4, size_t(length) / 4);
  if (commit & kHasLost) {
    isHoleDue_ = true;
    holeUntilNs = startNs;
  } else {
    clockNs_ = startNs;
  }
  return true;
}

KernelTrace::Least::Least(const TracePlaces& at) {
  const auto upTo = [](std::initializer_list<int32_t> words, std::initializer_list<int32_t> names = {}) {
    int32_t most = std::max(words);
    for (const int32_t name : names) most = std::max(most, name + int32_t(sizeof(ThreadName) / 4) - 1);
    return uint32_t(most) + 1;
  };
  exit = upTo({at.exitPid});
  fork = upTo({at.forkParent, at.forkChild});
  switches = upTo(
      {at.prevPid, at.prevPriority, at.prevState, at.nextPid, at.nextPriority}, {at.prevName, at.nextName});
  waking = upTo({at.wakingPid, at.wakingCpu});
  irq = upTo({at.entryIrq, at.exitIrq});
}

int32_t KernelTrace::follow(int32_t tid, ThreadName name) {
  const auto free = std::find(threads_.begin(), threads_.end(), nullptr);
  const auto slot = free - threads_.begin();
  if (free == threads_.end()) threads_.emplace_back();
  threads_[size_t(slot)] = std::make_unique<FollowedThread>(tid, name, names_);
  index();
  return int32_t(slot);
}

void KernelTrace::drop(int32_t slot) {
  if (!threadAt(slot)) return;
  threads_[size_t(slot)].reset();
  index();
}

void KernelTrace::index() {
  size_t size = 16;
  while (size < 4 * threads_.size()) size *= 2;
  byTid_.assign(size, nullptr);
  for (const auto& thread : threads_) {
    if (!thread || thread->hasEnded) continue;
    size_t at = size_t(uint32_t(thread->tid)) & (size - 1);
    while (byTid_[at]) at = (at + 1) & (size - 1);
    byTid_[at] = thread.get();
  }
}

FollowedThread* KernelTrace::threadOf(int32_t tid) const {
  const size_t mask = byTid_.size() - 1;
  for (size_t at = size_t(uint32_t(tid)) & mask;; at = (at + 1) & mask) {
    FollowedThread* const found = byTid_[at];
    if (!found || found->tid == tid) return found;
  }
}

KernelTrace::Round KernelTrace::round(int64_t untilNs, int32_t* notes, size_t mostWords, bool isMore) {
  Round round;
  if (!isMore)
    for (const auto& stream : streams_) stream->beginRound();
  for (;;) {
    // The next stream, and until when it is the next: few CPUs have something at one time, and one has many in a row.
    CpuEvents* next = nullptr;
    int64_t least = CpuEvents::kNever, limitNs = untilNs;
    for (const auto& stream : streams_) {
      if (stream->timeNs < least) {
        limitNs = std::min(untilNs, least);
        least = stream->timeNs;
        next = stream.get();
      } else {
        limitNs = std::min(limitNs, stream->timeNs);
      }
    }
    if (!next || least > untilNs) break;
    while (next->timeNs <= limitNs && next->timeNs != CpuEvents::kNever && !round.isCut) {
      if (round.notes + 3 > mostWords) round.isCut = true;
      else {
        take(*next, round, notes);
        next->advance();
      }
    }
    if (round.isCut) break;
  }
  for (const auto& stream : streams_) {
    round.pages = std::max(round.pages, stream->pages());
    if (stream->error() != 0) round.error = -stream->error();
  }
  return round;
}

void KernelTrace::take(const CpuEvents& stream, Round& round, int32_t* notes) {
  if (stream.isHole) {
    blindUntilNs_ = std::max(blindUntilNs_, stream.holeUntilNs);
    round.hadHole = true;
    inHandler_.clear();
    for (const auto& thread : threads_)
      if (thread) thread->forget();
    return;
  }
  count++;
  const TracePlaces& at = places_;
  const int32_t* event = stream.event;
  const int32_t id = *event & 0xffff;
  const uint32_t words = stream.eventWords;
  // The most frequent first.
  if (id == at.switchId) {
    if (words >= least_.switches && stream.timeNs >= blindUntilNs_) takeSwitch(stream);
  } else if (id == at.wakingId) {
    if (words >= least_.waking && stream.timeNs >= blindUntilNs_) takeWaking(stream);
  } else if (id == at.irqEntryId || id == at.irqExitId) {
    if (words >= least_.irq && stream.timeNs >= blindUntilNs_) takeInterrupt(stream, id == at.irqEntryId);
  } else if (id == at.exitId) {
    // Amid a hole only that holds which needs no neighbours: these.
    if (words < least_.exit) return;
    FollowedThread* const thread = threadOf(event[at.exitPid]);
    if (!thread) return;
    thread->hasEnded = true;
    index();
    note(round, notes, Note::kExit, thread->tid, 0);
  } else if (id == at.forkId) {
    if (words >= least_.fork) note(round, notes, Note::kFork, event[at.forkParent], event[at.forkChild]);
  }
}

void KernelTrace::note(Round& round, int32_t* notes, Note kind, int32_t first, int32_t second) {
  int32_t* const words = notes + round.notes;
  words[0] = int32_t(kind);
  words[1] = first;
  words[2] = second;
  round.notes += 3;
}

void KernelTrace::takeSwitch(const CpuEvents& stream) {
  const int32_t* event = stream.event;
  const TracePlaces& at = places_;
  FollowedThread* const leaves = threadOf(event[at.prevPid]);
  FollowedThread* const comes = threadOf(event[at.nextPid]);
  if (!leaves && !comes) return;
  const int32_t state = event[at.prevState];
  Switch change;
  change.timeNs = stream.timeNs;
  change.cpu = stream.cpu;
  change.prevPid = event[at.prevPid];
  change.prevPriority = event[at.prevPriority];
  change.nextPid = event[at.nextPid];
  change.nextPriority = event[at.nextPriority];
  change.nextName = event + at.nextName;
  change.isPreemption = (state & at.preempted) != 0;
  change.isVoluntary = !change.isPreemption && state != 0;
  change.isInterruptible = (state & kInterruptible) != 0;
  names_.learn(change.prevPid, event + at.prevName);
  names_.learn(change.nextPid, event + at.nextName);
  if (leaves) leaves->onSwitchOut(change);
  if (comes) comes->onSwitchIn(change);
}

void KernelTrace::takeWaking(const CpuEvents& stream) {
  const int32_t* event = stream.event;
  FollowedThread* const thread = threadOf(event[places_.wakingPid]);
  if (!thread) return;
  const uint32_t flags = uint32_t(*event) >> 16;
  const bool isHard = (flags & kHardInterrupt) != 0;
  // In an interrupt, whoever ran on that CPU had nothing to do with it.
  const bool isInterrupt = isHard || (flags & kSoftInterrupt) != 0;
  const int32_t waker = !isInterrupt ? event[1] : isHard ? ThreadNames::kInterrupt : ThreadNames::kSoftInterrupt;
  const bool isTimer = isHard && !inHandler_.contains(stream.cpu);
  thread->onWaking(stream.timeNs, stream.cpu, event[places_.wakingCpu], waker, isTimer);
}

void KernelTrace::takeInterrupt(const CpuEvents& stream, bool isEntry) {
  if (isEntry) inHandler_.insert(stream.cpu);
  else inHandler_.erase(stream.cpu);
  const int32_t irq = stream.event[isEntry ? places_.entryIrq : places_.exitIrq];
  if (FollowedThread* const thread = threadOf(stream.event[1]))
    thread->onInterrupt(stream.timeNs, stream.cpu, irq, isEntry);
}

}  // namespace percore
