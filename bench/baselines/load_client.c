// TCP load client for the load balancer program, in its own process so that no figure contains the cost of making load
// in the JavaScript being measured. It speaks the program's two ports on 127.0.0.1:
//
//     input   `<band> <key> <payload>\n`                              any number of connections
//     output  `<seq> <reactor> <band> <key> <count> <crc8>\n`         any reader; seq is the line's number on its connection
//
// throughput: one thread, one epoll loop. Sends every line as fast as the sockets take it, reads every result, and stops
//   the clock at the last one. Lines come from a block made beforehand, so sending costs a system call and nothing else.
//   With `--output 0` nobody reads results: each connection is half closed after its last line, and the clock stops when
//   the program has closed all of them, which it does once it has read them to the end.
//
// latency: open loop. Line n of a stream is due at start + n / rate, whatever became of the lines before it, and its
//   latency runs from that intended moment to the arrival of its result. A program that stalls is therefore charged for
//   every line that was due meanwhile; a closed loop would have kept quiet and measured one of them.
//
//     T1 flood sender    floodConnections sockets, non-blocking; what is due and does not fit stays due
//     T2 urgent sender   one socket of its own, keys `u…` where the flood has keys `k…`
//     T3 output reader   counts all results, parses those whose key begins with `u` and matches them by seq
//
// Verified means, for throughput: as many results as lines, and the sum and the exclusive or of their CRC-32 fields are
// what this program computed itself. For latency: every urgent line was sent and got exactly one result, with its own
// band, key and CRC-32, in order of seq for each key (the order the program promises; two keys may have two owners).
//
// Exit code: 0; 1 when a check failed; 2 for bad arguments or a port nobody listens on; 3 for 20 s without progress.
// After 1 or 3 the JSON object is still printed where there is one, with "verified":false.
//
// One long file on purpose: it is one program that compiles with one command, and its two modes share the lower half.
//
// Ordering table (latency mode; everything else is handed over by pthread_create and pthread_join).
//
// | pair            | write side     | read side      | carries                             | needs   |
// |-----------------|----------------|----------------|-------------------------------------|---------|
// | `run.failed`    | `complain`     | both modes     | the fact itself                     | relaxed |
// | `run.urgentEnd` | `urgentSender` | `outputReader` | the moment itself                   | relaxed |
// | `run.floodEnd`  | `floodSender`  | `outputReader` | the fact itself                     | relaxed |

#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum {
  exitFailedCheck = 1,
  exitBadArgument = 2,
  exitNoProgress = 3,
  writeBytes = 256 * 1024,
  readBytes = 256 * 1024,
  blockTargetBytes = 1024 * 1024,
  maxBlockBytes = 256 * 1024 * 1024,
  maxConnections = 1024,
  maxKeys = 65536,           // Five digits in a key.
  keyChars = 6,              // `k00042`
  headChars = keyChars + 3,  // `6 k00042 `
  maxUrgentLines = 10 * 1000 * 1000,
  floodTickMs = 1,
  settleMs = 200,   // Accepting is the program's business: lets it adopt the output before the first line comes.
  surplusMs = 20,   // How long a result too many is waited for.
};
static const int64_t secondNs = 1000000000;
static const int64_t stallNs = 20 * secondNs;       // Throughput: without progress this long, give up.
static const int64_t throughputNs = 600 * secondNs; // Throughput: give up even with progress.
static const int64_t graceNs = 10 * secondNs;       // Latency: how long late lines and late results are waited for.

struct Options {
  int64_t inputPort, outputPort, lineBytes, keys;
  int64_t connections, lines, band;  // band −1 is `mixed`.
  int64_t floodConnections, floodRate, floodBand, urgentRate, urgentBand, seconds, warmupSeconds;
  int64_t nice, fifo;
  const char *cpus;
};
static const int64_t notGiven = INT64_MIN;

// Lines made beforehand, sent over and over. Line n of a connection is line (first + n) % lines of its block.
struct LineBlock {
  char *bytes;
  uint32_t *crcs;
  uint32_t *keys;
  size_t lines, lineBytes;
};

struct Connection {
  int fd;
  size_t offset;       // Where in the block the next byte comes from.
  uint64_t bytesSent;
  bool isBlocked;      // The last send did not take everything.
  bool isClosed;
};

