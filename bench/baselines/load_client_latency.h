// Mode `latency` of load_client.c: open loop. Line n of a stream is due at start + n / rate, whatever became of the
// lines before it, and its latency runs from that intended moment to the arrival of its result. A program that stalls
// is therefore charged for every line that was due meanwhile; a closed loop would have kept quiet and measured one of
// them.
//
//     T1 flood sender    floodConnections sockets, non-blocking; what is due and does not fit stays due
//     T2 urgent sender   one socket of its own, keys `u…` where the flood has keys `k…`
//     T3 output reader   counts all results, parses those whose key begins with `u` and matches them by seq
//
// Verified means: every urgent line was sent and got exactly one result, with its own band, key and CRC-32, in order of
// seq for each key (the order the program promises; two keys may have two owners).
//
// Ordering table; everything else is handed over by pthread_create and pthread_join.
//
// | pair            | write side     | read side      | carries                             | needs   |
// |-----------------|----------------|----------------|-------------------------------------|---------|
// | `run.urgentEnd` | `urgentSender` | `outputReader` | the moment itself                   | relaxed |
// | `run.floodEnd`  | `floodSender`  | `outputReader` | the fact itself                     | relaxed |
#ifndef PERCORE_BENCH_LOAD_CLIENT_LATENCY_H
#define PERCORE_BENCH_LOAD_CLIENT_LATENCY_H

#include <pthread.h>
#include <sched.h>
#include <sys/prctl.h>
#include <sys/resource.h>

#include "load_client.h"

enum { maxUrgentLines = 10 * 1000 * 1000, floodTickMs = 1 };
static const int64_t graceNs = 10 * secondNs;       // How long late lines and late results are waited for.

struct Result {
  uint64_t seq;
  uint32_t band, key, crc;
};

static bool parseResult(const char *line, size_t length, struct Result *result);
static int compareSamples(const void *left, const void *right);
static void printMicroseconds(const char *name, const int64_t *sorted, size_t count, size_t perTenThousand);

// What the three threads share. Each field below the atomics is written by the one thread named, and read by others
// only after that thread was joined.
struct Run {
  const struct Options *options;
  struct LineBlock floodBlock, urgentBlock;
  int64_t startNs, warmEndNs, endNs;
  int output;
  uint64_t urgentLines;          // How many the schedule holds, warm-up included.
  _Atomic int64_t urgentEndNs;   // run.urgentEnd: when T2 was done; 0 before.
  atomic_bool isFloodOver;       // run.floodEnd: T1 has no half line left.
  struct Connection *flood;
  uint64_t floodOffered, floodSent;              // T1
  struct Connection urgent;                      // T2
  int64_t *latenessNs;  // T2: by seq, moment of sending minus intended moment; −1 when not sent
  int64_t *latencyNs;                            // T3: by seq; −1 when not received
  uint64_t results, urgentResults;               // T3
  uint64_t warmEndResults, endResults;           // T3: results seen at these two moments
  bool isFifoGranted[2];                         // T2, T3
};

static int64_t intendedNs(const struct Run *run, uint64_t seq) {
  return run->startNs + (int64_t)(seq * (uint64_t)secondNs / (uint64_t)run->options->urgentRate);
}

// How many lines of a stream are due once this much of its time has passed. At most 2 · 10^11 ns times 10^7: no
// overflow.
static uint64_t dueLines(int64_t elapsedNs, int64_t rate) {
  return elapsedNs <= 0 ? 0 : (uint64_t)elapsedNs * (uint64_t)rate / (uint64_t)secondNs;
}

static bool tryFifo(int64_t priority) {
  if (priority == notGiven) return false;
  const struct sched_param asked = {.sched_priority = (int)priority};
  struct sched_param granted = {0};
  int policy = 0;
  return pthread_setschedparam(pthread_self(), SCHED_FIFO, &asked) == 0 &&
         pthread_getschedparam(pthread_self(), &policy, &granted) == 0 && policy == SCHED_FIFO &&
         granted.sched_priority == asked.sched_priority;
}

