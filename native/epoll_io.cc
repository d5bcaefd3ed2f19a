// The epoll source. Everything is edge-triggered unless an interest says LEVEL, so that pausing needs no system call. A
// message costs one recv and one send: a read that fills less than its room is the last one, as epoll(7) says, unless
// an end or an error was reported together with it.
//
// Small arrivals are packed one behind the other into one buffer of the pool, so that a turn touches few cache lines; a
// connection whose last read filled its room gets a whole buffer, unless it asks for less at a time. Each `collect`
// reads a connection once. If it has more, it waits in `ready_` for the next `collect`, behind the others.
#include <sys/epoll.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>

#include "io_source.h"

namespace percore {

namespace {

using layout::Interest;
using layout::IoEvent;
using layout::IoKind;
using layout::IoRequest;

constexpr int kBufferBits = 17;
constexpr size_t kBufferBytes = size_t(1) << kBufferBits;
// If a buffer has less room than this, the next buffer is begun.
constexpr size_t kLeastRoom = 16384;
// Each arrival begins on a cache line of its own.
constexpr size_t kAlignment = 64;
constexpr int kAcceptsAtOnce = 16;

class EpollIo final : public IoSource {
 public:
  EpollIo(const IoMemory& memory, OwnedDescriptors* owned, int epollFd) : IoSource(memory, owned, epollFd) {
    block_->bufferBits = kBufferBits;
    const int32_t buffers = std::min<int32_t>(int32_t(memory.poolBytes / kBufferBytes), kMostBuffers);
    for (int32_t buffer = buffers - 1; buffer > 0; buffer--) free_.push_back(buffer);
    isFree_.assign(size_t(buffers), true);
    isFree_[0] = false;
  }

  int open(int fd, int32_t token, IoKind kind) override {
    Entry& entry = make(fd, token, kind);
    entry.isBlocked = kind == IoKind::kConnecting;
    const int result = control(EPOLL_CTL_ADD, fd, token,
        EPOLLET | EPOLLIN | (kind == IoKind::kListener ? 0 : EPOLLOUT | EPOLLRDHUP | EPOLLPRI));
    if (result < 0) drop(entry);
    return result;
  }

  void detach(int32_t token) override {
    if (Entry* entry = find(token)) remove(entry->fd, token);
  }

  void onEvent(uint64_t data, uint32_t events) override {
    Entry* entry = find(int32_t(data));
    if (!entry) return;
    if (entry->kind == IoKind::kReadiness) return push(entry->token, IoEvent::kReadiness, readinessOf(events));
    // Urgent data counts as well: a read stops short before it, although more follows.
    constexpr uint32_t kEnds = EPOLLRDHUP | EPOLLHUP | EPOLLERR | EPOLLPRI;
    const bool isReceived = entry->isReceiving && !entry->hasEnded;
    if (events & (EPOLLIN | kEnds)) {
      entry->epoll.isReadable = true;
      if (events & kEnds) entry->epoll.hasEnd = true;
      if (isReceived) queue(*entry);
    }
    pushStreamEvents(*entry, events, isReceived);
  }

  bool hasMore() const override { return !ready_.empty() && (!isPoolEmpty_ || block_->released != 0); }

  void collect() override {
    takeReleased();
    isPoolEmpty_ = false;
    const size_t count = ready_.size();
    size_t i = 0;
    for (; i < count && hasRoom(); i++) {
      Entry* entry = find(ready_[i]);
      if (!entry || !entry->epoll.isQueued) continue;
      if (entry->isReceiving && entry->epoll.isReadable) {
        if (entry->kind == IoKind::kListener) accept(*entry);
        else if (!receive(*entry)) break;
      }
      if (entry->isReceiving && entry->epoll.isReadable) ready_.push_back(entry->token);
      else entry->epoll.isQueued = false;
    }
    ready_.erase(ready_.begin(), ready_.begin() + ptrdiff_t(i));
  }

  void drain() override {
    if (block_->unsent != 0) return;
    const int32_t requests = block_->requests;
    for (int32_t i = 0; i < requests; i++) {
      const int32_t* request = &block_->request[i * 4];
      Entry* entry = find(request[1]);
      if (!entry) continue;  // detached
      switch (IoRequest(request[0])) {
        case IoRequest::kSend: sendFromOutbox(*entry, request[2], request[3]); break;
        case IoRequest::kReceive:
          entry->isReceiving = true;
          entry->epoll.mostBytes = std::clamp(size_t(request[2]), kLeastRoom, kBufferBytes);
          if (entry->epoll.isReadable && !entry->hasEnded) queue(*entry);
          break;
        case IoRequest::kPause:
          entry->isReceiving = false;
          tellError(*entry);
          break;
        case IoRequest::kEnd:
          if (!entry->isBlocked && !entry->isReturning) shutdown(entry->fd, SHUT_WR);
          break;
        case IoRequest::kClose: {
          const int fd = entry->fd;
          remove(fd, entry->token);
          owned_->closeOwned(fd);
          break;
        }
      }
    }
    block_->requests = 0;
    block_->drains = int32_t(uint32_t(block_->drains) + 1);
  }

