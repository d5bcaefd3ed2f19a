#include "followed_thread.h"

namespace percore {

namespace {

int placeOf(uint64_t value) {
  constexpr int kBits = FigureRecord::kStepBits, kSteps = FigureRecord::kSteps;
  if (value < uint64_t(kSteps)) return int(value);
  const int shift = 63 - __builtin_clzll(value) - kBits;
  return (shift + 1) * kSteps + int(value >> shift) - kSteps;
}

const SwitchSide kNobody;

}  // namespace

void FigureRecord::record(int64_t ns, const Episode& episode) {
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
  if (!worst_) worst_.reset(new Episode());
  worst_->copyFrom(episode);
}

void FollowedThread::onWaking(
    int64_t timeNs, int32_t cpu, int32_t wakeCpu, const SwitchSide& waker, bool isTimer) {
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
  if (state_ == State::kAsleep && isEarly_) wake(earlyNs_, earlyCpu_, earlyWakeCpu_, kNobody, earlyIsTimer_);
  isEarly_ = false;
  const State before = state_;
  state_ = State::kRunning;
  addSwitch(change);
  if (before == State::kWoken) {
    hasBegun_ = true;
    ranNs_ = change.timeNs;
    irqNs_ = 0;
    figure(Figure::kScheduleIn).record(change.timeNs - episode_.beganNs, episode_);
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
  figure(Figure::kResponse).record(tookNs, episode_);
  const int64_t irqNs = name.isHandler() ? change.timeNs - ranNs_ : irqNs_;
  if (irqNs > 0) figure(Figure::kIrq).record(irqNs, episode_);
  if (change.isInterruptible) reliefNs_ = tookNs;
}

void FollowedThread::onInterrupt(int64_t timeNs, int32_t cpu, int32_t irq, bool isEntry) {
  if (state_ != State::kRunning || !hasBegun_) return;
  TraceEvent& event = episode_.add(isEntry ? TraceEventKind::kIrqEntry : TraceEventKind::kIrqExit, timeNs, cpu);
  event.irq = irq;
  event.isPreemption = event.isVoluntary = false;
  event.prev = event.next = kNobody;
  if (!isEntry && isInterrupted_) irqNs_ += timeNs - irqBeganNs_;
  isInterrupted_ = isEntry;
  irqBeganNs_ = timeNs;
}

void FollowedThread::forget() {
  state_ = State::kUnknown;
  hasBegun_ = isEarly_ = isInterrupted_ = false;
  reliefNs_ = kNone;
}

void FollowedThread::wake(
    int64_t timeNs, int32_t cpu, int32_t wakeCpu, const SwitchSide& waker, bool isTimer) {
  if (reliefNs_ != kNone && isTimer) figure(Figure::kRelief).record(reliefNs_, episode_);
  reliefNs_ = kNone;
  state_ = State::kWoken;
  episode_.begin(timeNs);
  TraceEvent& event = episode_.add(TraceEventKind::kWaking, timeNs, cpu);
  event.wakeCpu = wakeCpu;
  event.isPreemption = event.isVoluntary = false;
  event.prev.pid = waker.pid;
  event.prev.priority = -1;
  event.prev.name = waker.name;
  event.next.pid = tid;
  event.next.priority = -1;
  event.next.name = name;
}

void FollowedThread::addSwitch(const Switch& change) {
  TraceEvent& event = episode_.add(TraceEventKind::kSwitch, change.timeNs, change.cpu);
  event.prev = {change.prevPid, change.prevPriority, ThreadName::at(change.prevName)};
  event.next = {change.nextPid, change.nextPriority, ThreadName::at(change.nextName)};
  event.isPreemption = change.isPreemption;
  event.isVoluntary = change.isVoluntary;
}

}  // namespace percore