struct Result {
  uint64_t seq;
  uint32_t band, key, crc;
};

struct LineReader {
  char *buffer;
  size_t length;
};

struct Tally {
  uint64_t results, sum;
  uint32_t exclusiveOr;
};

static int runThroughput(const struct Options *options);
static int runLatency(const struct Options *options);
static struct Options parseOptions(int argc, char **argv);
static void pinProcess(const char *list);

static struct LineBlock makeBlock(char keyPrefix, int64_t keys, int64_t band, int64_t lineBytes);
static void freeBlock(const struct LineBlock *block);
static uint32_t crc32Of(const char *bytes, size_t length);
static int connectTo(int64_t port);
static ssize_t sendSome(struct Connection *connection, const struct LineBlock *block, uint64_t untilBytes);
static void readAnswers(struct Connection *connection, bool isEndExpected);
static ssize_t receiveInto(struct LineReader *reader, int fd);
static bool parseResult(const char *line, size_t length, struct Result *result);
static uint32_t parseHex8(const char *text);
static int64_t nowNs(void);
static void sleepUntil(int64_t momentNs);
static void complain(const char *format, ...) __attribute__((format(printf, 1, 2)));
static _Noreturn void stop(int code, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void *allocate(size_t count, size_t bytes);
static int compareSamples(const void *left, const void *right);
static void printMicroseconds(const char *name, const int64_t *sorted, size_t count, size_t perTenThousand);

// run.failed: the fact that some check has failed. Any thread sets it; nothing else is carried.
static atomic_bool hasFailed;

int main(int argc, char **argv) {
  const bool isThroughput = argc > 1 && strcmp(argv[1], "throughput") == 0;
  const bool isLatency = argc > 1 && strcmp(argv[1], "latency") == 0;
  if (!isThroughput && !isLatency) stop(exitBadArgument, "the first argument is 'throughput' or 'latency'");
  const struct Options options = parseOptions(argc, argv);
  if (options.cpus != NULL) pinProcess(options.cpus);
  return isThroughput ? runThroughput(&options) : runLatency(&options);
}

// ── throughput ──────────────────────────────────────────────────────────────────────────────────────────────────────

static struct Tally expectedTally(const struct LineBlock *block, const struct Options *options, const size_t *firstLines) {
  struct Tally tally = {0};
  for (int64_t connection = 0; connection < options->connections; ++connection) {
    size_t line = firstLines[connection];
    for (int64_t sent = 0; sent < options->lines; ++sent) {
      tally.sum += block->crcs[line];
      tally.exclusiveOr ^= block->crcs[line];
      if (++line == block->lines) line = 0;
    }
  }
  tally.results = (uint64_t)options->connections * (uint64_t)options->lines;
  return tally;
}

// Only the last field is read: a wrong one anywhere else cannot be told apart from here, and would cost time that the
// program under test, which shares these CPUs, should have.
static void tallyResults(struct LineReader *reader, struct Tally *tally) {
  const char *line = reader->buffer;
  const char *const end = reader->buffer + reader->length;
  for (const char *newline; (newline = memchr(line, '\n', (size_t)(end - line))) != NULL; line = newline + 1) {
    if (newline - line < 9 || newline[-9] != ' ') {
      complain("not a result: '%.*s'", (int)(newline - line), line);
      continue;
    }
    const uint32_t crc = parseHex8(newline - 8);
    tally->results += 1;
    tally->sum += crc;
    tally->exclusiveOr ^= crc;
  }
  reader->length = (size_t)(end - line);
  memmove(reader->buffer, line, reader->length);
}

static int runThroughput(const struct Options *options) {
  static struct Connection connections[maxConnections];
  static size_t firstLines[maxConnections];
  const uint32_t outputIndex = maxConnections;
  const bool hasOutput = options->outputPort != 0;
  const struct LineBlock block = makeBlock('k', options->keys, options->band, options->lineBytes);
  const uint64_t bytesEach = (uint64_t)options->lines * block.lineBytes;
  struct LineReader reader = {.buffer = allocate(readBytes, 1)};
  struct Tally tally = {0};

  const int epoll = epoll_create1(EPOLL_CLOEXEC);
  if (epoll < 0) stop(exitFailedCheck, "epoll_create1: %s", strerror(errno));
  const int output = hasOutput ? connectTo(options->outputPort) : -1;
  if (hasOutput) {
    struct epoll_event interest = {.events = EPOLLIN, .data.u32 = outputIndex};
    if (epoll_ctl(epoll, EPOLL_CTL_ADD, output, &interest) != 0) stop(exitFailedCheck, "epoll_ctl: %s", strerror(errno));
  }
  for (int64_t index = 0; index < options->connections; ++index) {
    firstLines[index] = (size_t)index * block.lines / (size_t)options->connections;
    connections[index] = (struct Connection){.fd = connectTo(options->inputPort), .offset = firstLines[index] * block.lineBytes};
    struct epoll_event interest = {.events = EPOLLIN | EPOLLOUT, .data.u32 = (uint32_t)index};
    if (epoll_ctl(epoll, EPOLL_CTL_ADD, connections[index].fd, &interest) != 0) stop(exitFailedCheck, "epoll_ctl: %s", strerror(errno));
  }
  const struct Tally expected = expectedTally(&block, options, firstLines);
  sleepUntil(nowNs() + settleMs * (secondNs / 1000));

  const int64_t startNs = nowNs();
  int64_t endNs = 0, progressNs = startNs;
  uint64_t bytesSent = 0;
  int64_t closed = 0;
  bool hasStalled = false;
  while (endNs == 0) {
    struct epoll_event events[64];
    const int count = epoll_wait(epoll, events, 64, 1000);
    if (count < 0 && errno != EINTR) stop(exitFailedCheck, "epoll_wait: %s", strerror(errno));
    bool hasProgressed = false;
    for (int at = 0; at < count; ++at) {
      if (events[at].data.u32 == outputIndex) {
        const ssize_t received = receiveInto(&reader, output);
        if (received < 0) continue;
        if (received == 0) {
          complain("the program closed the output after %llu results", (unsigned long long)tally.results);
          continue;
        }
        hasProgressed = true;
        tallyResults(&reader, &tally);
        if (tally.results >= expected.results) endNs = nowNs();
        continue;
      }
      struct Connection *connection = &connections[events[at].data.u32];
      if ((events[at].events & EPOLLOUT) != 0 && connection->bytesSent < bytesEach) {
        const ssize_t sent = sendSome(connection, &block, bytesEach);
        bytesSent += (uint64_t)sent;
        hasProgressed |= sent > 0;
        if (connection->bytesSent == bytesEach) {
          struct epoll_event interest = {.events = EPOLLIN, .data.u32 = events[at].data.u32};
          epoll_ctl(epoll, EPOLL_CTL_MOD, connection->fd, &interest);
          if (!hasOutput) shutdown(connection->fd, SHUT_WR);
        }
      }
      if ((events[at].events & (EPOLLIN | EPOLLHUP | EPOLLERR)) != 0) readAnswers(connection, !hasOutput && connection->bytesSent == bytesEach);
      if (connection->isClosed) {
        epoll_ctl(epoll, EPOLL_CTL_DEL, connection->fd, NULL);
        close(connection->fd);
        hasProgressed = true;
        if (++closed == options->connections && !hasOutput) endNs = nowNs();
      }
    }
    const int64_t now = nowNs();
    if (hasProgressed) progressNs = now;
    // After a complaint the results can no longer be right, so there is nothing to wait for.
    if (endNs == 0 && atomic_load_explicit(&hasFailed, memory_order_relaxed)) endNs = now;  // run.failed
    if (endNs == 0 && (now - progressNs > stallNs || now - startNs > throughputNs)) {
      complain("no progress: %llu of %llu bytes sent, %llu of %llu results", (unsigned long long)bytesSent,
               (unsigned long long)(bytesEach * (uint64_t)options->connections), (unsigned long long)tally.results,
               (unsigned long long)(hasOutput ? expected.results : 0));
      hasStalled = true;
      endNs = progressNs;
    }
  }

  if (hasOutput) {
    struct pollfd surplus = {.fd = output, .events = POLLIN};
    if (poll(&surplus, 1, surplusMs) > 0 && receiveInto(&reader, output) > 0) tallyResults(&reader, &tally);
    if (tally.results != expected.results) {
      complain("%llu results for %llu lines", (unsigned long long)tally.results, (unsigned long long)expected.results);
    } else if (tally.sum != expected.sum || tally.exclusiveOr != expected.exclusiveOr) {
      complain("the CRC-32 fields are not those of the lines sent");
    }
  }
  const bool isVerified = !atomic_load_explicit(&hasFailed, memory_order_relaxed);  // run.failed
  const double seconds = (double)(endNs - startNs) / (double)secondNs;
  printf("{\"lines\":%llu,\"bytes\":%llu,\"seconds\":%.6f,\"linesPerSecond\":", (unsigned long long)expected.results,
         (unsigned long long)bytesSent, seconds);
  if (isVerified) printf("%.0f", (double)expected.results / seconds);
  else printf("null");  // A rate of lines that were not all worked is no figure.
  printf(",\"results\":%llu,\"verified\":%s}\n", (unsigned long long)tally.results, isVerified ? "true" : "false");
  free(reader.buffer);
  freeBlock(&block);
  return hasStalled ? exitNoProgress : isVerified ? 0 : exitFailedCheck;
}

// ── latency ─────────────────────────────────────────────────────────────────────────────────────────────────────────

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
  int64_t *latenessNs;                           // T2: by seq, moment of sending minus intended moment; −1 when not sent
  int64_t *latencyNs;                            // T3: by seq; −1 when not received
  uint64_t results, urgentResults;               // T3
  uint64_t warmEndResults, endResults;           // T3: results seen at these two moments
  bool isFifoGranted[2];                         // T2, T3
};

