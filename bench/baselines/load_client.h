// What the two modes of load_client.c share: the lines that are sent, the sockets, the clock, and how a run fails.
//
// It is included and not linked, as client.h is, so that the compiler sees the whole loops, and one command compiles
// the program.
//
// | pair         | write side | read side  | carries         | needs   |
// |--------------|------------|------------|-----------------|---------|
// | `run.failed` | `complain` | both modes | the fact itself | relaxed |
#ifndef PERCORE_BENCH_LOAD_CLIENT_H
#define PERCORE_BENCH_LOAD_CLIENT_H

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
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
  settleMs = 200,  // Lets the program accept the output before the first line comes.
};
static const int64_t secondNs = 1000000000;

struct Options {
  int64_t inputPort, outputPort, lineBytes, keys;
  int64_t connections, lines, band;  // band −1 is `mixed`.
  int64_t floodConnections, floodRate, floodBand, urgentRate, urgentBand, seconds, warmupSeconds;
  int64_t nice, fifo;
  const char *cpus;
};
static const int64_t notGiven = INT64_MIN;

// Lines that are made beforehand and sent again and again. Line n of a connection is line (first + n) % lines of its
// block.
struct LineBlock {
  char *bytes;
  uint32_t *crcs;
  uint32_t *keys;
  size_t lines, lineBytes;
};

struct Connection {
  int fd;
  size_t offset;       // The position in the block of the next byte.
  uint64_t bytesSent;
  bool isBlocked;      // The last send did not take everything.
  bool isClosed;
};

struct LineReader {
  char *buffer;
  size_t length;
};

// ── failing ─────────────────────────────────────────────────────────────────────────────────────────────────────────

// run.failed: says that some check has failed. Any thread sets it; it carries nothing else.
static atomic_bool hasFailed;

static void complain(const char *format, ...) __attribute__((format(printf, 1, 2)));
static _Noreturn void stop(int code, const char *format, ...) __attribute__((format(printf, 2, 3)));

static void tell(const char *format, va_list arguments) {
  fputs("load_client: ", stderr);
  vfprintf(stderr, format, arguments);
  fputc('\n', stderr);
}

// Fails the run. Only the first reason is reported, since the others usually follow from it.
static void complain(const char *format, ...) {
  if (atomic_exchange_explicit(&hasFailed, true, memory_order_relaxed)) return;  // run.failed
  va_list arguments;
  va_start(arguments, format);
  tell(format, arguments);
  va_end(arguments);
}

static void stop(int code, const char *format, ...) {
  va_list arguments;
  va_start(arguments, format);
  tell(format, arguments);
  va_end(arguments);
  _exit(code);
}

static void *allocate(size_t count, size_t bytes) {
  void *memory = calloc(count, bytes);
  if (memory == NULL) stop(exitFailedCheck, "out of memory");
  return memory;
}

// ── the clock ───────────────────────────────────────────────────────────────────────────────────────────────────────

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

// ── lines ───────────────────────────────────────────────────────────────────────────────────────────────────────────

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

// Eight hex digits of either case. Bit 6 tells letters from digits; the low four bits of a letter are its value minus
// 9.
static uint32_t parseHex8(const char *text) {
  uint32_t value = 0;
  for (int at = 0; at < 8; ++at) value = value << 4 | (uint32_t)((text[at] & 15) + 9 * (text[at] >> 6 & 1));
  return value;
}

static uint64_t nextRandom(uint64_t *state) {
  // A 64-bit linear congruential step. Only its upper half is used, which is good enough to scatter keys.
  *state = *state * 6364136223846793005u + 1442695040888963407u;
  return *state >> 33;
}

// Every key occurs equally often, in shuffled order. The seed is fixed, so that all programs that are compared get the
// same lines.
static struct LineBlock makeBlock(char keyPrefix, int64_t keys, int64_t band, int64_t lineBytes) {
  static const char alphabet[64] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789 .";
  struct LineBlock block = {.lineBytes = (size_t)lineBytes};
  const size_t target = blockTargetBytes / block.lineBytes;
  block.lines = (size_t)keys * ((target + (size_t)keys - 1) / (size_t)keys);
  if (block.lines * block.lineBytes > maxBlockBytes)
    stop(exitBadArgument, "--keys times --line-bytes is above %d", maxBlockBytes);
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
    for (size_t position = headChars; position < payloadEnd; ++position)
      line[position] = alphabet[nextRandom(&random) & 63];
    // Spaces are only inside a payload: at its ends they would test how programs trim, and not how fast they are.
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

// ── sockets ─────────────────────────────────────────────────────────────────────────────────────────────────────────

// A connected non-blocking socket. If nobody answers, an argument is wrong, so the program ends.
static int connectTo(int64_t port) {
  const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd < 0) stop(exitFailedCheck, "socket: %s", strerror(errno));
  const struct timeval connectTimeout = {.tv_sec = 5};
  const int on = 1;
  setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &connectTimeout, sizeof connectTimeout);
  setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  struct sockaddr_in address = {
      .sin_family = AF_INET, .sin_port = htons((uint16_t)port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  if (connect(fd, (struct sockaddr *)&address, sizeof address) != 0) {
    stop(exitBadArgument, "127.0.0.1:%lld: %s", (long long)port, strerror(errno));
  }
  if (fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK) != 0) stop(exitFailedCheck, "fcntl: %s", strerror(errno));
  return fd;
}

// Makes one send of what the connection still has to send up to untilBytes. Sets isBlocked if the socket took less than
// it was given, and isClosed if the other side is gone.
static ssize_t sendSome(struct Connection *connection, const struct LineBlock *block, uint64_t untilBytes) {
  const size_t blockBytes = block->lines * block->lineBytes;
  uint64_t length = untilBytes - connection->bytesSent;
  if (length > writeBytes) length = writeBytes;
  if (length > blockBytes - connection->offset) length = blockBytes - connection->offset;
  const ssize_t sent =
      send(connection->fd, block->bytes + connection->offset, (size_t)length, MSG_NOSIGNAL | MSG_DONTWAIT);
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

// All that the program may say on an input connection is `ERR <seq> <reason>`.
static void readAnswers(struct Connection *connection, bool isEndExpected) {
  if (connection->isClosed) return;
  char text[512];
  const ssize_t received = recv(connection->fd, text, sizeof text, MSG_DONTWAIT);
  if (received < 0 && (errno == EAGAIN || errno == EINTR)) return;
  if (received > 0) {
    complain("the program answered: %.*s",
             (int)strcspn(text, "\n") < received ? (int)strcspn(text, "\n") : (int)received, text);
    return;
  }
  connection->isClosed = true;
  if (received < 0) complain("an input connection broke: %s", strerror(errno));
  else if (!isEndExpected) complain("the program closed an input connection");
}

// Appends what has come. Returns the bytes read, 0 at the end of the stream, or −1 if there is nothing yet.
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

#endif
