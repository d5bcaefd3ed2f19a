#include "kernel_trace.h"

#include <algorithm>
#include <initializer_list>
#include <utility>

#include "clock.h"

namespace percore {

namespace {

constexpr uint32_t kHardInterrupt = 0x08, kSoftInterrupt = 0x10;
constexpr int32_t kSleepsInterruptibly = 1;

}  // namespace

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
  threads_[size_t(slot)] = std::make_unique<FollowedThread>(tid, name, all_);
  index();
  return int32_t(slot);
}

void KernelTrace::drop(int32_t slot) {
  const FollowedThread* const thread = threadAt(slot);
  if (!thread) return;
  // It may be one of those beside others from now on.
  all_.learn(thread->tid, thread->name.words);
  threads_[size_t(slot)].reset();
  index();
}

void KernelTrace::index() {
  std::vector<FollowedThread*> followed;
  for (const auto& thread : threads_)
    if (thread && !thread->hasEnded) followed.push_back(thread.get());
  all_.setFollowed(followed);
}

KernelTrace::Round KernelTrace::round(int64_t untilNs, int32_t* notes, size_t mostWords, bool isMore) {
  Round round = std::exchange(untold_, {});
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
    takeUntil(limitNs, *next, round, notes, mostWords);
    if (round.isCut) break;
  }
  for (const auto& stream : streams_) {
    if (stream->isUrgent) round.isUrgent |= stream->timeNs != CpuEvents::kNever;
    else round.pages = std::max(round.pages, stream->pages());
    if (stream->error() != 0) round.error = -stream->error();
  }
  roundAtNs = monotonicNs() - zeroNs_;
  return round;
}

bool KernelTrace::roundAlone(const AloneRounds& limits) {
  const int64_t nowNs = monotonicNs() - zeroNs_;
  if (nowNs - roundAtNs < limits.restNs) return false;
  const int64_t beforeNs = roundAtNs;
  // Without room for notes it stops where there is something to note.
  const Round taken = round(nowNs - limits.settledNs, nullptr, 0, false);
  if (!taken.isCut && !taken.hadHole && !taken.isUrgent && taken.error == 0 && taken.pages >= limits.leastPages)
    return true;
  untold_.pages = taken.pages;
  untold_.hadHole = taken.hadHole;
  // The one that tells follows it at once.
  roundAtNs = beforeNs;
  return false;
}

bool KernelTrace::isMapped(int fd) const {
  return std::any_of(streams_.begin(), streams_.end(),
      [fd](const auto& stream) { return stream->fd == fd && stream->mapped(); });
}

int32_t KernelTrace::waiting() const {
  int32_t most = 0;
  for (const auto& stream : streams_)
    if (stream->mapped()) most = std::max(most, stream->mapped()->waiting());
  return most;
}

uint64_t KernelTrace::mappedCount() const {
  uint64_t sum = 0;
  for (const auto& stream : streams_)
    if (stream->mapped()) sum += stream->count;
  return sum;
}

// These two are in the loop below, for nearly all events are theirs: what it knows of an event stays in registers.
__attribute__((always_inline)) inline void KernelTrace::takeSwitch(const int32_t* event, int64_t timeNs, int32_t cpu) {
  const TracePlaces& at = places_;
  const int32_t prev = event[at.prevPid], next = event[at.nextPid], state = event[at.prevState];
  FollowedThread* const leaves = all_.find(prev);
  FollowedThread* const comes = all_.find(next);
  if (!leaves && !comes) return;
  TraceEvent change;
  change.ns = timeNs;
  change.prevPid = prev;
  change.nextPid = next;
  change.prevPriority = int16_t(event[at.prevPriority]);
  change.nextPriority = int16_t(event[at.nextPriority]);
  change.cpu = int16_t(cpu);
  change.leaving = state & at.preempted ? kPreemption : state == 0 ? 0 : kVoluntary;
  if (state & kSleepsInterruptibly) change.leaving |= kInterruptible;
  if (leaves) {
    leaves->name = ThreadName::at(event + at.prevName);
    leaves->onSwitchOut(change);
  } else {
    all_.learn(prev, event + at.prevName);
  }
  if (comes) {
    comes->name = ThreadName::at(event + at.nextName);
    comes->onSwitchIn(change);
  } else {
    all_.learn(next, event + at.nextName);
  }
}

