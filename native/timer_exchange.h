// The wheel between its two arrays: requests come in from JavaScript, expired timers go out. What a reactor's turn and
// timers alone (timer_driver.h) have in common; knows nothing of Node.
//
// A poll takes so few timers and does so little work that a turn stays short whatever is due: 10^6 timers of one
// millisecond go through many turns, and sockets are served between them.
#pragma once
#include <algorithm>
#include <cstddef>
#include <cstdint>

#include "layout.h"
#include "timer_wheel.h"

namespace percore {

// What JavaScript and the wheel share of a timer.
static_assert(sizeof(TimerWheel::Timer) == sizeof(layout::TimerRecord));
static_assert(offsetof(TimerWheel::Timer, ownerWord) == offsetof(layout::TimerRecord, meta));
static_assert(offsetof(TimerWheel::Timer, ownerNumber) == offsetof(layout::TimerRecord, deadlineNs));
static_assert(TimerWheel::kChunkTimers == layout::kTimersPerChunk);

class TimerExchange {
 public:
  // Timers a poll hands over at most, if nothing else is said, and what it may look at on the way: about 10 us each.
  static constexpr size_t kExpiriesPerTurn = 256;
  static constexpr size_t kWorkPerPoll = 256;
  static constexpr size_t kMostExpiries = sizeof layout::Delivery::timer / sizeof layout::Delivery::timer[0];

  explicit TimerExchange(int tickBits = TimerWheel::kDefaultTickBits, size_t expiriesPerTurn = kExpiriesPerTurn)
      : wheel_(tickBits), expiriesPerTurn_(std::min(expiriesPerTurn, kMostExpiries)) {}

  // `live` is where the count of armed timers is told; null: to nobody.
  void attach(layout::Delivery* delivery, const double* requests, double* live) {
    delivery_ = delivery;
    requests_ = requests;
    live_ = live;
  }

  // Records of chunk `index`, shared with JavaScript.
  void setChunk(uint32_t index, void* records, size_t bytes) {
    wheel_.setChunk(index, static_cast<TimerWheel::Timer*>(records), uint32_t(bytes / sizeof(TimerWheel::Timer)));
  }

  // Hands the wheel what JavaScript asked for. Timers lie anywhere in memory, so each is asked for well before its
  // turn.
  void drain() {
    constexpr int32_t kFar = 16, kNear = 8;
    const int32_t count = delivery_->timerRequests;
    for (int32_t at = 0; at < count; ++at) {
      if (at + kFar < count) wheel_.prefetch(idOf(at + kFar));
      if (at + kNear < count) wheel_.prefetchNeighbours(idOf(at + kNear));
      const double deadlineNs = requests_[at * 2 + 1];
      if (deadlineNs < 0) wheel_.disarm(idOf(at));
      else wheel_.arm(idOf(at), int64_t(deadlineNs));
    }
    delivery_->timerRequests = 0;
    tellLive();
  }

  // Drains, and adds what is due to the delivery. True when the delivery holds timers.
  bool poll(int64_t nowNs, size_t work = kWorkPerPoll) {
    if (delivery_->timerRequests != 0) drain();
    const size_t held = size_t(delivery_->timers);
    if (held < expiriesPerTurn_) {
      auto* out = reinterpret_cast<uint32_t*>(delivery_->timer) + held;
      const size_t expired = wheel_.expire(nowNs, out, expiriesPerTurn_ - held, work);
      if (expired != 0) {
        delivery_->timers += int32_t(expired);
        tellLive();
      }
    }
    return delivery_->timers != 0;
  }

  // False: the earliest deadline is still being looked for; poll again before you sleep.
  bool isSettled() const { return wheel_.isSettled(); }
  int64_t nextDeadlineNs() { return wheel_.nextDeadlineNs(); }
  size_t armedCount() const { return wheel_.armedCount(); }

 private:
  void tellLive() {
    if (live_) *live_ = double(wheel_.armedCount());
  }
  uint32_t idOf(int32_t at) const { return uint32_t(requests_[at * 2]); }

  TimerWheel wheel_;
  size_t expiriesPerTurn_;
  layout::Delivery* delivery_ = nullptr;
  const double* requests_ = nullptr;
  double* live_ = nullptr;
};

}  // namespace percore
