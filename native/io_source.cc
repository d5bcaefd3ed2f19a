#include "io_source.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>

namespace percore {

IoSource::Entry& IoSource::make(int fd, int32_t token, layout::IoKind kind) {
  const size_t slot = size_t(token) & ((size_t(1) << kSlotBits) - 1);
  if (slot >= entries_.size()) entries_.resize(slot + 1);
  entries_[slot] = Entry{};
  entries_[slot].token = token;
  entries_[slot].fd = fd;
  entries_[slot].kind = kind;
  return entries_[slot];
}

int32_t IoSource::send(int32_t token, const char* bytes, size_t length) {
  Entry* entry = find(token);
  if (!entry) return -EBADF;
  size_t sent = 0;
  while (sent < length && !entry->isBlocked) {
    const ssize_t count = ::send(entry->fd, bytes + sent, length - sent, MSG_NOSIGNAL | MSG_DONTWAIT);
    block_->sends += 1;
    if (count > 0) sent += size_t(count);
    else if (errno == EAGAIN) waitForRoom(*entry);
    else if (errno != EINTR) return sent > 0 ? int32_t(sent) : -errno;  // an error that stays is met again
  }
  return int32_t(sent);
}

void IoSource::pushAccepted(int32_t listener, int fd) {
  const int yes = 1;
  setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);  // refused by a Unix socket, which needs none
  sockets_->ownSocket(fd);
  block_->accepts += 1;
  push(listener, layout::IoEvent::kAccepted, fd);
}

// The bits of poll(2) and epoll(7) are the same.
int32_t IoSource::readinessOf(uint32_t events) {
  using layout::Readiness;
  int32_t bits = 0;
  if (events & EPOLLIN) bits |= int32_t(Readiness::kReadable);
  if (events & EPOLLOUT) bits |= int32_t(Readiness::kWritable);
  if (events & EPOLLRDHUP) bits |= int32_t(Readiness::kReadClosed);
  if (events & EPOLLHUP) bits |= int32_t(Readiness::kHangUp);
  if (events & EPOLLERR) bits |= int32_t(Readiness::kError);
  if (events & EPOLLPRI) bits |= int32_t(Readiness::kPriority);
  return bits;
}

uint32_t IoSource::eventsOf(int32_t interest) {
  using layout::Interest;
  uint32_t events = 0;
  if (interest & int32_t(Interest::kReadable)) events |= EPOLLIN | EPOLLRDHUP;
  if (interest & int32_t(Interest::kWritable)) events |= EPOLLOUT;
  if (interest & int32_t(Interest::kPriority)) events |= EPOLLPRI;
  return events;
}

uint32_t IoSource::modeOf(int32_t interest) {
  using layout::Interest;
  uint32_t events = eventsOf(interest);
  if (!(interest & int32_t(Interest::kLevel))) events |= EPOLLET;
  if (interest & int32_t(Interest::kOneshot)) events |= EPOLLONESHOT;
  return events;
}

}  // namespace percore