static int64_t intendedNs(const struct Run *run, uint64_t seq) {
  return run->startNs + (int64_t)(seq * (uint64_t)secondNs / (uint64_t)run->options->urgentRate);
}

// How many lines of a stream are due once this much of its time has passed. At most 2 · 10^11 ns times 10^7: no overflow.
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
    if (epoll_ctl(epoll, EPOLL_CTL_ADD, run->flood[index].fd, &interest) != 0) stop(exitFailedCheck, "epoll_ctl: %s", strerror(errno));
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
      const uint64_t untilLines = isOver ? (connection->bytesSent + lineBytes - 1) / lineBytes : (due + connections - 1 - index) / connections;
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
  if (result.key != run->urgentBlock.keys[at] || result.crc != run->urgentBlock.crcs[at] || result.band != (uint32_t)run->options->urgentBand) {
    complain("wrong result of an urgent line: '%.*s'", (int)length, line);
    return;
  }
  if (run->latencyNs[result.seq] >= 0) {
    complain("a second result of an urgent line: '%.*s'", (int)length, line);
    return;
  }
  if ((int64_t)result.seq < lastSeqOfKey[result.key]) {
    complain("out of order, after seq %lld of the same key: '%.*s'", (long long)lastSeqOfKey[result.key], (int)length, line);
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
    run.flood[index] = (struct Connection){.fd = connectTo(options->inputPort), .offset = firstLine * run.floodBlock.lineBytes};
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
    complain("of %llu urgent lines %llu were sent and %llu answered", (unsigned long long)(run.urgentLines - firstMeasured),
             (unsigned long long)sent, (unsigned long long)received);
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
  printf(",\"floodOffered\":%llu,\"floodSent\":%llu,\"resultsReceived\":%llu,\"resultsPerSecond\":%.0f,\"floodBehind\":%llu",
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

// ── lines ───────────────────────────────────────────────────────────────────────────────────────────────────────────

static uint64_t nextRandom(uint64_t *state) {
  // A 64-bit linear congruential step; only its upper half is used, where it is good enough to scatter keys.
  *state = *state * 6364136223846793005u + 1442695040888963407u;
  return *state >> 33;
}

// Every key occurs equally often, in shuffled order. The seed is fixed, so that all programs compared get the same lines.
static struct LineBlock makeBlock(char keyPrefix, int64_t keys, int64_t band, int64_t lineBytes) {
  static const char alphabet[64] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789 .";
  struct LineBlock block = {.lineBytes = (size_t)lineBytes};
  const size_t target = blockTargetBytes / block.lineBytes;
  block.lines = (size_t)keys * ((target + (size_t)keys - 1) / (size_t)keys);
  if (block.lines * block.lineBytes > maxBlockBytes) stop(exitBadArgument, "--keys times --line-bytes is above %d", maxBlockBytes);
  block.bytes = allocate(block.lines, block.lineBytes);
  block.crcs = allocate(block.lines, sizeof *block.crcs);
  block.keys = allocate(block.lines, sizeof *block.keys);

  uint64_t random = 2026;
  for (size_t at = 0; at < block.lines; ++at) block.keys[at] = (uint32_t)(at % (size_t)keys);
  for (size_t at = block.lines - 1; at > 0; --at) {
    const size_t other = nextRandom(&random) % (at + 1);
    const uint32_t key = block.keys[at];
    block.keys[at] = block.keys[other];
    block.keys[other] = key;
  }
  for (size_t at = 0; at < block.lines; ++at) {
    char *line = block.bytes + at * block.lineBytes;
    char head[headChars + 8];
    const unsigned lineBand = band >= 0 ? (unsigned)band : (unsigned)(nextRandom(&random) & 7);
    snprintf(head, sizeof head, "%u %c%05u ", lineBand & 7, keyPrefix, block.keys[at] % 100000);
    memcpy(line, head, headChars);
    const size_t payloadEnd = block.lineBytes - 1;
    for (size_t position = headChars; position < payloadEnd; ++position) line[position] = alphabet[nextRandom(&random) & 63];
    // Spaces belong inside a payload; at its ends they would test how others trim, not how fast they are.
    if (line[headChars] == ' ') line[headChars] = 'x';
    if (line[payloadEnd - 1] == ' ') line[payloadEnd - 1] = 'x';
    line[payloadEnd] = '\n';
    block.crcs[at] = crc32Of(line + headChars, payloadEnd - headChars);
  }
  return block;
}

static void freeBlock(const struct LineBlock *block) {
  free(block->bytes);
  free(block->crcs);
  free(block->keys);
}

// CRC-32 as in IEEE 802.3, reflected: polynomial 0xedb88320, all ones before and after.
static uint32_t crc32Of(const char *bytes, size_t length) {
  static uint32_t table[256];
  if (table[1] == 0) {
    for (uint32_t byte = 0; byte < 256; ++byte) {
      uint32_t remainder = byte;
      for (int bit = 0; bit < 8; ++bit) remainder = (remainder >> 1) ^ (remainder & 1 ? 0xedb88320u : 0);
      table[byte] = remainder;
    }
  }
  uint32_t crc = 0xffffffffu;
  for (size_t at = 0; at < length; ++at) crc = (crc >> 8) ^ table[(crc ^ (uint8_t)bytes[at]) & 0xff];
  return crc ^ 0xffffffffu;
}

// Eight hex digits of either case. A letter's low four bits are nine short of its value, and bit 6 tells letters apart.
static uint32_t parseHex8(const char *text) {
  uint32_t value = 0;
  for (int at = 0; at < 8; ++at) value = value << 4 | (uint32_t)((text[at] & 15) + 9 * (text[at] >> 6 & 1));
  return value;
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
  if (!parseField(&at, end, &result->seq) || !parseField(&at, end, &reactor) || !parseField(&at, end, &band)) return false;
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

// ── sockets ─────────────────────────────────────────────────────────────────────────────────────────────────────────

// A connected non-blocking socket. Not being answered at all is a wrong argument, so it ends the program.
static int connectTo(int64_t port) {
  const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd < 0) stop(exitFailedCheck, "socket: %s", strerror(errno));
  const struct timeval connectTimeout = {.tv_sec = 5};
  const int on = 1;
  setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &connectTimeout, sizeof connectTimeout);
  setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  if (connect(fd, (struct sockaddr *)&address, sizeof address) != 0) {
    stop(exitBadArgument, "127.0.0.1:%lld: %s", (long long)port, strerror(errno));
  }
  if (fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK) != 0) stop(exitFailedCheck, "fcntl: %s", strerror(errno));
  return fd;
}

