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
  if (isConnection(kind)) counters_->connections += 1;
  return entries_[slot];
}

int IoSource::control(int operation, int fd, int32_t token, uint32_t events) const {
  epoll_event interest{};
  interest.events = events;
  interest.data.u64 = uint64_t(uint32_t(token));
  return epoll_ctl(epoll_, operation, fd, &interest) == 0 ? 0 : -errno;
}

int IoSource::add(int fd, int32_t token, int32_t interest) {
  const int result = control(EPOLL_CTL_ADD, fd, token, modeOf(interest));
  if (result == 0) make(fd, token, layout::IoKind::kReadiness);
  return result;
}

int IoSource::modify(int fd, int32_t token, int32_t interest) {
  return find(token) ? control(EPOLL_CTL_MOD, fd, token, modeOf(interest)) : -ENOENT;
}

void IoSource::remove(int fd, int32_t token) {
  Entry* entry = find(token);
  if (!entry) return;
  drop(*entry);
  control(EPOLL_CTL_DEL, fd, token, 0);
}

void IoSource::pushStreamEvents(Entry& entry, uint32_t events, bool isReceiveTold) {
  if (events & EPOLLERR) entry.hasError = true;
  uint32_t told = isReceiveTold ? 0 : events & (EPOLLHUP | EPOLLERR);
  if (entry.isBlocked && (events & (EPOLLOUT | EPOLLHUP | EPOLLERR))) {
    entry.isBlocked = false;
    told |= events & (EPOLLOUT | EPOLLHUP | EPOLLERR);
  }
  if (told != 0) push(entry.token, layout::IoEvent::kReadiness, readinessOf(told));
}

void IoSource::tellError(const Entry& entry) {
  if (entry.hasError) push(entry.token, layout::IoEvent::kReadiness, readinessOf(EPOLLERR));
}

int32_t IoSource::send(int32_t token, const char* bytes, size_t length) {
  Entry* entry = find(token);
  if (!entry) return -EBADF;
  entry->isReturning = false;
  return sendNow(*entry, bytes, length);
}

int32_t IoSource::sendNow(Entry& entry, const char* bytes, size_t length) {
  size_t sent = 0;
  while (sent < length && !entry.isBlocked) {
    const ssize_t count = ::send(entry.fd, bytes + sent, length - sent, MSG_NOSIGNAL | MSG_DONTWAIT);
    counters_->sends += 1;
    if (count > 0) {
      sent += size_t(count);
      counters_->bytesSent += double(count);
      continue;
    }
    if (errno == EAGAIN) {
      if (const int refused = waitForRoom(entry)) return refused;  // otherwise nothing would report room
    } else if (errno != EINTR) {
      return sent > 0 ? int32_t(sent) : -errno;  // a lasting error shows up again at the next send
    }
  }
  return int32_t(sent);
}

void IoSource::pushAccepted(int32_t listener, int fd) {
  const int yes = 1;
  setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);  // fails on a Unix socket, which does not need it
  owned_->own(fd);
  counters_->accepts += 1;
  push(listener, layout::IoEvent::kAccepted, fd);
}

// poll(2) and epoll(7) use the same bits.
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
