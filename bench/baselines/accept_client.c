// Opens as many connections as it can for the row `accept` of suite `io`. Each proves by one echoed byte that it was
// accepted and served, and is then reset, so that no port waits in TIME_WAIT.
//
//     slot 0 1 2 … depth-1, over and over:  read the echo · reset · connect · send a byte
//
// There is no epoll here, since the echo of the oldest slot has nearly always come already. connect to AF_UNSPEC resets
// a connection and leaves a socket that can connect again. That saves the client two of seven system calls, which it
// needs, because opening a connection costs more than accepting one.
#define _GNU_SOURCE
#include "client.h"

enum { maxDepth = 256 };

static void open1(int fd, const struct sockaddr_in *address, uint8_t byte) {
  // On the loopback the handshake is over when connect returns.
  if (connect(fd, (const struct sockaddr *)address, sizeof *address) != 0)
    stop(exitFailedCheck, "connect: %s", strerror(errno));
  if (send(fd, &byte, 1, MSG_NOSIGNAL) != 1) stop(exitFailedCheck, "send: %s", strerror(errno));
}

static void finish(int fd, uint8_t expected) {
  uint8_t byte;
  const ssize_t received = recv(fd, &byte, 1, 0);
  if (received != 1)
    stop(received < 0 && errno == EAGAIN ? exitNoProgress : exitFailedCheck, "no echo: %s",
         received < 0 ? strerror(errno) : "closed");
  if (byte != expected) stop(exitFailedCheck, "the echo is another connection's byte");
  const struct sockaddr none = {.sa_family = AF_UNSPEC};
  if (connect(fd, &none, sizeof none) != 0) stop(exitFailedCheck, "disconnect: %s", strerror(errno));
}

int main(int argc, char **argv) {
  int64_t port = notGiven, cpu = notGiven, depth = notGiven, milliseconds = notGiven, warmupMs = 0;
  const struct Rule rules[] = {
      {"--port", &port, 1, 65535},       {"--cpu", &cpu, 0, CPU_SETSIZE - 1},
      {"--depth", &depth, 1, maxDepth},  {"--milliseconds", &milliseconds, 1, 60000},
      {"--warmup", &warmupMs, 0, 60000},
  };
  parseArguments(argc, argv, rules, sizeof rules / sizeof rules[0]);
  pinTo(cpu);
  const struct sockaddr_in address = loopback(port);
  const struct timeval patience = {.tv_sec = 5};
  int fds[maxDepth];
  for (int64_t slot = 0; slot < depth; ++slot) {
    fds[slot] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fds[slot] < 0) stop(exitFailedCheck, "socket: %s", strerror(errno));
    const int on = 1;
    setsockopt(fds[slot], IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    setsockopt(fds[slot], SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    open1(fds[slot], &address, (uint8_t)slot);
  }
  // Connection n is in slot n % depth and sends the byte n % 256.
  uint64_t number = 0, counted = 0;
  const int64_t measureFromNs = nowNs() + warmupMs * millisecondNs;
  const int64_t measureUntilNs = measureFromNs + milliseconds * millisecondNs;
  int64_t ownFromNs = 0;
  for (int64_t now = nowNs(); now < measureUntilNs; ++number, now = nowNs()) {
    const int fd = fds[number % (uint64_t)depth];
    finish(fd, (uint8_t)number);
    if (now >= measureFromNs) {
      if (counted == 0) ownFromNs = ownCpuNs();
      counted += 1;
    }
    open1(fd, &address, (uint8_t)(number + (uint64_t)depth));
  }
  const int64_t ownNs = ownCpuNs() - ownFromNs;
  for (int64_t slot = 0; slot < depth; ++slot, ++number) finish(fds[number % (uint64_t)depth], (uint8_t)number);
  if (counted == 0) stop(exitFailedCheck, "no connection was served in the measured time");
  printf("{\"connections\":%llu,\"perSecond\":%.1f,\"clientCpuPercent\":%.1f,\"verified\":true}\n",
         (unsigned long long)counted, (double)counted * 1000 / (double)milliseconds,
         (double)ownNs / 1e4 / (double)milliseconds);
  return 0;
}
