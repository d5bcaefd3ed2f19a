// One absolute deadline at a time, as a descriptor that becomes readable: what a rate timer sleeps on. Plain C++,
// without Node.
//
//   arm(deadline) ──time passes──> fd() readable ──isDue()──> true      arm() or disarm(): fd() quiet again
//
// Contract that both alarms meet; native/test/alarm_test.cc runs on both:
//  - arm() replaces what was armed. A deadline in the past makes the descriptor readable at once.
//  - Never early: isDue() is true only when the deadline armed last has come. Readable without being due can happen (a
//    completion of what was armed before); the caller goes back to sleep.
//  - After isDue() said true the caller arms or disarms, which needs no read(2): one system call a tick, not two.
//
// The kernel's own repetition (it_interval, multishot timeouts) is not used: the next deadline is the caller's, so that
// a rate can change, ticks can be skipped or made up for, and an interval need not be a whole number of nanoseconds.
#pragma once
#include <cstdint>
#include <memory>

#include "clock.h"

namespace percore {

class Alarm {
 public:
  virtual ~Alarm() = default;
  virtual int fd() const = 0;
  // Both 0 or -errno. `deadlineNs` is a time of the alarm's clock.
  virtual int arm(int64_t deadlineNs) = 0;
  virtual int disarm() = 0;
  // After fd() became readable.
  virtual bool isDue() = 0;

  int64_t nowNs() const { return clockNs(clock_); }

 protected:
  explicit Alarm(clockid_t clock) : clock_(clock) {}
  const clockid_t clock_;
};

// What opening gave: an alarm, or the errno and the system call that refused.
struct OpenedAlarm {
  std::unique_ptr<Alarm> alarm;
  int error = 0;
  const char* syscall = "";
};

// `clock` is CLOCK_MONOTONIC or CLOCK_BOOTTIME.
OpenedAlarm openTimerfdAlarm(clockid_t clock);
OpenedAlarm openUringAlarm(clockid_t clock);

}  // namespace percore
