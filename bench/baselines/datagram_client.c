// UDP load for the echo servers of suite `io`: one socket, 64-byte datagrams, `depth` of them under way, closed loop.
//
//     recvmmsg (sleeps for the first, takes all there are) ──k answers──> sendmmsg of k
//
// Each answer must equal a datagram that is under way, byte for byte, and come only once. The order is not checked,
// since UDP does not promise one. The window is far smaller than the buffer of a socket, so if a datagram does not come
// back within a second, the server has lost it.
#define _GNU_SOURCE
#include "client.h"

enum { maxDepth = 256, ringSize = 4096 };

static uint8_t sendBytes[maxDepth][messageBytes], receiveBytes[maxDepth][messageBytes + 1];
static struct mmsghdr toSend[maxDepth], received[maxDepth];
static struct iovec sendVectors[maxDepth], receiveVectors[maxDepth];
static int64_t momentsNs[ringSize];
static bool isUnderWay[ringSize];
static struct Histogram latencies;

static void sendMessages(int fd, uint64_t first, uint64_t count, int64_t momentNs) {
  for (uint64_t at = 0; at < count; ++at) {
    const uint64_t number = first + at;
    if (isUnderWay[number % ringSize])
      stop(exitFailedCheck, "datagram %llu has not come back", (unsigned long long)(number - ringSize));
    isUnderWay[number % ringSize] = true;
    momentsNs[number % ringSize] = momentNs;
    writeMessage(sendBytes[at], 0, number);
  }
  for (uint64_t sent = 0; sent < count;) {
    const int now = sendmmsg(fd, toSend + sent, (unsigned)(count - sent), 0);
    if (now < 0) stop(exitFailedCheck, "sendmmsg: %s", strerror(errno));
    sent += (uint64_t)now;
  }
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
  makePattern();
  for (size_t at = 0; at < maxDepth; ++at) {
    sendVectors[at] = (struct iovec){.iov_base = sendBytes[at], .iov_len = messageBytes};
    receiveVectors[at] = (struct iovec){.iov_base = receiveBytes[at], .iov_len = messageBytes + 1};
    toSend[at].msg_hdr = (struct msghdr){.msg_iov = &sendVectors[at], .msg_iovlen = 1};
    received[at].msg_hdr = (struct msghdr){.msg_iov = &receiveVectors[at], .msg_iovlen = 1};
  }
  const int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  const struct sockaddr_in address = loopback(port);
  if (fd < 0 || connect(fd, (const struct sockaddr *)&address, sizeof address) != 0)
    stop(exitBadArgument, "connect: %s", strerror(errno));
  const struct timeval patience = {.tv_sec = 1};
  setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);

  const int64_t measureFromNs = nowNs() + warmupMs * millisecondNs;
  const int64_t measureUntilNs = measureFromNs + milliseconds * millisecondNs;
  uint64_t sent = (uint64_t)depth, answered = 0, measured = 0;
  int64_t ownFromNs = 0, ownUntilNs = 0;
  sendMessages(fd, 0, (uint64_t)depth, nowNs());
  while (answered < sent) {
    const int count = recvmmsg(fd, received, (unsigned)depth, MSG_WAITFORONE, NULL);
    const int64_t now = nowNs();
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0)
      stop(exitFailedCheck, "%llu of %llu datagrams did not come back: %s", (unsigned long long)(sent - answered),
           (unsigned long long)sent, strerror(errno));
    const bool isCounted = now >= measureFromNs && now < measureUntilNs;
    for (int at = 0; at < count; ++at) {
      uint64_t number;
      memcpy(&number, receiveBytes[at] + 8, 8);
      if (received[at].msg_len != messageBytes || number >= sent || !isUnderWay[number % ringSize] ||
          !isMessage(receiveBytes[at], 0, number)) {
        stop(exitFailedCheck, "a datagram came that is not under way");
      }
      isUnderWay[number % ringSize] = false;
      if (isCounted) record(&latencies, now - momentsNs[number % ringSize]);
    }
    answered += (uint64_t)count;
    if (isCounted) {
      if (measured == 0) ownFromNs = ownCpuNs();
      measured += (uint64_t)count;
    }
    if (now >= measureUntilNs) {
      if (ownUntilNs == 0) ownUntilNs = ownCpuNs();
      continue;
    }
    sendMessages(fd, sent, (uint64_t)count, now);
    sent += (uint64_t)count;
  }
  if (measured == 0) stop(exitFailedCheck, "nothing was answered in the measured time");
  printf(
      "{\"requests\":%llu,\"perSecond\":%.1f,\"p50Us\":%.3f,\"p99Us\":%.3f,\"clientCpuPercent\":%.1f,\"verified\":true}"
      "\n",
      (unsigned long long)measured, (double)measured * 1000 / (double)milliseconds, percentileUs(&latencies, 50),
      percentileUs(&latencies, 99), (double)(ownUntilNs - ownFromNs) / 1e4 / (double)milliseconds);
  return 0;
}