// One send of what the connection still lacks up to untilBytes. Sets isBlocked when the socket took less than it was
// given, and isClosed when the other side is gone.
static ssize_t sendSome(struct Connection *connection, const struct LineBlock *block, uint64_t untilBytes) {
  const size_t blockBytes = block->lines * block->lineBytes;
  uint64_t length = untilBytes - connection->bytesSent;
  if (length > writeBytes) length = writeBytes;
  if (length > blockBytes - connection->offset) length = blockBytes - connection->offset;
  const ssize_t sent = send(connection->fd, block->bytes + connection->offset, (size_t)length, MSG_NOSIGNAL | MSG_DONTWAIT);
  if (sent < 0) {
    if (errno == EAGAIN || errno == EINTR) {
      connection->isBlocked = errno == EAGAIN;
      return 0;
    }
    complain("sending: %s", strerror(errno));
    connection->isClosed = true;
    return 0;
  }
  connection->isBlocked = (uint64_t)sent < length;
  connection->bytesSent += (uint64_t)sent;
  connection->offset += (size_t)sent;
  if (connection->offset == blockBytes) connection->offset = 0;
  return sent;
}

// On an input connection the program has nothing to say but `ERR <seq> <reason>`.
static void readAnswers(struct Connection *connection, bool isEndExpected) {
  if (connection->isClosed) return;
  char text[512];
  const ssize_t received = recv(connection->fd, text, sizeof text, MSG_DONTWAIT);
  if (received < 0 && (errno == EAGAIN || errno == EINTR)) return;
  if (received > 0) {
    complain("the program answered: %.*s", (int)strcspn(text, "\n") < received ? (int)strcspn(text, "\n") : (int)received, text);
    return;
  }
  connection->isClosed = true;
  if (received < 0) complain("an input connection broke: %s", strerror(errno));
  else if (!isEndExpected) complain("the program closed an input connection");
}

