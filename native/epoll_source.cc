#include "epoll_source.h"

#include <sys/epoll.h>
#include <sys/timerfd.h>

#include <cerrno>

namespace percore {

static int watch(int epoll, int operation, int fd, uint64_t token, uint32_t events) {
  epoll_event interest{};
  interest.events = events;
  interest.data.u64 = token;
  return epoll_ctl(epoll, operation, fd, &interest) == 0 ? 0 : -errno;
}

static uint32_t eventsOf(int32_t interest) {
  using layout::Interest;
  uint32_t events = 0;
  if (interest & int32_t(Interest::kReadable)) events |= EPOLLIN | EPOLLRDHUP;
  if (interest & int32_t(Interest::kWritable)) events |= EPOLLOUT;
  if (interest & int32_t(Interest::kPriority)) events |= EPOLLPRI;
  if (!(interest & int32_t(Interest::kLevel))) events |= EPOLLET;
  if (interest & int32_t(Interest::kOneshot)) events |= EPOLLONESHOT;
  return events;
}

bool EpollSource::open(int eventFd) {
  timer_.reset(timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK));
  epoll_.reset(epoll_create1(EPOLL_CLOEXEC));
  if (!timer_ || !epoll_) return false;
  return watch(epoll_.get(), EPOLL_CTL_ADD, eventFd, kWakerToken, EPOLLIN | EPOLLET) == 0 && watch(epoll_.get(), EPOLL_CTL_ADD, timer_.get(), kTimerToken, EPOLLIN | EPOLLET) == 0;
}

int EpollSource::add(int fd, int32_t token, int32_t interest) { return watch(epoll_.get(), EPOLL_CTL_ADD, fd, uint64_t(uint32_t(token)), eventsOf(interest)); }

int EpollSource::modify(int fd, int32_t token, int32_t interest) { return watch(epoll_.get(), EPOLL_CTL_MOD, fd, uint64_t(uint32_t(token)), eventsOf(interest)); }

int EpollSource::remove(int fd) { return epoll_ctl(epoll_.get(), EPOLL_CTL_DEL, fd, nullptr) == 0 ? 0 : -errno; }

void EpollSource::armTimer(int64_t monotonicNs) {
  if (monotonicNs == armedNs_) return;
  armedNs_ = monotonicNs;
  itimerspec spec{};
  if (monotonicNs != INT64_MAX) {
    // Zero would disarm: a deadline in the past is one nanosecond after boot.
    const int64_t at = monotonicNs > 0 ? monotonicNs : 1;
    spec.it_value = {time_t(at / 1000000000), long(at % 1000000000)};
  }
  timerfd_settime(timer_.get(), TFD_TIMER_ABSTIME, &spec, nullptr);
}

static int32_t readinessOf(uint32_t events) {
  using layout::Readiness;
  int32_t bits = 0;
  if (events & EPOLLIN) bits |= int32_t(Readiness::kReadable);
  if (events & EPOLLOUT) bits |= int32_t(Readiness::kWritable);
  if (events & EPOLLRDHUP) bits |= int32_t(Readiness::kReadClosed);
  if (events & EPOLLHUP) bits |= int32_t(Readiness::kHangUp);
  if (events & EPOLLPRI) bits |= int32_t(Readiness::kPriority);
  if (events & EPOLLERR) bits |= int32_t(Readiness::kError);
  return bits;
}

void EpollSource::collect(layout::Delivery* delivery, double* wakes) {
  constexpr int kMost = int(sizeof delivery->event / sizeof delivery->event[0] / 2);
  constexpr int kBatch = 64;
  epoll_event events[kBatch];
  // Each pass takes at most a batch; what does not fit stays ready, and libuv reports this epoll again.
  while (delivery->readiness + kBatch <= kMost) {
    const int count = epoll_wait(epoll_.get(), events, kBatch, 0);
    for (int i = 0; i < count; i++) {
      if (events[i].data.u64 == kWakerToken) {
        *wakes += 1;
      } else if (events[i].data.u64 == kTimerToken) {
        armedNs_ = INT64_MAX;  // a timerfd that fired is disarmed
      } else {
        delivery->event[delivery->readiness * 2] = int32_t(events[i].data.u64);
        delivery->event[delivery->readiness * 2 + 1] = readinessOf(events[i].events);
        delivery->readiness++;
      }
    }
    // EINTR ends the pass as well: nothing is lost, since what is ready stays ready.
    if (count < kBatch) return;
  }
}

void EpollSource::close() {
  epoll_.reset();
  timer_.reset();
}

}  // namespace percore
