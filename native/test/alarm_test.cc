// The contract of alarm.h on both alarms, without Node: run by run-sanitized.mjs. Takes a fraction of a second; the
// argument is unused.
#include <poll.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <vector>

#include "../alarm.h"

using percore::Alarm;
using percore::OpenedAlarm;

static const char* current = "";

#define EXPECT(condition)                                                              \
  do {                                                                                 \
    if (!(condition)) {                                                                \
      fprintf(stderr, "alarm_test: %s, line %d: %s\n", current, __LINE__, #condition); \
      exit(1);                                                                         \
    }                                                                                  \
  } while (false)

static constexpr int64_t kMs = 1000000;

// Waits until the alarm is due; false after `ms`. Counts what was readable without being due.
static bool waitUntilDue(Alarm& alarm, int ms, int* spurious = nullptr) {
  const int64_t end = alarm.nowNs() + ms * kMs;
  for (;;) {
    const int64_t left = end - alarm.nowNs();
    if (left <= 0) return false;
    pollfd one{alarm.fd(), POLLIN, 0};
    // io_uring's completions interrupt the sleep.
    if (poll(&one, 1, int(left / kMs) + 1) <= 0) continue;
    if (alarm.isDue()) return true;
    if (spurious) ++*spurious;
  }
}

static bool isQuiet(Alarm& alarm, int ms) { return !waitUntilDue(alarm, ms); }

static void firesOnceAndNeverEarly(Alarm& alarm) {
  for (int i = 0; i < 20; i++) {
    const int64_t at = alarm.nowNs() + (i % 4) * kMs / 2 + 100000;
    EXPECT(alarm.arm(at) == 0);
    EXPECT(waitUntilDue(alarm, 2000));
    EXPECT(alarm.nowNs() >= at);
  }
  EXPECT(alarm.disarm() == 0);
  EXPECT(isQuiet(alarm, 5));
}

static void isReplaced(Alarm& alarm) {
  // By a later one: the earlier does not come.
  EXPECT(alarm.arm(alarm.nowNs() + 2 * kMs) == 0);
  const int64_t later = alarm.nowNs() + 12 * kMs;
  EXPECT(alarm.arm(later) == 0);
  EXPECT(waitUntilDue(alarm, 2000));
  EXPECT(alarm.nowNs() >= later);
  // By an earlier one, far from the first.
  EXPECT(alarm.arm(alarm.nowNs() + 3600 * 1000 * kMs) == 0);
  EXPECT(alarm.arm(alarm.nowNs() + kMs) == 0);
  EXPECT(waitUntilDue(alarm, 2000));
  EXPECT(alarm.disarm() == 0);
}

// What was replaced is gone: it neither comes nor wakes anybody.
static void leavesNothingBehind(Alarm& alarm) {
  for (int i = 0; i < 500; i++) EXPECT(alarm.arm(alarm.nowNs() + 4 * kMs + i) == 0);
  EXPECT(alarm.disarm() == 0);
  int spurious = 0;
  EXPECT(!waitUntilDue(alarm, 12, &spurious));
  EXPECT(spurious <= 2);
}

static void comesAtOnceWhenItIsOver(Alarm& alarm) {
  for (int64_t at : {int64_t(0), int64_t(1), int64_t(-5), alarm.nowNs() - kMs, alarm.nowNs()}) {
    EXPECT(alarm.arm(at) == 0);
    EXPECT(waitUntilDue(alarm, 2000));
  }
  EXPECT(alarm.disarm() == 0);
  EXPECT(isQuiet(alarm, 3));
}

static void reachesACentury(Alarm& alarm) {
  EXPECT(alarm.arm(alarm.nowNs() + INT64_C(3155760000000000000)) == 0);
  EXPECT(isQuiet(alarm, 5));
  EXPECT(alarm.disarm() == 0);
  EXPECT(alarm.disarm() == 0);
}

// Armed, replaced and disarmed in every order, with and without time to fire in between: whatever is due was armed
// last.
static void survivesAnyOrder(Alarm& alarm) {
  uint32_t random = 12345;
  int64_t armedAt = INT64_MAX;
  int fired = 0;
  // How often it fires within so many steps depends on the machine.
  for (int i = 0; i < 4000 || (fired <= 50 && i < 1'000'000); i++) {
    random = random * 1664525u + 1013904223u;
    switch (random >> 29) {
      case 0:
      case 1:
      case 2:
        armedAt = alarm.nowNs() + int64_t(random % 200000);
        EXPECT(alarm.arm(armedAt) == 0);
        break;
      case 3:
        armedAt = alarm.nowNs() + 1000 * kMs;
        EXPECT(alarm.arm(armedAt) == 0);
        break;
      case 4:
        armedAt = INT64_MAX;
        EXPECT(alarm.disarm() == 0);
        break;
      case 5: usleep(random % 100); break;
      default: {
        pollfd one{alarm.fd(), POLLIN, 0};
        if (poll(&one, 1, 0) == 1 && alarm.isDue()) {
          EXPECT(alarm.nowNs() >= armedAt);
          fired++;
          armedAt = alarm.nowNs() + 50000;
          EXPECT(alarm.arm(armedAt) == 0);
        }
      }
    }
  }
  EXPECT(fired > 50);
  EXPECT(alarm.arm(alarm.nowNs() + kMs) == 0);
  EXPECT(waitUntilDue(alarm, 2000));
  EXPECT(alarm.disarm() == 0);
}

int main() {
  struct Kind {
    const char* name;
    OpenedAlarm (*open)(clockid_t);
  };
  for (const Kind& kind : {Kind{"timerfd", percore::openTimerfdAlarm}, Kind{"io_uring", percore::openUringAlarm}}) {
    for (clockid_t clock : {CLOCK_MONOTONIC, CLOCK_BOOTTIME}) {
      current = kind.name;
      OpenedAlarm opened = kind.open(clock);
      if (!opened.alarm) {
        // A machine may refuse io_uring; it must say why. A timerfd it must not.
        EXPECT(strcmp(kind.name, "io_uring") == 0 && opened.error > 0 && *opened.syscall != 0);
        printf("alarm_test: io_uring is refused here: %s, %s\n", opened.syscall, strerror(opened.error));
        continue;
      }
      firesOnceAndNeverEarly(*opened.alarm);
      isReplaced(*opened.alarm);
      leavesNothingBehind(*opened.alarm);
      comesAtOnceWhenItIsOver(*opened.alarm);
      reachesACentury(*opened.alarm);
      survivesAnyOrder(*opened.alarm);
    }
  }
  printf("alarm_test: passed\n");
}
