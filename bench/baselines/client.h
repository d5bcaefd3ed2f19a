// What the load clients of suite `io` share: arguments, the clock, a latency histogram, the bytes of a message and the
// check of an answer. Each client is one C file that includes this one, so every program still compiles with one
// command.
//
//     message   connection (8) · number (8) · 48 bytes that follow from the number   64 bytes, all in flight differ
//
// An answer is right if it equals, byte for byte, the next message of this connection. So a byte that is lost, doubled,
// reordered or misdelivered fails the run, and a failed run prints nothing that could be taken for a figure.
//
// Exit codes: 0; 1 if a check failed; 2 for bad arguments; 3 if nothing arrived for stallNs.
#ifndef PERCORE_BENCH_CLIENT_H
#define PERCORE_BENCH_CLIENT_H

#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <sched.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { exitFailedCheck = 1, exitBadArgument = 2, exitNoProgress = 3, messageBytes = 64, patternBytes = 256 };
static const int64_t secondNs = 1000000000;
static const int64_t millisecondNs = 1000000;
static const int64_t stallNs = 5 * (int64_t)1000000000;

static _Noreturn inline void stop(int code, const char *format, ...) __attribute__((format(printf, 2, 3)));
static _Noreturn inline void stop(int code, const char *format, ...) {
  va_list arguments;
  va_start(arguments, format);
  vfprintf(stderr, format, arguments);
  fputc('\n', stderr);
  va_end(arguments);
  _exit(code);
}

static inline void *allocate(size_t count, size_t bytes) {
  void *memory = calloc(count, bytes);
  if (memory == NULL) stop(exitFailedCheck, "out of memory");
  return memory;
}

static inline int64_t nowNs(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (int64_t)now.tv_sec * secondNs + now.tv_nsec;
}

// ── arguments ───────────────────────────────────────────────────────────────────────────────────────────────────────

struct Rule {
  const char *name;
  int64_t *value;  // Holds the default; `notGiven` where there is none.
  int64_t lowest, highest;
};
static const int64_t notGiven = INT64_MIN;

static inline void parseArguments(int argc, char **argv, const struct Rule *rules, size_t count) {
  for (int at = 1; at < argc; at += 2) {
    size_t rule = 0;
    while (rule < count && strcmp(argv[at], rules[rule].name) != 0) ++rule;
    if (rule == count) stop(exitBadArgument, "'%s' is no option", argv[at]);
    if (at + 1 == argc) stop(exitBadArgument, "%s has no value", argv[at]);
    char *end;
    errno = 0;
    const long long value = strtoll(argv[at + 1], &end, 10);
    if (errno != 0 || end == argv[at + 1] || *end != '\0' || value < rules[rule].lowest ||
        value > rules[rule].highest) {
      stop(exitBadArgument, "%s is '%s', not a number from %lld to %lld", argv[at], argv[at + 1],
           (long long)rules[rule].lowest, (long long)rules[rule].highest);
    }
    *rules[rule].value = value;
  }
  for (size_t rule = 0; rule < count; ++rule) {
    if (*rules[rule].value == notGiven) stop(exitBadArgument, "%s is needed", rules[rule].name);
  }
}

// Reads the mask back, since the kernel may grant less than was asked for.
static inline void pinTo(int64_t cpu) {
  cpu_set_t asked, granted;
  CPU_ZERO(&asked);
  CPU_SET((int)cpu, &asked);
  if (sched_setaffinity(0, sizeof asked, &asked) != 0 || sched_getaffinity(0, sizeof granted, &granted) != 0 ||
      !CPU_EQUAL(&asked, &granted)) {
    stop(exitBadArgument, "CPU %lld was not granted", (long long)cpu);
  }
}

// ── sockets ─────────────────────────────────────────────────────────────────────────────────────────────────────────

static inline struct sockaddr_in loopback(int64_t port) {
  return (struct sockaddr_in){
      .sin_family = AF_INET, .sin_port = htons((uint16_t)port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
}

// Returns a connected socket without Nagle's algorithm. On the loopback the handshake is over when connect returns, so
// this does not sleep.
static inline int connectTo(int64_t port) {
  const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd < 0) stop(exitFailedCheck, "socket: %s", strerror(errno));
  const struct sockaddr_in address = loopback(port);
  if (connect(fd, (const struct sockaddr *)&address, sizeof address) != 0)
    stop(exitBadArgument, "connect to port %lld: %s", (long long)port, strerror(errno));
  const int on = 1;
  setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  return fd;
}

static inline void makeNonBlocking(int fd) {
  if (fcntl(fd, F_SETFL, O_NONBLOCK) != 0) stop(exitFailedCheck, "fcntl: %s", strerror(errno));
}

// Closes a socket by a reset, so that ten thousand ports do not wait a minute for late segments.
static inline void closeByReset(int fd) {
  const struct linger linger = {.l_onoff = 1, .l_linger = 0};
  setsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, sizeof linger);
  close(fd);
}