// One send for a connection that has something due and room. Returns whether it could go on at once.
static bool pushFlood(struct Connection *connection, const struct LineBlock *block, uint64_t untilBytes) {
  if (connection->isClosed || connection->isBlocked || connection->bytesSent >= untilBytes) return false;
  sendSome(connection, block, untilBytes);
  return !connection->isClosed && !connection->isBlocked && connection->bytesSent < untilBytes;
}

// T1. Line g of the flood is due at start + g / rate and belongs to connection g % connections. What a full socket does
// not take is simply late: it stays due, and the socket is tried again when epoll says there is room.
static void *floodSender(void *pointer) {
  struct Run *run = pointer;
  const uint64_t connections = (uint64_t)run->options->floodConnections;
  const uint64_t lineBytes = run->floodBlock.lineBytes;
  const int epoll = epoll_create1(EPOLL_CLOEXEC);
  if (epoll < 0) stop(exitFailedCheck, "epoll_create1: %s", strerror(errno));
  for (uint64_t index = 0; index < connections; ++index) {
    struct epoll_event interest = {.events = EPOLLIN | EPOLLOUT | EPOLLET, .data.u32 = (uint32_t)index};
    if (epoll_ctl(epoll, EPOLL_CTL_ADD, run->flood[index].fd, &interest) != 0)
      stop(exitFailedCheck, "epoll_ctl: %s", strerror(errno));
  }
  sleepUntil(run->startNs);

  bool isOver = false;
  for (int64_t now = nowNs(); now < run->endNs + graceNs; now = nowNs()) {
    const int64_t elapsedNs = (now < run->endNs ? now : run->endNs) - run->startNs;
    const uint64_t due = dueLines(elapsedNs, run->options->floodRate);
    bool hasMore = false, hasHalfLine = false;
    for (uint64_t index = 0; index < connections; ++index) {
      struct Connection *connection = &run->flood[index];
      // After the end only a line half sent is finished: closing inside it would hand the program a line to reject.
      const uint64_t untilLines =
          isOver ? (connection->bytesSent + lineBytes - 1) / lineBytes : (due + connections - 1 - index) / connections;
      hasMore |= pushFlood(connection, &run->floodBlock, untilLines * lineBytes);
      hasHalfLine |= !connection->isClosed && connection->bytesSent % lineBytes != 0;
    }
    if (now >= run->endNs && !isOver) {
      isOver = true;  // What was due by now has been tried once more; the rest is what the flood is behind.
      run->floodOffered = due;
      for (uint64_t index = 0; index < connections; ++index) run->floodSent += run->flood[index].bytesSent / lineBytes;
    }
    if (isOver && !hasHalfLine) break;
    struct epoll_event events[64];
    const int count = epoll_wait(epoll, events, 64, hasMore ? 0 : floodTickMs);
    if (count < 0 && errno != EINTR) stop(exitFailedCheck, "epoll_wait: %s", strerror(errno));
    for (int at = 0; at < count; ++at) {
      struct Connection *connection = &run->flood[events[at].data.u32];
      if ((events[at].events & EPOLLOUT) != 0) connection->isBlocked = false;
      if ((events[at].events & (EPOLLIN | EPOLLHUP | EPOLLERR)) != 0) readAnswers(connection, false);
    }
  }
  atomic_store_explicit(&run->isFloodOver, true, memory_order_relaxed);  // run.floodEnd
  close(epoll);
  return NULL;
}

