// Sets a timerfd to an absolute time. Source: timerfd_create(2).
#pragma once
#include <sys/timerfd.h>

#include <algorithm>
#include <cerrno>
#include <cstdint>

namespace percore {

// `atNs` is of the descriptor's own clock; INT64_MAX: never. 0 or -errno.
inline int setTimerfd(int fd, int64_t atNs) {
  itimerspec spec{};
  if (atNs != INT64_MAX) {
    // Zero would disarm: a deadline in the past is one nanosecond after boot.
    const int64_t at = std::max<int64_t>(atNs, 1);
    spec.it_value = {time_t(at / 1000000000), long(at % 1000000000)};
  }
  return timerfd_settime(fd, TFD_TIMER_ABSTIME, &spec, nullptr) == 0 ? 0 : -errno;
}

}  // namespace percore
