#include "followed_thread.h"

#include <algorithm>

namespace percore {

namespace {

int placeOf(uint64_t value) {
  constexpr int kBits = FigureRecord::kStepBits, kSteps = FigureRecord::kSteps;
  if (value < uint64_t(kSteps)) return int(value);
  const int shift = 63 - __builtin_clzll(value) - kBits;
  return (shift + 1) * kSteps + int(value >> shift) - kSteps;
}

ThreadName called(const char* name) {
  char bytes[16] = {};
  memcpy(bytes, name, std::min(strlen(name), sizeof bytes));
  return ThreadName::at(bytes);
}

}  // namespace

SwitchSide ThreadNames::of(int32_t pid, int32_t priority) const {
  if (pid == kNobody) return {pid, priority, {}};
  if (pid == kInterrupt) return {kNobody, priority, called("an interrupt")};
  if (pid == kSoftInterrupt) return {kNobody, priority, called("a soft interrupt")};
  if (pid == 0) return {pid, priority, called("idle")};
  const Named& known = names_[placeOf(pid)];
  return {pid, priority, known.pid == pid ? known.name : ThreadName()};
}

void Worst::take(const Episode& episode, const ThreadNames& names) {
  beganNs = episode.beganNs;
  leftOut = episode.leftOut();
  count = episode.keptCount();
  for (uint32_t i = 0; i < count; i++) {
    const TraceEvent& event = episode.kept(i);
    events[i] = {event, names.of(event.prevPid, event.prevPriority), names.of(event.nextPid, event.nextPriority)};
  }
}

void FigureRecord::record(int64_t ns, const Episode& episode, const ThreadNames& names) {
  constexpr int64_t kMost = (int64_t(1) << kTopBits) - 1;
  if (!histogram_) histogram_.reset(new double[kNumbers]());
  const int64_t value = ns < 0 ? 0 : ns > kMost ? kMost : ns;
  double& most = histogram_[kCounts];
  double& least = histogram_[kCounts + 1];
  histogram_[placeOf(uint64_t(value))] += 1;
  if (double(value) > most) most = double(value);
  if (least == 0 || double(value) < least - 1) least = double(value + 1);
  count_++;
  if (ns > boundNs) violations_++;
  if (ns <= worstNs_) return;
  worstNs_ = ns;
  if (!worst_) worst_.reset(new Worst());
  worst_->take(episode, names);
}

void FollowedThread::onWaking(int64_t timeNs, int32_t cpu, int32_t wakeCpu, int32_t waker, bool isTimer) {
  if (state_ == State::kRunning || state_ == State::kPreempted) {
    isEarly_ = true;
    earlyNs_ = timeNs;
    earlyCpu_ = cpu;
    earlyWakeCpu_ = wakeCpu;
    earlyIsTimer_ = isTimer;
    return;
  }
  wake(timeNs, cpu, wakeCpu, waker, isTimer);
}

void FollowedThread::onSwitchIn(const Switch& change) {
  name = ThreadName::at(change.nextName);
  if (state_ == State::kAsleep && isEarly_)
    wake(earlyNs_, earlyCpu_, earlyWakeCpu_, ThreadNames::kNobody, earlyIsTimer_);
  isEarly_ = false;
  const State before = state_;
  state_ = State::kRunning;
  addSwitch(change);
  if (before == State::kWoken) {
    hasBegun_ = true;
    ranNs_ = change.timeNs;
    irqNs_ = 0;
    record(Figure::kScheduleIn, change.timeNs - episode_.beganNs);
  } else if (before != State::kPreempted) {
    hasBegun_ = false;
  }
}

void FollowedThread::onSwitchOut(const Switch& change) {
  const bool isWhole = state_ == State::kRunning && hasBegun_;
  addSwitch(change);
  isInterrupted_ = false;
  if (!change.isVoluntary) {
    state_ = State::kPreempted;
    hasBegun_ = isWhole;
    return;
  }
  state_ = State::kAsleep;
  hasBegun_ = false;
  reliefNs_ = kNone;
  if (!isWhole) return;
  const int64_t tookNs = change.timeNs - episode_.beganNs;
  record(Figure::kResponse, tookNs);
  const int64_t irqNs = name.isHandler() ? change.timeNs - ranNs_ : irqNs_;
  if (irqNs > 0) record(Figure::kIrq, irqNs);
  if (change.isInterruptible) reliefNs_ = tookNs;
}

void FollowedThread::onInterrupt(int64_t timeNs, int32_t cpu, int32_t irq, bool isEntry) {
  if (state_ != State::kRunning || !hasBegun_) return;
  TraceEvent& event = episode_.add(isEntry ? TraceEventKind::kIrqEntry : TraceEventKind::kIrqExit, timeNs, cpu);
  event.irq = irq;
  event.isPreemption = event.isVoluntary = false;
  event.prevPid = event.prevPriority = event.nextPid = event.nextPriority = -1;
  if (!isEntry && isInterrupted_) irqNs_ += timeNs - irqBeganNs_;
  isInterrupted_ = isEntry;
  irqBeganNs_ = timeNs;
}

void FollowedThread::forget() {
  state_ = State::kUnknown;
  hasBegun_ = isEarly_ = isInterrupted_ = false;
  reliefNs_ = kNone;
}

void FollowedThread::wake(int64_t timeNs, int32_t cpu, int32_t wakeCpu, int32_t waker, bool isTimer) {
  if (reliefNs_ != kNone && isTimer) record(Figure::kRelief, reliefNs_);
  reliefNs_ = kNone;
  state_ = State::kWoken;
  episode_.begin(timeNs);
  TraceEvent& event = episode_.add(TraceEventKind::kWaking, timeNs, cpu);
  event.wakeCpu = wakeCpu;
  event.isPreemption = event.isVoluntary = false;
  event.prevPid = waker;
  event.nextPid = tid;
  event.prevPriority = event.nextPriority = -1;
}

void FollowedThread::addSwitch(const Switch& change) {
  TraceEvent& event = episode_.add(TraceEventKind::kSwitch, change.timeNs, change.cpu);
  event.prevPid = change.prevPid;
  event.prevPriority = change.prevPriority;
  event.nextPid = change.nextPid;
  event.nextPriority = change.nextPriority;
  event.isPreemption = change.isPreemption;
  event.isVoluntary = change.isVoluntary;
}

}  // namespace percore