// T2. All that is due goes out in one send; a full socket makes the lines late, and their latency says so.
static void *urgentSender(void *pointer) {
  struct Run *run = pointer;
  struct Connection *connection = &run->urgent;
  const uint64_t lineBytes = run->urgentBlock.lineBytes;
  const int64_t deadlineNs = run->endNs + graceNs;
  prctl(PR_SET_TIMERSLACK, 1);  // The default adds 50 µs of this program's own to every latency.
  run->isFifoGranted[0] = tryFifo(run->options->fifo);

  uint64_t sent = 0;
  while (sent < run->urgentLines && !connection->isClosed) {
    sleepUntil(intendedNs(run, sent));
    const int64_t now = nowNs();
    if (now >= deadlineNs) break;
    uint64_t due = dueLines(now - run->startNs, run->options->urgentRate) + 1;  // Line 0 is due at once.
    if (due <= sent) due = sent + 1;  // Its moment was rounded down, and has come.
    if (due > run->urgentLines) due = run->urgentLines;
    sendSome(connection, &run->urgentBlock, due * lineBytes);
    const int64_t sentNs = nowNs();
    for (; sent < connection->bytesSent / lineBytes; ++sent) run->latenessNs[sent] = sentNs - intendedNs(run, sent);
    if (connection->isBlocked) {
      struct pollfd room = {.fd = connection->fd, .events = POLLOUT};
      poll(&room, 1, 100);
      connection->isBlocked = false;
    }
  }
  atomic_store_explicit(&run->urgentEndNs, nowNs(), memory_order_relaxed);  // run.urgentEnd
  return NULL;
}

static void recordUrgent(struct Run *run, const char *line, size_t length, int64_t receivedNs, int64_t *lastSeqOfKey) {
  struct Result result;
  if (!parseResult(line, length, &result) || result.seq >= run->urgentLines) {
    complain("not a result of an urgent line: '%.*s'", (int)length, line);
    return;
  }
  const size_t at = result.seq % run->urgentBlock.lines;
  if (result.key != run->urgentBlock.keys[at] || result.crc != run->urgentBlock.crcs[at] ||
      result.band != (uint32_t)run->options->urgentBand) {
    complain("wrong result of an urgent line: '%.*s'", (int)length, line);
    return;
  }
  if (run->latencyNs[result.seq] >= 0) {
    complain("a second result of an urgent line: '%.*s'", (int)length, line);
    return;
  }
  if ((int64_t)result.seq < lastSeqOfKey[result.key]) {
    complain("out of order, after seq %lld of the same key: '%.*s'", (long long)lastSeqOfKey[result.key], (int)length,
             line);
  }
  lastSeqOfKey[result.key] = (int64_t)result.seq;
  run->latencyNs[result.seq] = receivedNs - intendedNs(run, result.seq);
  run->urgentResults += 1;
}

// Walks the whole lines in the buffer. The key is the fourth field; flood results cost three spaces and a newline.
static void readResults(struct Run *run, struct LineReader *reader, int64_t receivedNs, int64_t *lastSeqOfKey) {
  const char *line = reader->buffer;
  const char *const end = reader->buffer + reader->length;
  for (const char *newline; (newline = memchr(line, '\n', (size_t)(end - line))) != NULL; line = newline + 1) {
    const char *key = line;
    for (int spaces = 0; spaces < 3 && key < newline; ++key) spaces += *key == ' ';
    run->results += 1;
    if (*key == 'u') recordUrgent(run, line, (size_t)(newline - line), receivedNs, lastSeqOfKey);
  }
  reader->length = (size_t)(end - line);
  memmove(reader->buffer, line, reader->length);
}

// T3. The moment of arrival is taken once a read, before parsing: all of its bytes were there by then.
static void *outputReader(void *pointer) {
  struct Run *run = pointer;
  struct LineReader reader = {.buffer = allocate(readBytes, 1)};
  int64_t *lastSeqOfKey = allocate((size_t)run->options->keys, sizeof *lastSeqOfKey);
  memset(lastSeqOfKey, 0xff, (size_t)run->options->keys * sizeof *lastSeqOfKey);
  run->isFifoGranted[1] = tryFifo(run->options->fifo);

  bool isWarm = false, isOver = false;
  for (;;) {
    const ssize_t received = receiveInto(&reader, run->output);  // Sleeps at most the socket's receive timeout.
    const int64_t now = nowNs();
    if (!isWarm && now >= run->warmEndNs) {
      isWarm = true;
      run->warmEndResults = run->results;
    }
    if (!isOver && now >= run->endNs) {
      isOver = true;
      run->endResults = run->results;
    }
    if (received > 0) readResults(run, &reader, now, lastSeqOfKey);
    if (received == 0) {
      complain("the program closed the output after %llu results", (unsigned long long)run->results);
      break;
    }
    const int64_t urgentEndNs = atomic_load_explicit(&run->urgentEndNs, memory_order_relaxed);  // run.urgentEnd
    if (urgentEndNs == 0) continue;
    const bool isFloodOver = atomic_load_explicit(&run->isFloodOver, memory_order_relaxed);     // run.floodEnd
    // Both senders end at the latest after the grace time, so this is a bound whatever the program does.
    if ((isFloodOver && run->urgentResults >= run->urgentLines) || now >= urgentEndNs + graceNs) break;
  }
  if (!isOver) run->endResults = run->results;
  free(lastSeqOfKey);
  free(reader.buffer);
  return NULL;
}

