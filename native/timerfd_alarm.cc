// An alarm on a timerfd. Setting the time also clears an expiry that nobody read, so the descriptor is never read.
// Not subject to timer slack, unlike a time-out of epoll_wait. Source: timerfd_create(2).
#include <sys/timerfd.h>

#include <cerrno>

#include "alarm.h"
#include "unique_fd.h"

namespace percore {

namespace {

class TimerfdAlarm final : public Alarm {
 public:
  TimerfdAlarm(clockid_t clock, UniqueFd fd) : Alarm(clock), fd_(std::move(fd)) {}
  int fd() const override { return fd_.get(); }

  int arm(int64_t deadlineNs) override {
    // Zero would disarm: a deadline in the past is one nanosecond after boot.
    deadlineNs_ = deadlineNs > 0 ? deadlineNs : 1;
    return set({time_t(deadlineNs_ / 1000000000), long(deadlineNs_ % 1000000000)});
  }

  int disarm() override {
    deadlineNs_ = INT64_MAX;
    return set({0, 0});
  }

  // The descriptor may have been collected as readable before it was armed again.
  bool isDue() override { return nowNs() >= deadlineNs_; }

 private:
  int set(timespec at) {
    itimerspec spec{};
    spec.it_value = at;
    return timerfd_settime(fd_.get(), TFD_TIMER_ABSTIME, &spec, nullptr) == 0 ? 0 : -errno;
  }

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
