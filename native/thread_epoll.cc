#include "thread_epoll.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/epoll.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "clock.h"
#include "timerfd.h"

namespace percore {

static bool watch(int epoll, int fd, uint64_t token, uint32_t events = EPOLLIN | EPOLLET) {
  epoll_event interest{};
  interest.events = events;
  interest.data.u64 = token;
  return epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &interest) == 0;
}

bool ThreadEpoll::open(int eventFd, uv_loop_s* loop) {
  eventFd_ = eventFd;
  timer_.reset(timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK));
  if (!timer_ && !LoopTimer::isStandInFor(errno)) return false;
  epoll_.reset(epoll_create1(EPOLL_CLOEXEC));
  if (!epoll_ || (eventFd >= 0 && !watch(epoll_.get(), eventFd, kWakerToken))) return false;
  if (timer_) return watch(epoll_.get(), timer_.get(), kTimerToken);
  if (loop) standIn_.open(loop);
  return true;
}

void ThreadEpoll::armTimer(int64_t monotonicNs) {
  if (monotonicNs == armedNs_) return;
  // The stand-in may fire before its time, so it never counts as armed.
  if (!timer_) return standIn_.arm(monotonicNs);
  armedNs_ = monotonicNs;
  setTimerfd(timer_.get(), monotonicNs);
}

int ThreadEpoll::takeWaker() {
  if (eventFd_ < 0) return waker_.get();
  // Of its own, since whoever has made the eventfd may close it first.
  waker_.reset(fcntl(eventFd_, F_DUPFD_CLOEXEC, 0));
  if (waker_ && epoll_ctl(epoll_.get(), EPOLL_CTL_DEL, eventFd_, nullptr) != 0) waker_.reset();
  if (waker_) eventFd_ = -1;
  return waker_.get();
}

void ThreadEpoll::silenceWaker() {
  uint64_t count;
  // EAGAIN: there was nothing.
  if (read(waker_.get(), &count, sizeof count) < 0) return;
}

// Level-triggered: what libuv has not done yet is reported again.
bool ThreadEpoll::watchLoop(int backendFd) { return watch(epoll_.get(), backendFd, kLoopToken, EPOLLIN); }

void ThreadEpoll::unwatchLoop(int backendFd) {
  epoll_ctl(epoll_.get(), EPOLL_CTL_DEL, backendFd, nullptr);
  beside_.reset();
}

bool ThreadEpoll::watchBeside(int loopFd) {
  if (beside_) return true;
  UniqueFd beside(epoll_create1(EPOLL_CLOEXEC));
  if (!beside || !watch(beside.get(), eventFd_, kWakerToken) || !watch(beside.get(), timer_.get(), kTimerToken) ||
      !watch(beside.get(), loopFd, kLoopToken, EPOLLIN))
    return false;
  beside_ = std::move(beside);
  return true;
}

bool ThreadEpoll::sleepBesideArrivals(int loopFd, int64_t ns, const int32_t* attention) {
  if (eventFd_ < 0 || !timer_ || !watchBeside(loopFd)) return false;
  const int64_t until = monotonicNs() + ns;
  for (int64_t left = ns; left > 0; left = until - monotonicNs()) {
    pollfd one{beside_.get(), POLLIN, 0};
    const timespec time{time_t(left / 1'000'000'000), long(left % 1'000'000'000)};
    if (ppoll(&one, 1, &time, nullptr) <= 0) return true;
    epoll_event events[4];
    const int count = epoll_wait(beside_.get(), events, 4, 0);
    // What woke an earlier sleep is still announced here, once. Whoever wants this thread has said so in the word.
    const bool isOld = count == 1 && events[0].data.u64 == kWakerToken;
    if (!isOld || __atomic_load_n(attention, __ATOMIC_SEQ_CST) != int32_t(layout::Attention::kParked)) return true;
  }
  return true;
}

int ThreadEpoll::collect(IoSource* io, double* wakes, int waitMs) {
  epoll_event events[IoSource::kEpollBatch];
  int all = 0;
  isLoopReady_ = false;
  // What does not fit stays ready, and libuv reports this epoll again. EINTR ends the pass as well, and nothing is
  // lost.
  for (int count = IoSource::kEpollBatch; count == IoSource::kEpollBatch && (!io || io->hasRoom());) {
    count = epoll_wait(epoll_.get(), events, IoSource::kEpollBatch, all == 0 ? waitMs : 0);
    all += std::max(count, 0);
    for (int i = 0; i < count; i++) {
      if (events[i].data.u64 == kWakerToken) *wakes += 1;
      else if (events[i].data.u64 == kTimerToken) armedNs_ = INT64_MAX;  // a timerfd that fired is disarmed
      else if (events[i].data.u64 == kLoopToken) isLoopReady_ = true;
      else if (io) io->onEvent(events[i].data.u64, events[i].events);
    }
  }
  if (io && io->hasMore()) io->collect();
  return all;
}

void ThreadEpoll::close() {
  leaveLoop();
  beside_.reset();
  epoll_.reset();
  timer_.reset();
  waker_.reset();
}

}  // namespace percore
