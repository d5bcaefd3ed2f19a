// Mode `throughput` of load_client.c: one thread with one epoll loop. It sends every line as fast as the sockets take
// it, reads every result, and stops the clock at the last one. Lines come from a block that is made beforehand, so
// sending costs a system call and nothing else.
//
// With `--output 0` nobody reads results: each connection is half closed after its last line, and the clock stops when
// the program has closed all of them, which it does once it has read them to the end.
//
// Verified means that there are as many results as lines, and that the sum and the exclusive or of their CRC-32 fields
// are those that this program has computed itself.
#ifndef PERCORE_BENCH_LOAD_CLIENT_THROUGHPUT_H
#define PERCORE_BENCH_LOAD_CLIENT_THROUGHPUT_H

#include "load_client.h"

enum { surplusMs = 20 };                            // How long to wait for a result that should not come.
static const int64_t stallNs = 20 * secondNs;       // Give up after so long without progress.
static const int64_t throughputNs = 600 * secondNs; // Give up even if there is progress.

struct Tally {
  uint64_t results, sum;
  uint32_t exclusiveOr;
};

static struct Tally expectedTally(const struct LineBlock *block, const struct Options *options,
                                  const size_t *firstLines) {
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

// Only the last field is read. This mode cannot tell whether the others are right, and reading them would take time
// from the program under test, which shares these CPUs.
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
    if (epoll_ctl(epoll, EPOLL_CTL_ADD, output, &interest) != 0)
      stop(exitFailedCheck, "epoll_ctl: %s", strerror(errno));
  }
  for (int64_t index = 0; index < options->connections; ++index) {
    firstLines[index] = (size_t)index * block.lines / (size_t)options->connections;
    connections[index] =
        (struct Connection){.fd = connectTo(options->inputPort), .offset = firstLines[index] * block.lineBytes};
    struct epoll_event interest = {.events = EPOLLIN | EPOLLOUT, .data.u32 = (uint32_t)index};
    if (epoll_ctl(epoll, EPOLL_CTL_ADD, connections[index].fd, &interest) != 0)
      stop(exitFailedCheck, "epoll_ctl: %s", strerror(errno));
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
      if ((events[at].events & (EPOLLIN | EPOLLHUP | EPOLLERR)) != 0)
        readAnswers(connection, !hasOutput && connection->bytesSent == bytesEach);
      if (connection->isClosed) {
        epoll_ctl(epoll, EPOLL_CTL_DEL, connection->fd, NULL);
        close(connection->fd);
        hasProgressed = true;
        if (++closed == options->connections && !hasOutput) endNs = nowNs();
      }
    }
    const int64_t now = nowNs();
    if (hasProgressed) progressNs = now;
    // After a failed check the results can no longer be right, so there is nothing to wait for.
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
  else printf("null");  // If not all lines were processed, a rate would mean nothing.
  printf(",\"results\":%llu,\"verified\":%s}\n", (unsigned long long)tally.results, isVerified ? "true" : "false");
  free(reader.buffer);
  freeBlock(&block);
  return hasStalled ? exitNoProgress : isVerified ? 0 : exitFailedCheck;
}

#endif
