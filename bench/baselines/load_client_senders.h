// The sending threads of mode `latency` of load_client.c: T1 sends the flood and T2 the urgent lines, each by its plan.
#ifndef PERCORE_BENCH_LOAD_CLIENT_SENDERS_H
#define PERCORE_BENCH_LOAD_CLIENT_SENDERS_H

#include <pthread.h>
#include <sched.h>
#include <sys/prctl.h>
#include <sys/resource.h>

#include "load_client.h"

enum { maxUrgentLines = 10 * 1000 * 1000, floodTickMs = 1 };
static const int64_t graceNs = 10 * secondNs;       // How long to wait for late lines and late results.

// What the three threads share. Each field below the atomics is written by the thread that is named, and read by others
// only after they have joined that thread.
struct Run {
  const struct Options *options;
  struct LineBlock floodBlock, urgentBlock;
  int64_t startNs, warmEndNs, endNs;
  int output;
  uint64_t urgentLines;          // How many lines the plan has, including the warm-up.
  _Atomic int64_t urgentEndNs;   // run.urgentEnd: when T2 had finished; 0 before.
  atomic_bool isFloodOver;       // run.floodEnd: T1 has finished its last line.
  struct Connection *flood;
  uint64_t floodOffered, floodSent;              // T1
  struct Connection urgent;                      // T2
  int64_t *latenessNs;  // T2: by seq, time of sending minus the time when it was due; −1 if not sent
  int64_t *latencyNs;                            // T3: by seq; −1 if not received
  uint64_t results, urgentResults;               // T3
  uint64_t warmEndResults, endResults;           // T3: the results at these two times
  bool isFifoGranted[2];                         // T2, T3
};

static int64_t intendedNs(const struct Run *run, uint64_t seq) {
  return run->startNs + (int64_t)(seq * (uint64_t)secondNs / (uint64_t)run->options->urgentRate);
}

// How many lines of a stream are due when this much of its time has passed. At most 2 · 10^11 ns times 10^7, which does
// not overflow.
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

// Makes one send for a connection that has something due and has room. Returns whether it can go on at once.
static bool pushFlood(struct Connection *connection, const struct LineBlock *block, uint64_t untilBytes) {
  if (connection->isClosed || connection->isBlocked || connection->bytesSent >= untilBytes) return false;
  sendSome(connection, block, untilBytes);
  return !connection->isClosed && !connection->isBlocked && connection->bytesSent < untilBytes;
}

// T1. Line g of the flood is due at start + g / rate and belongs to connection g % connections. What a full socket does
// not take is just late: it stays due, and is tried again when epoll says that there is room.
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
      // After the end, finish only a line that is half sent: without its rest the program would have to reject it.
      const uint64_t untilLines =
          isOver ? (connection->bytesSent + lineBytes - 1) / lineBytes : (due + connections - 1 - index) / connections;
      hasMore |= pushFlood(connection, &run->floodBlock, untilLines * lineBytes);
      hasHalfLine |= !connection->isClosed && connection->bytesSent % lineBytes != 0;
    }
    if (now >= run->endNs && !isOver) {
      isOver = true;  // What is due by now was tried once more; the rest is how far the flood is behind.
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

// T2. Everything that is due goes out in one send. If the socket is full, lines are late, and their latency shows it.
static void *urgentSender(void *pointer) {
  struct Run *run = pointer;
  struct Connection *connection = &run->urgent;
  const uint64_t lineBytes = run->urgentBlock.lineBytes;
  const int64_t deadlineNs = run->endNs + graceNs;
  prctl(PR_SET_TIMERSLACK, 1);  // The default would add up to 50 µs of this program to every latency.
  run->isFifoGranted[0] = tryFifo(run->options->fifo);

  uint64_t sent = 0;
  while (sent < run->urgentLines && !connection->isClosed) {
    sleepUntil(intendedNs(run, sent));
    const int64_t now = nowNs();
    if (now >= deadlineNs) break;
    uint64_t due = dueLines(now - run->startNs, run->options->urgentRate) + 1;  // Line 0 is due at once.
    if (due <= sent) due = sent + 1;  // Its time was rounded down, and has come.
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

#endif