 private:
  // The epoll reports an edge once there is room.
  int waitForRoom(Entry& entry) override {
    entry.isBlocked = true;
    return 0;
  }

  void queue(Entry& entry) {
    if (entry.epoll.isQueued) return;
    entry.epoll.isQueued = true;
    ready_.push_back(entry.token);
  }

  // False when no buffer is free.
  bool receive(Entry& entry) {
    const size_t most = entry.epoll.mostBytes;
    size_t room = kBufferBytes - at_;
    if (room < kLeastRoom || (entry.epoll.isFull && room < most && !free_.empty())) {
      if (block_->bufferUsers[current_] == 0) {
        at_ = 0;
      } else if (free_.empty()) {
        isPoolEmpty_ = true;
        counters_->poolWaits += 1;
        return false;
      } else {
        current_ = free_.back();
        free_.pop_back();
        isFree_[size_t(current_)] = false;
        at_ = 0;
      }
      room = kBufferBytes;
    }
    room = std::min(room, most);
    const size_t place = size_t(current_) * kBufferBytes + at_;
    const ssize_t count = recv(entry.fd, memory_.pool + place, room, MSG_DONTWAIT);
    if (count > 0) {
      block_->bufferUsers[current_]++;
      counters_->receives += 1;
      counters_->bytesReceived += double(count);
      at_ = std::min(kBufferBytes, (at_ + size_t(count) + kAlignment - 1) & ~(kAlignment - 1));
      push(entry.token, IoEvent::kReceived, int32_t(count), int32_t(place));
      entry.epoll.isFull = size_t(count) == room;
      if (size_t(count) < room && !entry.epoll.hasEnd) entry.epoll.isReadable = false;
    } else if (count == 0) {
      entry.epoll.isReadable = false;
      entry.hasEnded = true;
      push(entry.token, IoEvent::kEnded, 0);
      // A reset that came together with the end: no later receive would report it.
      tellError(entry);
    } else if (errno == EAGAIN) {
      entry.epoll.isReadable = false;
    } else if (errno != EINTR) {
      entry.epoll.isReadable = false;
      push(entry.token, IoEvent::kFailed, errno);
    }
    return true;
  }

  void accept(Entry& entry) {
    for (int i = 0; i < kAcceptsAtOnce && hasRoom(); i++) {
      const int fd = accept4(entry.fd, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
      if (fd >= 0) {
        pushAccepted(entry.token, fd);
        continue;
      }
      if (errno == EAGAIN) {
        entry.epoll.isReadable = false;
        return;
      }
      // An error of one connection, which is gone already, concerns nobody else: the next one is tried. If descriptors
      // or memory have run out, JavaScript is told and asks again later.
      if (isOfOneConnection(errno)) continue;
      entry.isReceiving = false;
      return push(entry.token, IoEvent::kFailed, errno);
    }
  }

  void sendFromOutbox(Entry& entry, int32_t offset, int32_t length) {
    int32_t sent = 0, error = 0;
    while (sent < length && !entry.isBlocked && !entry.isReturning && error == 0) {
      const int32_t count = sendNow(entry, memory_.outbox + offset + sent, size_t(length - sent));
      if (count < 0) error = -count;
      else sent += count;
    }
    if (sent == length) return;
    pushUnsent(entry, length - sent, offset + sent);
    if (error != 0) push(entry.token, IoEvent::kSendFailed, error);
    else if (!entry.isBlocked) pushRoom(entry);
  }

  void takeReleased() {
    for (int32_t i = 0; i < block_->released; i++) {
      const int32_t buffer = block_->releasedBuffer[i];
      // New arrivals may have been delivered from it since it was released.
      if (block_->bufferUsers[buffer] != 0 || isFree_[size_t(buffer)]) continue;
      if (buffer == current_) {
        at_ = 0;
      } else {
        isFree_[size_t(buffer)] = true;
        free_.push_back(buffer);
      }
    }
    block_->released = 0;
  }

  std::vector<int32_t> ready_;  // tokens of connections and listeners that may have more to read
  std::vector<int32_t> free_;
  std::vector<bool> isFree_;
  int32_t current_ = 0;
  size_t at_ = 0;
  bool isPoolEmpty_ = false;
};

}  // namespace

std::unique_ptr<IoSource> openEpollIo(const IoMemory& memory, OwnedDescriptors* owned, int epollFd) {
  return std::make_unique<EpollIo>(memory, owned, epollFd);
}

}  // namespace percore
