#include "followed_thread.h"

namespace percore {

void FollowedThread::onInterrupt(const TraceEvent& event) {
  if (state_ != State::kRunning || !hasBegun_) return;
  episode_.add(event);
  const bool isEntry = event.kind == TraceEventKind::kIrqEntry;
  if (!isEntry && isInterrupted_) irqNs_ += event.ns - irqBeganNs_;
  isInterrupted_ = isEntry;
  irqBeganNs_ = event.ns;
}

void FollowedThread::forget() {
  state_ = State::kUnknown;
  hasBegun_ = isEarly_ = isInterrupted_ = false;
  reliefNs_ = kNone;
}

void FollowedThread::endEarly() {
  isEarly_ = false;
  if (state_ == State::kAsleep) wake(early_, earlyIsTimer_);
}

}  // namespace percore
