// Baseline `C eventfd`: how long it takes to wake a thread that sleeps on another core, and to be woken by it.
//
//     asking thread, cpuA                               echoing thread, cpuB
//       message = question; write(eventfd of B) ──▶ wakes in epoll_wait, checks the message
//       wakes in epoll_wait, checks the message ◀── message = ~question; write(eventfd of A)
//
// Both threads sleep in epoll_wait between messages, so this is the kernel's wake-up path and nothing else. The message
// travels through shared memory and the eventfd is only the bell, as between parked reactors. It is edge triggered and
// read only once, at the end: each write is one edge, and a read for each wake-up would be a system call for nothing.
//
// A round is timed with two calls of clock_gettime.
//
// Usage: eventfd_round_trip <cpuA> <cpuB> <rounds> <warmup> [<pauseNs> <priority> [futex]]
//
// With the last two, the asking thread computes for `pauseNs` before each question, so that the echoing one sleeps for
// as long as it would between real messages. With a priority above 0 both have SCHED_FIFO, and the echoing one has the
// next higher priority, so that on one CPU it preempts the other. It then prints the time of the way there alone.
// With `futex` the bell is a word on which the other sleeps, without an eventfd and an epoll: what is left of the wake
// where nothing but memory is waited for.
// Exit code: 0; 1 if a payload is wrong or a wake-up is lost; 2 for bad arguments.
//
// Ordering table.
//
// | pair             | write side | read side        | carries     | needs             |
// |------------------|------------|------------------|-------------|-------------------|
// | `bell.message`   | `ring`     | `sleepUntilRung` | the message | release → acquire |

#define _GNU_SOURCE
#include <errno.h>
#include <linux/futex.h>
#include <pthread.h>
#include <sched.h>
#include <stdalign.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

enum { wakeTimeoutMs = 5000 };

// What one thread sleeps on. The other thread writes the message; that of the next bell is a pair of cache lines away.
struct Bell {
  alignas(128) _Atomic uint64_t message;
  alignas(128) int eventFd;
  int epollFd;
  _Atomic uint32_t rung;  // times, for a futex
  uint32_t heard;
  int64_t wokeNs;  // when its owner had the last message; published by the answer
};

static void fail(const char *what) {
  fprintf(stderr, "eventfd_round_trip: %s: %s\n", what, strerror(errno));
  _exit(1);
}

struct EchoArguments {
  struct Bell *own;
  struct Bell *other;
  uint64_t rounds;
  int priority;
};

static void askForFifo(int priority) {
  const struct sched_param parameter = {.sched_priority = priority};
  errno = pthread_setschedparam(pthread_self(), SCHED_FIFO, &parameter);
  if (errno != 0) fail("SCHED_FIFO");
}

