#include "page_watch.h"

#include <sys/epoll.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

namespace percore {

namespace {

int control(int epoll, int operation, int32_t fd) {
  epoll_event event = {EPOLLIN | EPOLLONESHOT, {.fd = fd}};
  return epoll_ctl(epoll, operation, fd, &event) == 0 ? 0 : -errno;
}

}  // namespace

PageWatch* PageWatch::open(napi_env env, const int32_t* fds, size_t count, napi_value deliver, int* error) {
  auto* watch = new PageWatch(env);
  watch->epoll_.reset(epoll_create1(EPOLL_CLOEXEC));
  *error = watch->epoll_ ? 0 : -errno;
  for (size_t i = 0; i < count && *error == 0; i++) *error = control(watch->epoll_.get(), EPOLL_CTL_ADD, fds[i]);
  if (*error == 0) *error = watch->start("percore:page-watch", watch->epoll_.get(), deliver);
  if (*error == 0) return watch;
  delete watch;
  return nullptr;
}

void PageWatch::onReadable() {
  epoll_event events[64];
  const int count = epoll_wait(epoll_.get(), events, 64, 0);
  // None: it was read meanwhile.
  bool isDue = false;
  for (int i = 0; i < count; i++) {
    if (timer_ && events[i].data.fd == timer_.get()) {
      isDue |= looks();
    } else {
      // From now on the kernel would tell of each event of this one.
      if (trace_ && trace_->isMapped(events[i].data.fd)) lookEach(lookEachNs_);
      else told_.push_back(events[i].data.fd);
      isDue = true;
    }
  }
  if (!isDue || takesRound()) return;
  isArmed_ = false;
  deliver();
}

int PageWatch::takeRoundsOf(KernelTrace* trace, napi_value handle, const AloneRounds& limits, int64_t lookEachNs) {
  hold(handle);
  trace_ = trace;
  limits_ = limits;
  lookEachNs_ = lookEachNs;
  if (lookEachNs == 0) return 0;
  timer_.reset(timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK));
  if (!timer_) return -errno;
  epoll_event event = {EPOLLIN, {.fd = timer_.get()}};
  return epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, timer_.get(), &event) == 0 ? 0 : -errno;
}

void PageWatch::lookEach(int64_t ns) {
  const timespec each = {time_t(ns / 1000000000), long(ns % 1000000000)};
  const itimerspec when = {each, each};
  timerfd_settime(timer_.get(), 0, &when, nullptr);
}

bool PageWatch::looks() {
  uint64_t ticks;
  if (read(timer_.get(), &ticks, sizeof ticks) <= 0 || !isArmed_) return false;
  const int32_t waiting = trace_->waiting(), more = waiting - seen_;
  seen_ = waiting;
  const bool isQuiet = more >= 0 && more <= limits_.leastPages / 8;
  if (isQuiet != isQuiet_) lookEach(isQuiet ? std::max(lookEachNs_, kQuietLookNs) : lookEachNs_);
  isQuiet_ = isQuiet;
  return waiting >= 2 * limits_.leastPages;
}

bool PageWatch::takesRound() {
  return trace_ && isAlone_ && trace_->roundAlone(limits_) && arm(true) == 0;
}

int PageWatch::arm(bool isAlone) {
  isAlone_ = isAlone;
  isArmed_ = true;
  int error = 0;
  for (const int32_t fd : told_)
    if (const int code = control(epoll_.get(), EPOLL_CTL_MOD, fd); code != 0) error = code;
  told_.clear();
  return error;
}

void PageWatch::shutDown() {
  LoopGuest::shutDown();
  // libuv has let go of it, and the descriptors in it may be closed by now.
  told_.clear();
}

}  // namespace percore
