// Baseline `C spin`: how late a loop is that only looks at the clock until each deadline has come.
//
// No timer can be more punctual on this machine. So what it measures is the lateness that comes from the clock, from
// interrupts and from others that want the core. If several deadlines have passed at once, it counts from the first of
// them and leaves out the others, as do cyclictest and the timers with which it is compared.
//
// Usage: spin_deadlines <cpu> <interval ns> <ticks> <warmup ticks>
// Prints {"ticks":…,"missed":…,"p50Us":…,"p99Us":…,"maxUs":…}. Exit code: 0; 1 if the CPU is refused; 2 for bad
// arguments.
#define _GNU_SOURCE
#include <errno.h>
#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#if defined(__x86_64__)
#include <immintrin.h>
#define PAUSE() _mm_pause()
#elif defined(__aarch64__)
#define PAUSE() __asm__ volatile("yield")
#else
#define PAUSE() ((void)0)
#endif

static int64_t nowNs(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

static int compare(const void *a, const void *b) {
  const int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
  return (x > y) - (x < y);
}

// A percentile by nearest rank; `sorted` must not be empty.
static double percentileUs(const int64_t *sorted, long count, long percent) {
  const long rank = (count * percent + 99) / 100;
  return (double)sorted[(rank < 1 ? 1 : rank) - 1] / 1000;
}

int main(int argc, char **argv) {
  const long cpu = argc == 5 ? atol(argv[1]) : -1, interval = argc == 5 ? atol(argv[2]) : 0;
  const long ticks = argc == 5 ? atol(argv[3]) : 0, warmup = argc == 5 ? atol(argv[4]) : -1;
  if (cpu < 0 || cpu >= CPU_SETSIZE || interval < 1000 || ticks < 1 || warmup < 0) {
    fprintf(stderr, "usage: spin_deadlines <cpu> <interval ns, 1000 or more> <ticks> <warmup ticks>\n");
    return 2;
  }
  cpu_set_t set;
  CPU_ZERO(&set);
  CPU_SET(cpu, &set);
  int64_t *lateness = calloc((size_t)ticks, sizeof *lateness);
  if (!lateness || sched_setaffinity(0, sizeof set, &set) != 0) {
    fprintf(stderr, "spin_deadlines: CPU %ld: %s\n", cpu, strerror(errno));
    return 1;
  }
  int64_t deadline = nowNs(), missed = 0;
  for (long i = -warmup; i < ticks; i++) {
    deadline += interval;
    int64_t now = nowNs();
    while (now < deadline) {
      PAUSE();
      now = nowNs();
    }
    if (i >= 0) lateness[i] = now - deadline;
    const int64_t over = (now - deadline) / interval;
    deadline += over * interval;
    if (i >= 0) missed += over;
  }
  qsort(lateness, (size_t)ticks, sizeof *lateness, compare);
  printf("{\"ticks\":%ld,\"missed\":%lld,\"p50Us\":%.3f,\"p99Us\":%.3f,\"maxUs\":%.3f}\n", ticks, (long long)missed,
         percentileUs(lateness, ticks, 50), percentileUs(lateness, ticks, 99), (double)lateness[ticks - 1] / 1000);
  free(lateness);
  return 0;
}
