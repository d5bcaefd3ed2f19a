// TCP load for the echo servers of suite `io`: 64-byte messages over N connections, one thread, edge-triggered epoll.
//
//     closed loop (--rate 0)    each connection has `depth` messages in flight; for k answers that it reads it sends k
//                               messages, in one send. This measures what a server can do. A latency is the time from
//                               the send to the last byte of the answer.
//     open loop (--rate R)      message n is due at start + n / R on connection n % N, whatever has happened to the
//                               others, and its latency runs from that time. This measures what the same work costs:
//                               `serverCpuNs` of --server PID.
//
//     connect · `warmupMs`, not counted · `milliseconds`, counted · what is in flight comes back · close by reset
//
// The open loop looks at its sockets all the time and never sleeps, since the lateness of a timer would be charged to
// the server. `sendLateP99Us` says how late it sent nevertheless: if other programs take its CPU, messages come in
// bursts, which cost a server less than an even rate. Every answer is compared with its message, so each message was
// echoed exactly once and in order on its connection.
#define _GNU_SOURCE
#include "client.h"

enum { maxEvents = 256, maxInFlight = 1024, maxDepth = 64 };

struct Connection {
  int fd;
  uint64_t sent, answered;
  size_t have;         // Bytes that were read of an answer that is not complete yet.
  int64_t *momentsNs;  // At n % inFlight: when message n was sent, or was due.
  uint8_t *buffer;
};

static int64_t port = notGiven, cpu = notGiven, connections = notGiven, depth = 1, rate = 0, milliseconds = notGiven,
               warmupMs = 0, server = 0;
static struct Connection *all;
static uint64_t inFlight;  // The most messages that a connection may have under way.
static struct Histogram latencies, lateness;
static uint64_t answersTotal, answersMeasured;
static int64_t measureFromNs, measureUntilNs;

static void sendMessages(uint64_t index, uint64_t count, int64_t momentNs) {
  static uint8_t bytes[maxDepth * messageBytes];
  struct Connection *connection = &all[index];
  for (uint64_t at = 0; at < count; ++at) {
    const uint64_t number = connection->sent + at;
    writeMessage(bytes + at * messageBytes, index, number);
    connection->momentsNs[number % inFlight] = momentNs;
  }
  connection->sent += count;
  if (connection->sent - connection->answered > inFlight)
    stop(exitFailedCheck, "%llu messages unanswered on one connection: the server does not keep up",
         (unsigned long long)inFlight);
  const ssize_t sent = send(connection->fd, bytes, count * messageBytes, MSG_NOSIGNAL);
  // Far less is under way than fits into the buffer of a socket, so there is always room.
  if (sent != (ssize_t)(count * messageBytes))
    stop(exitFailedCheck, "send: %zd of %zu bytes: %s", sent, (size_t)(count * messageBytes),
         sent < 0 ? strerror(errno) : "short");
}

// Reads and checks what has come; returns how many answers that was.
static uint64_t receiveAnswers(uint64_t index, int64_t *momentNs) {
  struct Connection *connection = &all[index];
  const size_t room = inFlight * messageBytes + 1 - connection->have;  // One byte more than may come.
  const ssize_t received = recv(connection->fd, connection->buffer + connection->have, room, 0);
  *momentNs = nowNs();
  if (received <= 0) {
    if (received < 0 && (errno == EAGAIN || errno == EINTR)) return 0;
    stop(exitFailedCheck, "the server ended a connection: %s", received < 0 ? strerror(errno) : "closed");
  }
  const size_t have = connection->have + (size_t)received;
  const uint64_t answers = have / messageBytes;
  if (connection->answered + answers > connection->sent) stop(exitFailedCheck, "more was answered than sent");
  const bool isCounted = *momentNs >= measureFromNs && *momentNs < measureUntilNs;
  for (uint64_t at = 0; at < answers; ++at) {
    const uint64_t number = connection->answered + at;
    if (!isMessage(connection->buffer + at * messageBytes, index, number)) {
      stop(exitFailedCheck, "answer %llu of connection %llu is not the message sent", (unsigned long long)number,
           (unsigned long long)index);
    }
    if (isCounted) record(&latencies, *momentNs - connection->momentsNs[number % inFlight]);
  }
  connection->answered += answers;
  connection->have = have - answers * messageBytes;
  if (connection->have != 0) memmove(connection->buffer, connection->buffer + answers * messageBytes, connection->have);
  answersTotal += answers;
  if (isCounted) answersMeasured += answers;
  return answers;
}