static void startThread(pthread_t *thread, void *(*body)(void *), struct Run *run) {
  const int error = pthread_create(thread, NULL, body, run);
  if (error != 0) stop(exitFailedCheck, "pthread_create: %s", strerror(error));
}

static int runLatency(const struct Options *options) {
  static struct Run run;
  run.options = options;
  run.floodBlock = makeBlock('k', options->keys, options->floodBand, options->lineBytes);
  run.urgentBlock = makeBlock('u', options->keys, options->urgentBand, options->lineBytes);
  run.urgentLines = (uint64_t)((options->warmupSeconds + options->seconds) * options->urgentRate);
  if (run.urgentLines > maxUrgentLines) stop(exitBadArgument, "more than %d urgent lines in all", maxUrgentLines);
  run.latencyNs = allocate(run.urgentLines, sizeof(int64_t));
  run.latenessNs = allocate(run.urgentLines, sizeof(int64_t));
  memset(run.latencyNs, 0xff, run.urgentLines * sizeof(int64_t));  // Every sample is −1, and its page is there.
  memset(run.latenessNs, 0xff, run.urgentLines * sizeof(int64_t));
  // For the calling thread, and so for the threads it makes.
  if (options->nice != notGiven && setpriority(PRIO_PROCESS, 0, (int)options->nice) != 0) {
    fprintf(stderr, "load_client: --nice %lld was not granted: %s\n", (long long)options->nice, strerror(errno));
  }

  run.output = connectTo(options->outputPort);
  const struct timeval receiveTimeout = {.tv_usec = 50000};
  // The reader blocks, so that a result costs one system call; it wakes now and then to see whether all is over.
  if (fcntl(run.output, F_SETFL, fcntl(run.output, F_GETFL) & ~O_NONBLOCK) != 0 ||
      setsockopt(run.output, SOL_SOCKET, SO_RCVTIMEO, &receiveTimeout, sizeof receiveTimeout) != 0) {
    stop(exitFailedCheck, "setting up the output: %s", strerror(errno));
  }
  run.flood = allocate((size_t)options->floodConnections + 1, sizeof *run.flood);
  for (int64_t index = 0; index < options->floodConnections; ++index) {
    const size_t firstLine = (size_t)index * run.floodBlock.lines / (size_t)options->floodConnections;
    run.flood[index] =
        (struct Connection){.fd = connectTo(options->inputPort), .offset = firstLine * run.floodBlock.lineBytes};
  }
  run.urgent = (struct Connection){.fd = connectTo(options->inputPort)};

  run.startNs = nowNs() + settleMs * (secondNs / 1000);
  run.warmEndNs = run.startNs + options->warmupSeconds * secondNs;
  run.endNs = run.warmEndNs + options->seconds * secondNs;
  pthread_t reader, urgentThread, floodThread;
  startThread(&reader, outputReader, &run);
  startThread(&urgentThread, urgentSender, &run);
  startThread(&floodThread, floodSender, &run);
  pthread_join(urgentThread, NULL);
  pthread_join(floodThread, NULL);
  pthread_join(reader, NULL);
  if (!run.urgent.isClosed) readAnswers(&run.urgent, false);

  // The measured lines are those due after the warm-up; sending and receiving them are counted apart.
  const uint64_t firstMeasured = (uint64_t)(options->warmupSeconds * options->urgentRate);
  uint64_t sent = 0, received = 0;
  for (uint64_t seq = firstMeasured; seq < run.urgentLines; ++seq) {
    if (run.latenessNs[seq] >= 0) run.latenessNs[sent++] = run.latenessNs[seq];
    if (run.latencyNs[seq] >= 0) run.latencyNs[received++] = run.latencyNs[seq];
  }
  if (sent != run.urgentLines - firstMeasured || received != sent) {
    complain("of %llu urgent lines %llu were sent and %llu answered",
             (unsigned long long)(run.urgentLines - firstMeasured), (unsigned long long)sent,
             (unsigned long long)received);
  }
  qsort(run.latencyNs, received, sizeof(int64_t), compareSamples);
  qsort(run.latenessNs, sent, sizeof(int64_t), compareSamples);

  const bool isVerified = !atomic_load_explicit(&hasFailed, memory_order_relaxed);  // run.failed
  printf("{\"urgentSent\":%llu,\"urgentReceived\":%llu", (unsigned long long)sent, (unsigned long long)received);
  printMicroseconds("p50Us", run.latencyNs, received, 5000);
  printMicroseconds("p99Us", run.latencyNs, received, 9900);
  printMicroseconds("p999Us", run.latencyNs, received, 9990);
  printMicroseconds("maxUs", run.latencyNs, received, 10000);
  printMicroseconds("urgentSendLateP99Us", run.latenessNs, sent, 9900);
  printf(
      ",\"floodOffered\":%llu,\"floodSent\":%llu,\"resultsReceived\":%llu,\"resultsPerSecond\":%.0f,"
      "\"floodBehind\":%llu",
      (unsigned long long)run.floodOffered, (unsigned long long)run.floodSent, (unsigned long long)run.results,
      (double)(run.endResults - run.warmEndResults) / (double)options->seconds,
      (unsigned long long)(run.floodOffered - run.floodSent));
  printf(",\"nice\":%d,\"fifoGranted\":%s,\"verified\":%s}\n", getpriority(PRIO_PROCESS, 0),
         options->fifo == notGiven ? "null" : run.isFifoGranted[0] && run.isFifoGranted[1] ? "true" : "false",
         isVerified ? "true" : "false");
  return isVerified ? 0 : exitFailedCheck;
}

