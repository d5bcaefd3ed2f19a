// Baseline `C epoll`: the TCP servers of suite `io` as one would write them by hand. One thread, edge-triggered epoll,
// no allocation for a request, and no system call that a request does not need:
//
//     epoll_wait (as many events as there are) ──each──> recv into one buffer ──> send at once, from the same buffer
//
// A read that does not fill the buffer has emptied the socket, so there is no second read; whatever comes later is a
// new edge. What the kernel does not take is kept, and the connection is not read until that has gone. Only then does
// the server ask whether the socket is writable: asking at once would cost each new connection one more event.
//
//     echo     sends back what it reads
//     sink     counts what it reads, checks the first and last byte of each read, and answers the count at the end
//     source   is told how many bytes (8 bytes, little endian) and sends them in writes of 64 KiB, again and again
//
// `epoll_server echo|sink|source --cpu N`; prints {"port":…}, and ends when its stdin does.
#define _GNU_SOURCE
#include "client.h"

enum {
  maxEvents = 512,
  bufferBytes = 256 * 1024,
  streamBytes = 65536,
  maxDescriptors = 20000,
  listenerTag = -1,
  stdinTag = -2
};
enum Mode { echo, sink, source, modes };
static const char *const modeNames[modes] = {"echo", "sink", "source"};
// With one of these flags a short read does not empty the socket: its end or an error follows.
static const uint32_t atEnd = EPOLLRDHUP | EPOLLHUP | EPOLLERR;

struct Connection {
  uint8_t *pending;  // Allocated only for a peer that does not read.
  size_t pendingFrom, pendingTo;
  uint64_t count;    // sink: bytes read; source: bytes still to be sent.
  size_t at;         // source: where in the stream.
  bool isWrong;
};

static enum Mode mode;
static int epoll;
static uint8_t buffer[bufferBytes];
static uint8_t stream
    [2 *
     streamBytes];  // The bytes of a stream repeat after 64 KiB; twice, so that any position can be followed by 64 KiB.
static struct Connection connections[maxDescriptors];

static void watch(int operation, int fd, uint32_t more) {
  struct epoll_event interest = {.events = EPOLLIN | EPOLLRDHUP | EPOLLET | more, .data.fd = fd};
  if (epoll_ctl(epoll, operation, fd, &interest) != 0) stop(exitFailedCheck, "epoll_ctl: %s", strerror(errno));
}

static void closeConnection(int fd) {
  free(connections[fd].pending);
  connections[fd].pending = NULL;
  close(fd);
}

static void acceptAll(int listener) {
  for (;;) {
    const int fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd < 0) {
      if (errno == EAGAIN) return;
      if (errno == EINTR || errno == ECONNABORTED) continue;
      stop(exitFailedCheck, "accept4: %s", strerror(errno));
    }
    if (fd >= maxDescriptors) stop(exitFailedCheck, "too many connections");
    const int on = 1;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    connections[fd] = (struct Connection){0};
    watch(EPOLL_CTL_ADD, fd, mode == source ? EPOLLOUT : 0);
  }
}

// Sends what was kept. True if nothing is left; false if the kernel is full or the connection was closed.
static bool flush(int fd) {
  struct Connection *connection = &connections[fd];
  while (connection->pendingFrom < connection->pendingTo) {
    const ssize_t sent = send(fd, connection->pending + connection->pendingFrom,
                              connection->pendingTo - connection->pendingFrom, MSG_NOSIGNAL);
    if (sent < 0) {
      if (errno == EAGAIN) return false;
      closeConnection(fd);
      return false;
    }
    connection->pendingFrom += (size_t)sent;
  }
  return true;
}

static void echoReady(int fd, uint32_t events) {
  struct Connection *connection = &connections[fd];
  if (connection->pendingFrom < connection->pendingTo && !flush(fd)) return;
  for (;;) {
    const ssize_t received = recv(fd, buffer, bufferBytes, 0);
    if (received <= 0) {
      if (received < 0 && errno == EAGAIN) return;
      return closeConnection(fd);
    }
    const ssize_t sent = send(fd, buffer, (size_t)received, MSG_NOSIGNAL);
    if (sent < 0 && errno != EAGAIN) return closeConnection(fd);
    if (sent != received) {
      const size_t taken = sent < 0 ? 0 : (size_t)sent;
      if (connection->pending == NULL) {
        connection->pending = allocate(bufferBytes, 1);
        watch(EPOLL_CTL_MOD, fd, EPOLLOUT);
      }
      memcpy(connection->pending, buffer + taken, (size_t)received - taken);
      connection->pendingFrom = 0;
      connection->pendingTo = (size_t)received - taken;
      if (!flush(fd)) return;
    }
    if (received < bufferBytes && (events & atEnd) == 0) return;
  }
}

