// Streaming for suite `io`: one TCP connection, blocks of 64 KiB, as fast as possible, in one direction.
//
//     sink     sends blocks for a time, half closes, and reads the server's count of bytes; then the clock ends
//     source   asks for 64 MiB (8 bytes, little endian) again and again, and reads them until the time is over
//
// The bytes repeat after 64 KiB. Both sides compare the first and the last byte of each read with those that belong to
// its position, and count all bytes. So a byte that is lost, doubled or shifted is noticed. Comparing each byte would
// mainly measure the comparison.
#define _GNU_SOURCE
#include "client.h"

enum { streamBytes = 65536, readBytes = 256 * 1024 };
static const uint64_t requestBytes = 64 * 1024 * 1024;
static uint8_t stream[streamBytes];
static uint8_t buffer[readBytes];

static uint64_t sendUntil(int fd, int64_t endNs) {
  uint64_t count = 0;
  while (nowNs() < endNs) {
    for (size_t at = 0; at < streamBytes;) {
      const ssize_t sent = send(fd, stream + at, streamBytes - at, MSG_NOSIGNAL);
      if (sent < 0) stop(exitFailedCheck, "send: %s", strerror(errno));
      at += (size_t)sent;
    }
    count += streamBytes;
  }
  shutdown(fd, SHUT_WR);
  uint64_t counted = 0;
  const ssize_t received = recv(fd, &counted, sizeof counted, MSG_WAITALL);
  if (received != sizeof counted) stop(exitFailedCheck, "no count came: %s", received < 0 ? strerror(errno) : "closed");
  if (counted == UINT64_MAX) stop(exitFailedCheck, "the server says that bytes were wrong");
  if (counted != count)
    stop(exitFailedCheck, "%llu bytes were sent, the server counted %llu", (unsigned long long)count,
         (unsigned long long)counted);
  return count;
}

static uint64_t receiveUntil(int fd, int64_t endNs) {
  uint64_t count = 0;
  do {
    if (send(fd, &requestBytes, sizeof requestBytes, MSG_NOSIGNAL) != sizeof requestBytes)
      stop(exitFailedCheck, "send: %s", strerror(errno));
    for (uint64_t at = 0; at < requestBytes;) {
      const ssize_t received = recv(fd, buffer, readBytes, 0);
      if (received <= 0) stop(exitFailedCheck, "recv: %s", received < 0 ? strerror(errno) : "closed");
      if (buffer[0] != stream[at % streamBytes] ||
          buffer[received - 1] != stream[(at + (uint64_t)received - 1) % streamBytes]) {
        stop(exitFailedCheck, "wrong bytes near %llu", (unsigned long long)(count + at));
      }
      at += (uint64_t)received;
      if (at > requestBytes) stop(exitFailedCheck, "more came than was asked for");
    }
    count += requestBytes;
  } while (nowNs() < endNs);
  return count;
}

int main(int argc, char **argv) {
  int64_t port = notGiven, cpu = notGiven, milliseconds = notGiven;
  const struct Rule rules[] = {
      {"--port", &port, 1, 65535}, {"--cpu", &cpu, 0, CPU_SETSIZE - 1}, {"--milliseconds", &milliseconds, 1, 60000}};
  const bool isSink = argc > 1 && strcmp(argv[1], "sink") == 0;
  if (!isSink && (argc < 2 || strcmp(argv[1], "source") != 0))
    stop(exitBadArgument, "the first argument is 'sink' or 'source'");
  parseArguments(argc - 1, argv + 1, rules, sizeof rules / sizeof rules[0]);
  pinTo(cpu);
  for (size_t at = 0; at < streamBytes; ++at) stream[at] = (uint8_t)(at * 31 + (at >> 8));
  const int fd = connectTo(port);
  const struct timeval patience = {.tv_sec = 5};
  setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
  setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);

  const int64_t startNs = nowNs();
  const uint64_t bytes = (isSink ? sendUntil : receiveUntil)(fd, startNs + milliseconds * millisecondNs);
  const int64_t elapsedNs = nowNs() - startNs;
  printf("{\"bytes\":%llu,\"gigabytesPerSecond\":%.4f,\"clientCpuPercent\":%.1f,\"verified\":true}\n",
         (unsigned long long)bytes, (double)bytes / (double)elapsedNs, (double)ownCpuNs() * 100 / (double)elapsedNs);
  close(fd);
  return 0;
}