__attribute__((always_inline)) inline void KernelTrace::takeWaking(const int32_t* event, int64_t timeNs, int32_t cpu) {
  FollowedThread* const thread = all_.find(event[places_.wakingPid]);
  if (!thread) return;
  const uint32_t flags = uint32_t(*event) >> 16;
  const bool isHard = (flags & kHardInterrupt) != 0;
  // In an interrupt, whoever ran on that CPU had nothing to do with it.
  const bool isInterrupt = isHard || (flags & kSoftInterrupt) != 0;
  TraceEvent waking;
  waking.kind = TraceEventKind::kWaking;
  waking.ns = timeNs;
  waking.prevPid = !isInterrupt ? event[1] : isHard ? ThreadsByNumber::kInterrupt : ThreadsByNumber::kSoftInterrupt;
  waking.nextPid = thread->tid;
  waking.target = event[places_.wakingCpu];
  waking.cpu = int16_t(cpu);
  thread->onWaking(waking, isHard && !inHandler_.contains(cpu));
}

void KernelTrace::takeUntil(
    int64_t untilNs, CpuEvents& stream, Round& round, int32_t* notes, size_t mostWords) {
  const TracePlaces& at = places_;
  const int32_t cpu = stream.cpu;
  while (stream.timeNs <= untilNs && stream.timeNs != CpuEvents::kNever) {
    if (stream.isHole) {
      takeHole(stream, round);
      stream.advance();
      continue;
    }
    uint64_t taken = 0;
    stream.giveUntil(untilNs, [&](const int32_t* event, uint32_t words, int64_t timeNs) {
      const int32_t id = *event & 0xffff;
      // The most frequent first.
      if (id == at.switchId) {
        if (words >= least_.switches && timeNs >= blindUntilNs_) takeSwitch(event, timeNs, cpu);
      } else if (id == at.wakingId) {
        if (words >= least_.waking && timeNs >= blindUntilNs_) takeWaking(event, timeNs, cpu);
      } else if (id == at.irqEntryId || id == at.irqExitId) {
        if (words >= least_.irq && timeNs >= blindUntilNs_) takeInterrupt(event, timeNs, cpu, id == at.irqEntryId);
      } else if (!takeRare(event, words, round, notes, mostWords)) {
        // It is still at hand when the round goes on.
        round.isCut = true;
        return false;
      }
      taken++;
      return true;
    });
    stream.count += taken;
    count += taken;
    if (round.isCut) return;
  }
}

// False where there was no room for a note. Amid a hole these two alone hold, which need no neighbours.
bool KernelTrace::takeRare(const int32_t* event, uint32_t words, Round& round, int32_t* notes, size_t mostWords) {
  const TracePlaces& at = places_;
  const int32_t id = *event & 0xffff;
  if (round.notes + 3 > mostWords) return false;
  if (id == at.exitId && words >= least_.exit) {
    if (FollowedThread* const thread = all_.find(event[at.exitPid])) {
      all_.learn(thread->tid, thread->name.words);
      thread->hasEnded = true;
      index();
      note(round, notes, Note::kExit, thread->tid, 0);
    }
  } else if (id == at.forkId && words >= least_.fork) {
    note(round, notes, Note::kFork, event[at.forkParent], event[at.forkChild]);
  }
  return true;
}

void KernelTrace::takeHole(const CpuEvents& stream, Round& round) {
  blindUntilNs_ = std::max(blindUntilNs_, stream.holeUntilNs);
  round.hadHole = true;
  inHandler_.clear();
  for (const auto& thread : threads_)
    if (thread) thread->forget();
}

void KernelTrace::note(Round& round, int32_t* notes, Note kind, int32_t first, int32_t second) {
  int32_t* const words = notes + round.notes;
  words[0] = int32_t(kind);
  words[1] = first;
  words[2] = second;
  round.notes += 3;
}

void KernelTrace::takeInterrupt(const int32_t* event, int64_t timeNs, int32_t cpu, bool isEntry) {
  if (isEntry) inHandler_.insert(cpu);
  else inHandler_.erase(cpu);
  FollowedThread* const thread = all_.find(event[1]);
  if (!thread) return;
  TraceEvent taken;
  taken.kind = isEntry ? TraceEventKind::kIrqEntry : TraceEventKind::kIrqExit;
  taken.ns = timeNs;
  taken.cpu = int16_t(cpu);
  taken.target = event[isEntry ? places_.entryIrq : places_.exitIrq];
  thread->onInterrupt(taken);
}

}  // namespace percore
