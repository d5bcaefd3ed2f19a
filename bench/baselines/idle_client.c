// Idle connections for the row `memory` of suite `io`. Opens so many and exchanges one message on each, which proves
// that it was accepted, and after which the server has everything that it keeps for a connection. Prints {"open":N} and
// waits. When its stdin ends, it exchanges another message on each, which proves that none was lost meanwhile, resets
// all, and prints the same with "verified":true.
#define _GNU_SOURCE
#include "client.h"

enum { batch = 64 };  // Fewer than fit into an accept queue.

static void sendOne(int fd, int64_t index, uint64_t number) {
  uint8_t bytes[messageBytes];
  writeMessage(bytes, (uint64_t)index, number);
  if (send(fd, bytes, messageBytes, MSG_NOSIGNAL) != messageBytes) stop(exitFailedCheck, "send: %s", strerror(errno));
}

static void receiveOne(int fd, int64_t index, uint64_t number) {
  uint8_t bytes[messageBytes];
  const ssize_t received = recv(fd, bytes, messageBytes, MSG_WAITALL);
  if (received != messageBytes || !isMessage(bytes, (uint64_t)index, number)) {
    stop(exitFailedCheck, "connection %lld did not echo its message: %s", (long long)index,
         received < 0 ? strerror(errno) : "other bytes, or its end");
  }
}

int main(int argc, char **argv) {
  int64_t port = notGiven, cpu = notGiven, connections = notGiven;
  const struct Rule rules[] = {
      {"--port", &port, 1, 65535}, {"--cpu", &cpu, 0, CPU_SETSIZE - 1}, {"--connections", &connections, 1, 60000}};
  parseArguments(argc, argv, rules, sizeof rules / sizeof rules[0]);
  pinTo(cpu);
  raiseDescriptorLimit(connections + 16);
  makePattern();
  int *fds = allocate((size_t)connections, sizeof *fds);
  const struct timeval patience = {.tv_sec = 5};
  for (int64_t first = 0; first < connections; first += batch) {
    const int64_t end = first + batch < connections ? first + batch : connections;
    for (int64_t index = first; index < end; ++index) {
      fds[index] = connectTo(port);
      setsockopt(fds[index], SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
      sendOne(fds[index], index, 0);
    }
    for (int64_t index = first; index < end; ++index) receiveOne(fds[index], index, 0);
  }
  printf("{\"open\":%lld}\n", (long long)connections);
  fflush(stdout);
  while (getchar() != EOF) {
  }
  for (int64_t index = 0; index < connections; ++index) sendOne(fds[index], index, 1);
  for (int64_t index = 0; index < connections; ++index) receiveOne(fds[index], index, 1);
  for (int64_t index = 0; index < connections; ++index) closeByReset(fds[index]);
  printf("{\"open\":%lld,\"verified\":true}\n", (long long)connections);
  return 0;
}