static void printMicroseconds(const char *name, const int64_t *sorted, size_t count, size_t perTenThousand) {
  // Nearest rank: the smallest sample that at least this share of all samples does not exceed.
  if (count == 0) printf(",\"%s\":null", name);
  else printf(",\"%s\":%.1f", name, (double)sorted[(count * perTenThousand + 9999) / 10000 - 1] / 1000.0);
}

static int compareSamples(const void *left, const void *right) {
  const int64_t a = *(const int64_t *)left, b = *(const int64_t *)right;
  return (a > b) - (a < b);
}

// Reads a number and the space behind it, at most 18 digits.
static bool parseField(const char **at, const char *end, uint64_t *value) {
  const char *start = *at;
  *value = 0;
  while (*at < end && **at >= '0' && **at <= '9' && *at - start < 18) *value = *value * 10 + (uint64_t)(*(*at)++ - '0');
  return *at > start && *at < end && *(*at)++ == ' ';
}

static bool parseResult(const char *line, size_t length, struct Result *result) {
  const char *at = line;
  const char *const end = line + length;
  uint64_t reactor, band, key, count;
  if (!parseField(&at, end, &result->seq) || !parseField(&at, end, &reactor) || !parseField(&at, end, &band))
    return false;
  if (at == end || *at++ != 'u') return false;
  if (!parseField(&at, end, &key) || !parseField(&at, end, &count) || end - at != 8) return false;
  for (int digit = 0; digit < 8; ++digit) {
    if (strchr("0123456789abcdefABCDEF", at[digit]) == NULL || at[digit] == '\0') return false;
  }
  result->band = (uint32_t)band;
  result->key = (uint32_t)key;
  result->crc = parseHex8(at);
  return true;
}

#endif
