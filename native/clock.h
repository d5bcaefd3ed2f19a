// Monotonic nanoseconds. CLOCK_MONOTONIC does not count suspended time, which is what deadlines of running work want.
#pragma once
#include <cstdint>
#include <ctime>

namespace percore {

inline int64_t monotonicNs() {
  timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return int64_t(now.tv_sec) * 1000000000 + now.tv_nsec;
}

}  // namespace percore
