#include "page_watch.h"

#include <sys/epoll.h>

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
  for (int i = 0; i < count; i++) told_.push_back(events[i].data.fd);
  // None: it was read meanwhile.
  if (count > 0) deliver();
}

int PageWatch::arm() {
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