int main(int argc, char **argv) {
  const struct Rule rules[] = {
      {"--port", &port, 1, 65535},
      {"--cpu", &cpu, 0, CPU_SETSIZE - 1},
      {"--connections", &connections, 1, 4096},
      {"--depth", &depth, 1, maxDepth},
      {"--rate", &rate, 0, 10000000},
      {"--milliseconds", &milliseconds, 1, 60000},
      {"--warmup", &warmupMs, 0, 60000},
      {"--server", &server, 0, INT32_MAX},
  };
  parseArguments(argc, argv, rules, sizeof rules / sizeof rules[0]);
  pinTo(cpu);
  raiseDescriptorLimit(connections + 16);
  makePattern();
  inFlight = rate == 0 ? (uint64_t)depth : maxInFlight;

  const int epoll = epoll_create1(EPOLL_CLOEXEC);
  all = allocate((size_t)connections, sizeof *all);
  for (int64_t index = 0; index < connections; ++index) {
    all[index] = (struct Connection){
        .fd = connectTo(port), .momentsNs = allocate(inFlight, 8), .buffer = allocate(inFlight * messageBytes + 1, 1)};
    makeNonBlocking(all[index].fd);
    struct epoll_event interest = {.events = EPOLLIN | EPOLLRDHUP | EPOLLET, .data.u64 = (uint64_t)index};
    if (epoll_ctl(epoll, EPOLL_CTL_ADD, all[index].fd, &interest) != 0)
      stop(exitFailedCheck, "epoll_ctl: %s", strerror(errno));
  }

  const int64_t startNs = nowNs();
  measureFromNs = startNs + warmupMs * millisecondNs;
  measureUntilNs = measureFromNs + milliseconds * millisecondNs;
  const double nsPerMessage = rate == 0 ? 0 : 1e9 / (double)rate;
  uint64_t sentTotal = 0;
  int64_t now = startNs, progressNs = startNs;
  int64_t ownFromNs = 0, ownUntilNs = 0, serverFromNs = 0, serverUntilNs = 0;
  if (rate == 0) {
    for (int64_t index = 0; index < connections; ++index) sendMessages((uint64_t)index, (uint64_t)depth, nowNs());
    sentTotal = (uint64_t)(connections * depth);
  }
  while (now < measureUntilNs || answersTotal < sentTotal) {
    if (ownFromNs == 0 && now >= measureFromNs) {
      ownFromNs = ownCpuNs();
      serverFromNs = server == 0 ? 0 : processCpuNs(server);
      now = nowNs();
    }
    if (ownUntilNs == 0 && now >= measureUntilNs) {
      ownUntilNs = ownCpuNs();
      serverUntilNs = server == 0 ? 0 : processCpuNs(server);
    }
    if (rate != 0 && now < measureUntilNs) {
      const uint64_t due = (uint64_t)((double)(now - startNs) / nsPerMessage);
      for (; sentTotal < due; ++sentTotal) {
        const int64_t dueNs = startNs + (int64_t)((double)sentTotal * nsPerMessage);
        if (dueNs >= measureFromNs) record(&lateness, nowNs() - dueNs);
        sendMessages(sentTotal % (uint64_t)connections, 1, dueNs);
      }
    }
    struct epoll_event events[maxEvents];
    const int count = epoll_wait(epoll, events, maxEvents, rate == 0 ? 100 : 0);
    if (count < 0 && errno != EINTR) stop(exitFailedCheck, "epoll_wait: %s", strerror(errno));
    now = nowNs();
    for (int at = 0; at < count; ++at) {
      const uint64_t index = events[at].data.u64;
      const uint64_t answers = receiveAnswers(index, &now);
      if (rate != 0 || answers == 0 || now >= measureUntilNs) continue;
      sendMessages(index, answers, now);
      sentTotal += answers;
    }
    if (count > 0) progressNs = now;
    if (now - progressNs > stallNs)
      stop(exitNoProgress, "no answer for 5 s: %llu of %llu came", (unsigned long long)answersTotal,
           (unsigned long long)sentTotal);
  }
  // The last answers may all have come before the end was noticed.
  if (ownUntilNs == 0) {
    ownUntilNs = ownCpuNs();
    serverUntilNs = server == 0 ? 0 : processCpuNs(server);
  }
  for (int64_t index = 0; index < connections; ++index) {
    uint8_t surplus;
    if (recv(all[index].fd, &surplus, 1, MSG_DONTWAIT) > 0) stop(exitFailedCheck, "more was answered than sent");
    closeByReset(all[index].fd);
  }
  if (answersMeasured == 0) stop(exitFailedCheck, "nothing was answered in the measured time");
  const double seconds = (double)milliseconds / 1000.0;
  printf(
      "{\"requests\":%llu,\"perSecond\":%.1f,\"p50Us\":%.3f,\"p99Us\":%.3f,\"maxUs\":%.3f,\"clientCpuPercent\":%.1f,"
      "\"serverCpuPercent\":%.1f,\"serverCpuUsPerRequest\":%.4f,\"sendLateP99Us\":%.3f,\"verified\":true}\n",
      (unsigned long long)answersMeasured, (double)answersMeasured / seconds, percentileUs(&latencies, 50),
      percentileUs(&latencies, 99), (double)latencies.max / 1000.0, (double)(ownUntilNs - ownFromNs) / 1e7 / seconds,
      (double)(serverUntilNs - serverFromNs) / 1e7 / seconds,
      (double)(serverUntilNs - serverFromNs) / 1000.0 / (double)answersMeasured, percentileUs(&lateness, 99));
  return 0;
}