// Appends what is there: bytes read, 0 at the end of the stream, −1 when there is nothing yet.
static ssize_t receiveInto(struct LineReader *reader, int fd) {
  if (reader->length == readBytes) stop(exitFailedCheck, "a result longer than %d bytes", readBytes);
  const ssize_t received = recv(fd, reader->buffer + reader->length, readBytes - reader->length, 0);
  if (received < 0) {
    if (errno == EAGAIN || errno == EINTR) return -1;
    complain("reading the output: %s", strerror(errno));
    return 0;
  }
  reader->length += (size_t)received;
  return received;
}

// ── the rest ────────────────────────────────────────────────────────────────────────────────────────────────────────

struct OptionRule {
  const char *name;
  int64_t *value;
  int64_t lowest, highest;
  char modes;  // 't', 'l', or 'b' for both
  bool isRequired;
};

static int64_t parseNumber(const char *name, const char *text, int64_t lowest, int64_t highest) {
  char *end = NULL;
  errno = 0;
  const long long value = strtoll(text, &end, 10);
  if (errno != 0 || end == text || *end != '\0' || value < lowest || value > highest) {
    stop(exitBadArgument, "%s is '%s', not a number from %lld to %lld", name, text, (long long)lowest, (long long)highest);
  }
  return value;
}

