// An alarm on a timerfd. Setting the time also clears an expiry that nobody read, so the descriptor is never read.
// Not subject to timer slack, unlike a time-out of epoll_wait. Source: timerfd_create(2).
#include "alarm.h"
#include "timerfd.h"
#include "unique_fd.h"

namespace percore {

namespace {

class TimerfdAlarm final : public Alarm {
 public:
  TimerfdAlarm(clockid_t clock, UniqueFd fd) : Alarm(clock), fd_(std::move(fd)) {}
  int fd() const override { return fd_.get(); }

  int arm(int64_t deadlineNs) override {
    deadlineNs_ = deadlineNs;
    return setTimerfd(fd_.get(), deadlineNs);
  }

  int disarm() override {
    deadlineNs_ = INT64_MAX;
    return setTimerfd(fd_.get(), INT64_MAX);
  }

  // The descriptor may have been collected as readable before it was armed again.
  bool isDue() override { return nowNs() >= deadlineNs_; }

 private:
  UniqueFd fd_;
  int64_t deadlineNs_ = INT64_MAX;
};

}  // namespace

OpenedAlarm openTimerfdAlarm(clockid_t clock) {
  UniqueFd fd(timerfd_create(clock, TFD_CLOEXEC | TFD_NONBLOCK));
  if (!fd) return {nullptr, errno, "timerfd_create"};
  return {std::make_unique<TimerfdAlarm>(clock, std::move(fd)), 0, ""};
}

}  // namespace percore