static void sinkReady(int fd, uint32_t events) {
  struct Connection *connection = &connections[fd];
  for (;;) {
    const ssize_t received = recv(fd, buffer, bufferBytes, 0);
    if (received < 0) {
      if (errno == EAGAIN) return;
      return closeConnection(fd);
    }
    if (received == 0) {
      const uint64_t answer = connection->isWrong ? UINT64_MAX : connection->count;
      send(fd, &answer, sizeof answer, MSG_NOSIGNAL);
      return closeConnection(fd);
    }
    connection->isWrong |= buffer[0] != stream[connection->count % streamBytes] ||
                           buffer[received - 1] != stream[(connection->count + (uint64_t)received - 1) % streamBytes];
    connection->count += (uint64_t)received;
    if (received < bufferBytes && (events & atEnd) == 0) return;
  }
}

static void sourceReady(int fd) {
  struct Connection *connection = &connections[fd];
  for (;;) {
    if (connection->count == 0) {
      const ssize_t received = recv(fd, &connection->count, 8, 0);
      if (received < 0 && errno == EAGAIN) return;
      if (received != 8) return closeConnection(fd);
      connection->at = 0;
    }
    const size_t length = connection->count < streamBytes ? (size_t)connection->count : streamBytes;
    const ssize_t sent = send(fd, stream + connection->at, length, MSG_NOSIGNAL);
    if (sent < 0) {
      if (errno == EAGAIN) return;
      return closeConnection(fd);
    }
    connection->count -= (uint64_t)sent;
    connection->at = (connection->at + (size_t)sent) % streamBytes;
  }
}

int main(int argc, char **argv) {
  int64_t cpu = notGiven;
  const struct Rule rules[] = {{"--cpu", &cpu, 0, CPU_SETSIZE - 1}};
  mode = echo;
  while (mode < modes && (argc < 2 || strcmp(argv[1], modeNames[mode]) != 0)) ++mode;
  if (mode == modes) stop(exitBadArgument, "the first argument is 'echo', 'sink' or 'source'");
  parseArguments(argc - 1, argv + 1, rules, sizeof rules / sizeof rules[0]);
  pinTo(cpu);
  raiseDescriptorLimit(1024);
  for (size_t at = 0; at < sizeof stream; ++at)
    stream[at] = (uint8_t)((at % streamBytes) * 31 + ((at % streamBytes) >> 8));

  const int listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  const int on = 1;
  setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  struct sockaddr_in address = loopback(0);
  socklen_t length = sizeof address;
  if (bind(listener, (const struct sockaddr *)&address, sizeof address) != 0 || listen(listener, 511) != 0 ||
      getsockname(listener, (struct sockaddr *)&address, &length) != 0) {
    stop(exitFailedCheck, "listen: %s", strerror(errno));
  }
  epoll = epoll_create1(EPOLL_CLOEXEC);
  struct epoll_event interest = {.events = EPOLLIN | EPOLLET, .data.fd = listenerTag};
  epoll_ctl(epoll, EPOLL_CTL_ADD, listener, &interest);
  interest = (struct epoll_event){.events = EPOLLIN, .data.fd = stdinTag};
  epoll_ctl(epoll, EPOLL_CTL_ADD, STDIN_FILENO, &interest);
  printf("{\"port\":%d}\n", ntohs(address.sin_port));
  fflush(stdout);

  for (;;) {
    struct epoll_event events[maxEvents];
    const int count = epoll_wait(epoll, events, maxEvents, -1);
    if (count < 0 && errno != EINTR) stop(exitFailedCheck, "epoll_wait: %s", strerror(errno));
    for (int at = 0; at < count; ++at) {
      const int fd = events[at].data.fd;
      if (fd == stdinTag) return 0;
      if (fd == listenerTag) acceptAll(listener);
      else if (mode == echo) echoReady(fd, events[at].events);
      else if (mode == sink) sinkReady(fd, events[at].events);
      else sourceReady(fd);
    }
  }
}