static struct Options parseOptions(int argc, char **argv) {
  struct Options options = {0};
  const struct OptionRule rules[] = {
      {"--input", &options.inputPort, 1, 65535, 'b', true},
      {"--output", &options.outputPort, 0, 65535, 'b', true},
      {"--line-bytes", &options.lineBytes, 16, 60000, 'b', true},
      {"--keys", &options.keys, 1, maxKeys, 'b', true},
      {"--connections", &options.connections, 1, maxConnections, 't', true},
      {"--lines", &options.lines, 1, 1000000000, 't', true},
      {"--band", &options.band, 0, 7, 't', true},
      {"--flood-connections", &options.floodConnections, 0, maxConnections, 'l', true},
      {"--flood-rate", &options.floodRate, 0, 10000000, 'l', true},
      {"--flood-band", &options.floodBand, 0, 7, 'l', true},
      {"--urgent-rate", &options.urgentRate, 1, 1000000, 'l', true},
      {"--urgent-band", &options.urgentBand, 0, 7, 'l', true},
      {"--seconds", &options.seconds, 1, 120, 'l', true},
      {"--warmup-seconds", &options.warmupSeconds, 0, 60, 'l', true},
      {"--nice", &options.nice, -20, 19, 'l', false},
      {"--fifo", &options.fifo, 1, 99, 'l', false},
  };
  const size_t ruleCount = sizeof rules / sizeof rules[0];
  const char mode = argv[1][0];
  for (size_t at = 0; at < ruleCount; ++at) *rules[at].value = notGiven;