static int64_t nowNs(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

static bool isFutex = false;

static void openBell(struct Bell *bell) {
  atomic_init(&bell->message, 0);
  bell->eventFd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  bell->epollFd = epoll_create1(EPOLL_CLOEXEC);
  if (bell->eventFd < 0 || bell->epollFd < 0) fail("opening a bell");
  struct epoll_event interest = {.events = EPOLLIN | EPOLLET};
  if (epoll_ctl(bell->epollFd, EPOLL_CTL_ADD, bell->eventFd, &interest) != 0) fail("epoll_ctl");
}

static void ring(struct Bell *bell, uint64_t message) {
  // bell.message: pairs with the load in sleepUntilRung().
  atomic_store_explicit(&bell->message, message, memory_order_release);
  if (isFutex) {
    atomic_fetch_add(&bell->rung, 1);
    if (syscall(SYS_futex, &bell->rung, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0) < 0) fail("FUTEX_WAKE");
    return;
  }
  const uint64_t one = 1;
  // A non-blocking eventfd write of 8 bytes is not interrupted; it fails only when 2^64 − 2 writes went unread.
  if (write(bell->eventFd, &one, sizeof one) != (ssize_t)sizeof one) fail("write to an eventfd");
}

// Returns false if nobody rang in time.
static bool sleepUntilRung(struct Bell *bell, uint64_t *message) {
  struct epoll_event event;
  int count;
  if (isFutex) {
    const struct timespec most = {.tv_sec = wakeTimeoutMs / 1000};
    while (atomic_load(&bell->rung) == bell->heard) {
      const long code = syscall(SYS_futex, &bell->rung, FUTEX_WAIT_PRIVATE, bell->heard, &most, NULL, 0);
      if (code < 0 && errno == ETIMEDOUT) return false;
    }
    bell->heard++;
    *message = atomic_load_explicit(&bell->message, memory_order_acquire);
    return true;
  }
  do {
    count = epoll_wait(bell->epollFd, &event, 1, wakeTimeoutMs);
  } while (count < 0 && errno == EINTR);
  if (count < 0) fail("epoll_wait");
  // bell.message: pairs with the store in ring().
  *message = atomic_load_explicit(&bell->message, memory_order_acquire);
  return count == 1;
}

// A message that no earlier round can have left behind, because an odd multiplier makes all of them differ.
static uint64_t questionOf(uint64_t round) { return (round + 1) * 0x9e3779b97f4a7c15u; }

static void *echo(void *pointer) {
  const struct EchoArguments *arguments = pointer;
  if (arguments->priority > 0) askForFifo(arguments->priority);
  for (uint64_t round = 0; round < arguments->rounds; ++round) {
    uint64_t question;
    // If nobody asks any longer, this thread ends; the asking one then reports that no answer came.
    if (!sleepUntilRung(arguments->own, &question)) return NULL;
    arguments->own->wokeNs = nowNs();
    ring(arguments->other, ~question);
  }
  return NULL;
}

// Each wake-up must come from exactly one write; otherwise a round was timed against the wrong one.
static bool wasRungExactly(const struct Bell *bell, uint64_t times) {
  if (isFutex) return bell->rung == (uint32_t)times;
  uint64_t count = 0;
  return read(bell->eventFd, &count, sizeof count) == (ssize_t)sizeof count && count == times;
}

// Pins the calling thread and reads the mask back, since the kernel may grant less than was asked for.
static bool pinTo(int cpu) {
  cpu_set_t asked, granted;
  CPU_ZERO(&asked);
  CPU_SET(cpu, &asked);
  if (pthread_setaffinity_np(pthread_self(), sizeof asked, &asked) == 0 &&
      pthread_getaffinity_np(pthread_self(), sizeof granted, &granted) == 0 && CPU_EQUAL(&asked, &granted)) {
    return true;
  }
  fprintf(stderr, "eventfd_round_trip: CPU %d was not granted\n", cpu);
  return false;
}

static bool parseArgument(const char *name, const char *text, long long lowest, long long highest, long long *value) {
  char *end = NULL;
  errno = 0;
  *value = strtoll(text, &end, 10);
  if (errno == 0 && end != text && *end == '\0' && *value >= lowest && *value <= highest) return true;
  fprintf(stderr, "eventfd_round_trip: %s is '%s', not a number from %lld to %lld\n", name, text, lowest, highest);
  return false;
}

static int compareSamples(const void *left, const void *right) {
  const int64_t a = *(const int64_t *)left, b = *(const int64_t *)right;
  return (a > b) - (a < b);
}

// Nearest rank: the smallest sample that at least this share of all samples does not exceed.
static int64_t percentile(const int64_t *sorted, size_t count, size_t perMille) {
  return sorted[(count * perMille + 999) / 1000 - 1];
}

int main(int argc, char **argv) {
  isFutex = argc == 8 && strcmp(argv[7], "futex") == 0;
  if (argc != 5 && argc != 7 && !isFutex) {
    fprintf(stderr, "usage: eventfd_round_trip <cpuA> <cpuB> <rounds> <warmup> [<pauseNs> <priority> [futex]]\n");
    return 2;
  }
  long long cpuA, cpuB, rounds, warmup, pauseNs = 0, priority = 0;
  if (!parseArgument("cpuA", argv[1], 0, CPU_SETSIZE - 1, &cpuA) ||
      !parseArgument("cpuB", argv[2], 0, CPU_SETSIZE - 1, &cpuB) ||
      !parseArgument("rounds", argv[3], 1, 10000000, &rounds) ||
      !parseArgument("warmup", argv[4], 0, 10000000, &warmup) ||
      (argc >= 7 && (!parseArgument("pauseNs", argv[5], 0, 1000000000, &pauseNs) ||
                     !parseArgument("priority", argv[6], 0, 98, &priority)))) {
    return 2;
  }

  static struct Bell bellA, bellB;
  openBell(&bellA);
  openBell(&bellB);
  int64_t *samples = calloc((size_t)rounds, sizeof *samples);
  if (samples == NULL) fail("allocating the samples");
  memset(samples, 0xff, (size_t)rounds * sizeof *samples);  // Touches the pages now and not within a round.

  // A thread inherits its creator's mask: the echoing thread never runs anywhere but on cpuB.
  if (!pinTo((int)cpuB)) return 2;
  struct EchoArguments arguments = {.own = &bellB,
                                    .other = &bellA,
                                    .rounds = (uint64_t)(rounds + warmup),
                                    .priority = priority == 0 ? 0 : (int)priority + 1};
  pthread_t echoing;
  errno = pthread_create(&echoing, NULL, echo, &arguments);
  if (errno != 0) fail("pthread_create");
  if (!pinTo((int)cpuA)) _exit(2);
  if (priority > 0) askForFifo((int)priority);

  for (long long round = -warmup; round < rounds; ++round) {
    const uint64_t question = questionOf((uint64_t)(round + warmup));
    uint64_t answer = 0;
    for (const int64_t untilNs = nowNs() + pauseNs; pauseNs > 0 && nowNs() < untilNs;) continue;
    const int64_t startNs = nowNs();
    ring(&bellB, question);
    const bool isAnswered = sleepUntilRung(&bellA, &answer);
    const int64_t endNs = nowNs();
    if (!isAnswered || answer != ~question) {
      fprintf(stderr, "eventfd_round_trip: round %lld %s\n", round + warmup,
              isAnswered ? "brought a wrong payload" : "got no answer");
      _exit(1);  // The echoing thread may still sleep; leave without waiting for it.
    }
    if (round >= 0) samples[round] = (argc >= 7 ? bellB.wokeNs : endNs) - startNs;
  }
  pthread_join(echoing, NULL);
  if (!wasRungExactly(&bellA, arguments.rounds) || !wasRungExactly(&bellB, arguments.rounds)) {
    fprintf(stderr, "eventfd_round_trip: the eventfds were not written once a round\n");
    return 1;
  }

  qsort(samples, (size_t)rounds, sizeof *samples, compareSamples);
  printf("{\"rounds\":%lld,\"p50Ns\":%lld,\"p99Ns\":%lld,\"maxNs\":%lld,\"verified\":true}\n", rounds,
         (long long)percentile(samples, (size_t)rounds, 500), (long long)percentile(samples, (size_t)rounds, 990),
         (long long)samples[rounds - 1]);
  free(samples);
  return 0;
}