static inline int64_t raiseDescriptorLimit(int64_t needed) {
  struct rlimit limit;
  getrlimit(RLIMIT_NOFILE, &limit);
  limit.rlim_cur = limit.rlim_max;
  setrlimit(RLIMIT_NOFILE, &limit);
  getrlimit(RLIMIT_NOFILE, &limit);
  if ((int64_t)limit.rlim_cur < needed)
    stop(exitBadArgument, "RLIMIT_NOFILE is %lld at most, %lld are needed", (long long)limit.rlim_max,
         (long long)needed);
  return (int64_t)limit.rlim_cur;
}

// ── messages ────────────────────────────────────────────────────────────────────────────────────────────────────────

static uint8_t messagePattern[patternBytes * 2];

static inline void makePattern(void) {
  uint32_t state = 1;
  for (size_t at = 0; at < patternBytes; ++at) {
    state = state * 1664525u + 1013904223u;
    messagePattern[at] = messagePattern[at + patternBytes] = (uint8_t)(state >> 24);
  }
}

static inline void writeMessage(uint8_t *bytes, uint64_t connection, uint64_t number) {
  memcpy(bytes, &connection, 8);
  memcpy(bytes + 8, &number, 8);
  memcpy(bytes + 16, messagePattern + number % patternBytes, messageBytes - 16);
}

static inline bool isMessage(const uint8_t *bytes, uint64_t connection, uint64_t number) {
  uint8_t expected[messageBytes];
  writeMessage(expected, connection, number);
  return memcmp(bytes, expected, messageBytes) == 0;
}

// ── latencies ───────────────────────────────────────────────────────────────────────────────────────────────────────

// There are 128 buckets for each power of two, so values are exact to 0.8 %. Counting takes two shifts and an
// increment.
enum { subBucketBits = 7, subBuckets = 1 << subBucketBits, histogramBuckets = (64 - subBucketBits) * subBuckets };
struct Histogram {
  uint64_t counts[histogramBuckets];
  uint64_t total;
  int64_t max;
};

static inline void record(struct Histogram *histogram, int64_t ns) {
  const uint64_t value = ns < 0 ? 0 : (uint64_t)ns;
  const int shift = value < subBuckets ? 0 : 63 - __builtin_clzll(value) - subBucketBits;
  const size_t bucket = ((size_t)shift << subBucketBits) + (size_t)(value >> shift);
  histogram->counts[bucket < histogramBuckets ? bucket : histogramBuckets - 1] += 1;
  histogram->total += 1;
  if (ns > histogram->max) histogram->max = ns;
}

// The percentile by nearest rank, in microseconds: the middle of its bucket.
static inline double percentileUs(const struct Histogram *histogram, double percent) {
  const uint64_t rank = (uint64_t)((double)histogram->total * percent / 100.0 + 0.999999);
  uint64_t seen = 0;
  for (size_t bucket = 0; bucket < histogramBuckets; ++bucket) {
    seen += histogram->counts[bucket];
    if (seen < rank || histogram->counts[bucket] == 0) continue;
    // Above the first two powers of two the number of a bucket is shift · 128 + value >> shift, and the second term is
    // between 128 and 255.
    const size_t shift = bucket < 2 * subBuckets ? 0 : (bucket >> subBucketBits) - 1;
    const double low = (double)((uint64_t)(bucket - (shift << subBucketBits)) << shift);
    return (low + (double)((uint64_t)1 << shift) / 2 - (shift == 0 ? 0.5 : 0)) / 1000.0;
  }
  return 0;
}

// ── processor time ──────────────────────────────────────────────────────────────────────────────────────────────────

// For how many nanoseconds all threads of a process have run, as the scheduler counts; -1 if there is no such process.
static inline int64_t processCpuNs(int64_t pid) {
  char path[96];
  snprintf(path, sizeof path, "/proc/%lld/task", (long long)pid);
  DIR *tasks = opendir(path);
  if (tasks == NULL) return -1;
  int64_t sum = 0;
  for (struct dirent *task; (task = readdir(tasks)) != NULL;) {
    if (task->d_name[0] == '.') continue;
    snprintf(path, sizeof path, "/proc/%lld/task/%.20s/schedstat", (long long)pid, task->d_name);
    FILE *file = fopen(path, "re");
    long long ns = 0;
    if (file == NULL) continue;  // The thread has just ended.
    if (fscanf(file, "%lld", &ns) == 1) sum += ns;
    fclose(file);
  }
  closedir(tasks);
  return sum;
}

static inline int64_t ownCpuNs(void) {
  struct timespec used;
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &used);
  return (int64_t)used.tv_sec * secondNs + used.tv_nsec;
}

#endif