  for (int at = 2; at < argc; at += 2) {
    const char *name = argv[at];
    if (at + 1 == argc) stop(exitBadArgument, "%s has no value", name);
    const char *text = argv[at + 1];
    if (strcmp(name, "--cpus") == 0) {
      options.cpus = text;
      continue;
    }
    size_t rule = 0;
    while (rule < ruleCount && (strcmp(name, rules[rule].name) != 0 || (rules[rule].modes != 'b' && rules[rule].modes != mode))) ++rule;
    if (rule == ruleCount) stop(exitBadArgument, "'%s' is no option of %s", name, argv[1]);
    const bool isMixed = rules[rule].value == &options.band && strcmp(text, "mixed") == 0;
    *rules[rule].value = isMixed ? -1 : parseNumber(name, text, rules[rule].lowest, rules[rule].highest);
  }
  for (size_t at = 0; at < ruleCount; ++at) {
    if (rules[at].isRequired && (rules[at].modes == 'b' || rules[at].modes == mode) && *rules[at].value == notGiven) {
      stop(exitBadArgument, "%s needs %s", argv[1], rules[at].name);
    }
  }
  if (mode == 'l' && options.outputPort == 0) stop(exitBadArgument, "latency needs an --output other than 0");
  if (mode == 'l' && (options.floodConnections == 0) != (options.floodRate == 0)) {
    stop(exitBadArgument, "--flood-connections and --flood-rate are both 0 or neither is");
  }
  return options;
}

// Takes `0,2-3`. The mask is read back, since the kernel may grant less than was asked.
static void pinProcess(const char *list) {
  cpu_set_t asked, granted;
  CPU_ZERO(&asked);
  for (const char *at = list;;) {
    char *end;
    const long first = strtol(at, &end, 10);
    long last = first;
    bool isNumber = end != at;
    if (isNumber && *end == '-') {
      at = end + 1;
      last = strtol(at, &end, 10);
      isNumber = end != at;
    }
    if (!isNumber || first < 0 || last < first || last >= CPU_SETSIZE || (*end != ',' && *end != '\0')) {
      stop(exitBadArgument, "--cpus is '%s', not a list like 0,2-3", list);
    }
    for (long cpu = first; cpu <= last; ++cpu) CPU_SET((int)cpu, &asked);
    if (*end == '\0') break;
    at = end + 1;
  }
  if (sched_setaffinity(0, sizeof asked, &asked) != 0 || sched_getaffinity(0, sizeof granted, &granted) != 0 || !CPU_EQUAL(&asked, &granted)) {
    stop(exitBadArgument, "--cpus %s was not granted", list);
  }
}

static int64_t nowNs(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (int64_t)now.tv_sec * secondNs + now.tv_nsec;
}

static void sleepUntil(int64_t momentNs) {
  const struct timespec moment = {.tv_sec = momentNs / secondNs, .tv_nsec = momentNs % secondNs};
  while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &moment, NULL) == EINTR) {
  }
}

static void *allocate(size_t count, size_t bytes) {
  void *memory = calloc(count, bytes);
  if (memory == NULL) stop(exitFailedCheck, "out of memory");
  return memory;
}

// Fails the run. Only the first reason is told: the others usually follow from it.
static void complain(const char *format, ...) {
  if (atomic_exchange_explicit(&hasFailed, true, memory_order_relaxed)) return;  // run.failed
  va_list arguments;
  va_start(arguments, format);
  fputs("load_client: ", stderr);
  vfprintf(stderr, format, arguments);
  fputc('\n', stderr);
  va_end(arguments);
}

static void stop(int code, const char *format, ...) {
  va_list arguments;
  va_start(arguments, format);
  fputs("load_client: ", stderr);
  vfprintf(stderr, format, arguments);
  fputc('\n', stderr);
  va_end(arguments);
  _exit(code);
}
