// Nanoseconds of the kernel's clocks. CLOCK_MONOTONIC does not count suspended time, which is what deadlines of running
// work want.
#pragma once
#include <cstdint>
#include <ctime>

namespace percore {

inline int64_t clockNs(clockid_t clock) {
  timespec now;
  clock_gettime(clock, &now);
  return int64_t(now.tv_sec) * 1000000000 + now.tv_nsec;
}

inline int64_t monotonicNs() { return clockNs(CLOCK_MONOTONIC); }

}  // namespace percore
