// The io_uring source. One enter a turn submits all its sends, receives and cancels, and takes all completions.
//
//   receive   multishot, into buffers that the kernel chooses from the pool (a provided-buffer ring). It is armed once
//             and ended by a pause. While fewer than three quarters of the buffers are free, it is single-shot
//   accept    multishot
//   send      from the outbox, without waiting (MSG_DONTWAIT): it is done when the enter returns, and the outbox can be
//             used again
//   epoll     for room after a short send, for resets of streams that nobody reads, and for the readiness of other
//             descriptors: see io_source.h
//
// With IORING_SETUP_DEFER_TASKRUN the kernel makes completions only when this thread asks for them, and never
// interrupts it. A flag of the ring says that there is something to ask for, and reading it costs one load. A sleeping
// thread is woken by an eventfd in its epoll.
//
// | pair     | write side                | read side | carries          | needs              |
// |----------|---------------------------|-----------|------------------|--------------------|
// | ring.buf | `provide` stores its tail | kernel    | a buffer's reuse | release -> acquire |
//
// The pairs of the two queues are in uring_ring.h.
//
// What was armed for a token ends with exactly one completion without MORE. `armed` says what is under way, and only
// that completion clears its bit. A completion for a token that is gone gives back what it carries. When the submission
// queue is full, it is submitted. When completions overflow, the kernel keeps them (IORING_FEAT_NODROP), and the next
// enter takes them. Sources: those of uring_ring.h; liburing's description of multishot receives.
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <deque>

#include "io_source.h"
#include "memory_mapping.h"
#include "unique_fd.h"
#include "uring_ring.h"

namespace percore {

namespace {

using layout::IoEvent;
using layout::IoKind;
using layout::IoRequest;

// Newer than some kernel headers that this is built with. The kernel that runs it says whether it knows them.
constexpr unsigned kSetupSubmitAll = 1u << 7, kSetupTaskrunFlag = 1u << 9, kSetupSingleIssuer = 1u << 12,
                   kSetupDeferTaskrun = 1u << 13;
constexpr unsigned kSqCqOverflow = 1u << 1, kSqTaskrun = 1u << 2;
constexpr unsigned kRegisterPbufRing = 22, kRegisterSyncCancel = 24;
constexpr uint16_t kRecvMultishot = 1u << 1, kAcceptMultishot = 1u << 0;
constexpr uint32_t kCancelAll = 1u << 0, kCancelFd = 1u << 1, kCancelAny = 1u << 2;

constexpr unsigned kEntries = 1024, kCompletions = 8192;
constexpr int kBufferBits = 15;
constexpr size_t kBufferBytes = size_t(1) << kBufferBits;
// After so many enters in a row that have answered no send, the rest is left to the next drain.
constexpr int kMostIdleEnters = 16;

// What a completion belongs to; also the bits of `armed`.
enum Operation : uint32_t { kNothing = 0, kReceive = 1, kAccept = 2, kSend = 4 };

struct BufferRegistration {  // io_uring_buf_reg
  uint64_t ringAddress;
  uint32_t entries;
  uint16_t group, flags;
  uint64_t reserved[3];
};
struct SyncCancel {  // io_uring_sync_cancel_reg
  uint64_t address;
  int32_t fd;
  uint32_t flags;
  __kernel_timespec timeout;
  uint8_t opcode, pad[7];
  uint64_t pad2[3];
};
struct ProvidedBuffer {  // io_uring_buf; the ring's tail lies in the `reserved` field of the first one
  uint64_t address;
  uint32_t length;
  uint16_t id, reserved;
};

io_uring_params setupOf(unsigned completions) {
  io_uring_params setup{};
  setup.flags = IORING_SETUP_CQSIZE | IORING_SETUP_CLAMP | kSetupSubmitAll | kSetupTaskrunFlag | kSetupSingleIssuer |
                kSetupDeferTaskrun;
  setup.cq_entries = completions;
  return setup;
}

class UringIo final : public IoSource {
 public:
  UringIo(const IoMemory& memory, OwnedDescriptors* owned, int epollFd) : IoSource(memory, owned, epollFd) {}

  ~UringIo() override {
    if (!ring_) return;
    enter();
    // After this the kernel no longer writes into the pool.
    SyncCancel cancel{};
    cancel.flags = kCancelAny | kCancelAll;
    cancel.timeout = {-1, -1};
    ring_.set(kRegisterSyncCancel, &cancel, 1);
    // JavaScript was not told of these connections, so nobody else would close them.
    for (const io_uring_cqe& done : late_) closeAccepted(done);
    ring_.reap([](const io_uring_cqe& done) {
      closeAccepted(done);
      return true;
    });
  }

  // 0 or errno.
  int start() {
    if (const int error = ring_.open(kEntries, setupOf(kCompletions), IORING_FEAT_NODROP)) return error;
    return startBuffers() || startWakes() ? errno : 0;
  }

  int open(int fd, int32_t token, IoKind kind) override {
    Entry& entry = make(fd, token, kind);
    if (kind == IoKind::kStream) opened_.push_back(token);
    const int result = kind == IoKind::kConnecting ? waitForRoom(entry) : 0;
    if (result < 0) drop(entry);
    return result;
  }

  void detach(int32_t token) override {
    Entry* entry = find(token);
    if (!entry) return;
    enter();
    SyncCancel request{};
    request.fd = entry->fd;
    request.flags = kCancelFd | kCancelAll;
    request.timeout = {-1, -1};
    ring_.set(kRegisterSyncCancel, &request, 1);
    entry->isReceiving = false;
    enter();
    reap();
    // Completions of this token that did not fit behind the others are reported now: later the token would not be
    // found.
    std::erase_if(late_, [&](const io_uring_cqe& done) {
      const bool isIts = operationOf(done) == kReceive && int32_t(uint32_t(done.user_data)) == token &&
                         block_->events <= kMostEvents - 2;
      if (isIts) complete(done);
      return isIts;
    });
    if (entry->uring.isWatched) control(EPOLL_CTL_DEL, entry->fd, token, 0);
    drop(*entry);
  }

  void onEvent(uint64_t data, uint32_t events) override {
    if (data == kRingToken) {
      isSignalled_ = true;
      return;
    }
    Entry* entry = find(int32_t(data));
    if (!entry) return;
    if (entry->kind == IoKind::kReadiness) push(entry->token, IoEvent::kReadiness, readinessOf(events));
    else pushStreamEvents(*entry, events, entry->isReceiving && !entry->hasEnded);
  }

  bool hasMore() const override {
    return isSignalled_ || ring_.pending() != 0 || !opened_.empty() || !late_.empty() || ring_.hasCompletions() ||
           ring_.hasFlags(kSqTaskrun | kSqCqOverflow) ||
           (!starved_.empty() && (block_->released != 0 || freeBuffers_ > 0));
  }

  void collect() override {
    isSignalled_ = false;
    takeReleased();
    watchOpened();
    enter();
    reap();
    // What the completions have armed again may be ready at once.
    if (ring_.pending() != 0) {
      enter();
      reap();
    }
    // If there are requests, a drain follows, and it sends from this half again.
    if (isHalfHeld_ && unsettled_ == 0 && block_->requests == 0) nextHalf();
  }

  void drain() override {
    if (!settleSends() || block_->unsent != 0) return;
    batch_++;
    const int32_t requests = block_->requests;
    for (int32_t i = 0; i < requests; i++) {
      const int32_t* request = &block_->request[i * 4];
      Entry* entry = find(request[1]);
      if (!entry) continue;  // detached
      switch (IoRequest(request[0])) {
        case IoRequest::kSend: sendFromOutbox(*entry, request[2], request[3]); break;
        case IoRequest::kReceive:
          entry->isReceiving = true;
          if (!entry->hasEnded) armReceive(*entry, hasManyFree());
          break;
        case IoRequest::kPause:
          entry->isReceiving = false;
          if (entry->uring.armed != 0) cancel(entry->token, entry->uring.armed);
          if (entry->kind != IoKind::kListener) opened_.push_back(entry->token);
          tellError(*entry);
          break;
        case IoRequest::kEnd:
          settleSends();
          if (!entry->isBlocked && !entry->isReturning) shutdown(entry->fd, SHUT_WR);
          break;
        case IoRequest::kClose:
          closing_.push_back(entry->fd);
          forget(*entry);
          break;
      }
    }
    block_->requests = 0;
    takeReleased();
    watchOpened();
    if (ring_.pending() != 0) enter();
    // Only after what was sent on them, and after everything that was armed has let go of them.
    for (int fd : closing_) owned_->closeOwned(fd);
    closing_.clear();
    reap();
    isHalfHeld_ = !settleSends();
    if (!isHalfHeld_) nextHalf();
  }

 private:
  struct Sending {
    int32_t token, offset, length;
  };

  bool startBuffers() {
    buffers_ = unsigned(std::min<size_t>(memory_.poolBytes / kBufferBytes, size_t(kMostBuffers)));
    if (!provided_.map(-1, buffers_ * sizeof(ProvidedBuffer), 0)) return true;
    BufferRegistration registration{};
    registration.ringAddress = uint64_t(provided_.at<char>(0));
    registration.entries = buffers_;
    if (ring_.set(kRegisterPbufRing, &registration, 1) != 0) return true;
    for (unsigned id = 0; id < buffers_; id++) provide(int32_t(id));
    block_->bufferBits = kBufferBits;
    return false;
  }

  bool startWakes() {
    wake_.reset(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
    if (!wake_) return true;
    int fd = wake_.get();
    if (ring_.set(IORING_REGISTER_EVENTFD, &fd, 1) != 0) return true;
    epoll_event interest{};
    interest.events = EPOLLIN | EPOLLET;
    interest.data.u64 = kRingToken;
    return epoll_ctl(epoll_, EPOLL_CTL_ADD, fd, &interest) != 0;
  }

  // ---- The ring ---------------------------------------------------------------------------------------------------

  static uint64_t dataOf(Operation operation, int32_t token) { return uint64_t(operation) << 32 | uint32_t(token); }

  io_uring_sqe* submission(uint8_t opcode, int fd, uint64_t data) {
    // When the queue is full, it is submitted; nothing is dropped.
    while (ring_.isFull()) enter();
    return ring_.push(opcode, fd, data);
  }

  // Submits what is pending and makes the completions that are due. What the kernel does not take now goes with the
  // next enter, after the completions that are in its way have been reaped.
  void enter() { ring_.enter(IORING_ENTER_GETEVENTS); }

  // Takes every completion. Those of sends are handled at once, since a drain waits for them and room is kept for their
  // events. Others are handled while their events fit, and the rest is kept for the next time. The caller submits what
  // is armed meanwhile.
  void reap() {
    for (; !late_.empty() && hasRoom(); late_.pop_front()) complete(late_.front());
    ring_.reap([this](const io_uring_cqe& done) {
      if (operationOf(done) == kSend || (late_.empty() && hasRoom())) complete(done);
      else late_.push_back(done);
      return true;
    });
  }

  static Operation operationOf(const io_uring_cqe& done) { return Operation(done.user_data >> 32); }

  static void closeAccepted(const io_uring_cqe& done) {
    if (operationOf(done) == kAccept && done.res >= 0) close(done.res);
  }

  void complete(const io_uring_cqe& done) {
    const Operation operation = operationOf(done);
    const auto token = int32_t(uint32_t(done.user_data));
    if (operation == kNothing) return;
    if (operation == kSend) return sent(sending_[size_t(token)], done.res);
    Entry* entry = find(token);
    const bool isLast = !(done.flags & IORING_CQE_F_MORE);
    if (entry && isLast) entry->uring.armed &= ~uint32_t(operation);
    if (operation == kReceive) received(entry, done, isLast);
    else accepted(entry, done.res, isLast);
  }

  // ---- Receiving --------------------------------------------------------------------------------------------------

  // A multishot takes as many buffers as its peer has sent bytes for, so it is used only while there are enough of
  // them.
  bool hasManyFree() const { return 4 * freeBuffers_ >= 3 * int32_t(buffers_); }

  void armReceive(Entry& entry, bool isMultishot) {
    if (entry.uring.armed & (kReceive | kAccept)) return;  // its last completion will arm it again
    if (entry.kind == IoKind::kListener) {
      entry.uring.armed |= kAccept;
      io_uring_sqe* accept = submission(IORING_OP_ACCEPT, entry.fd, dataOf(kAccept, entry.token));
      accept->ioprio = kAcceptMultishot;
      accept->accept_flags = SOCK_NONBLOCK | SOCK_CLOEXEC;
      return;
    }
    entry.uring.armed |= kReceive;
    io_uring_sqe* receive = submission(IORING_OP_RECV, entry.fd, dataOf(kReceive, entry.token));
    if (isMultishot) receive->ioprio = kRecvMultishot;
    receive->flags = IOSQE_BUFFER_SELECT;
    receive->buf_group = 0;
  }

  void received(Entry* entry, const io_uring_cqe& done, bool isLast) {
    const bool hasBuffer = done.flags & IORING_CQE_F_BUFFER;
    const auto buffer = int32_t(done.flags >> IORING_CQE_BUFFER_SHIFT);
    if (hasBuffer) freeBuffers_--;
    if (hasBuffer && (!entry || done.res <= 0)) provide(buffer);
    if (!entry) return;
    if (done.res > 0) {
      block_->bufferUsers[buffer]++;
      counters_->receives += 1;
      counters_->bytesReceived += done.res;
      push(entry->token, IoEvent::kReceived, done.res, buffer << kBufferBits);
    } else if (done.res == 0) {
      entry->hasEnded = true;
      opened_.push_back(entry->token);
      push(entry->token, IoEvent::kEnded, 0);
      tellError(*entry);
      return;
    } else if (done.res == -ENOBUFS) {
      counters_->poolWaits += 1;
      if (entry->isReceiving) starved_.push_back(entry->token);
      return;
    } else if (done.res != -ECANCELED && done.res != -EINTR && done.res != -EAGAIN) {
      push(entry->token, IoEvent::kFailed, -done.res);
      return;
    }
    if (isLast && entry->isReceiving) armReceive(*entry, hasManyFree());
  }

  void accepted(Entry* entry, int result, bool isLast) {
    if (result >= 0) {
      if (!entry) {
        close(result);
        return;
      }
      pushAccepted(entry->token, result);
    } else if (entry && result != -ECANCELED && result != -EAGAIN && !isOfOneConnection(-result)) {
      entry->isReceiving = false;
      push(entry->token, IoEvent::kFailed, -result);
    }
    if (entry && isLast && entry->isReceiving) armReceive(*entry, true);
  }

  // Also serves those who had found no buffer, in their order. JavaScript may have given some back, or they may have
  // come back from connections that are gone.
  void takeReleased() {
    for (int32_t i = 0; i < block_->released; i++) provide(block_->releasedBuffer[i]);
    block_->released = 0;
    // No more than there are buffers, or of thousands that wait each would find none again and again.
    for (int32_t free = freeBuffers_; free > 0 && !starved_.empty(); starved_.pop_front()) {
      Entry* entry = find(starved_.front());
      if (!entry || !entry->isReceiving || entry->uring.armed != 0) continue;
      // One buffer each; otherwise the first of them would take all again.
      armReceive(*entry, false);
      free--;
    }
  }

  void provide(int32_t buffer) {
    freeBuffers_++;
    auto* ring = provided_.at<ProvidedBuffer>(0);
    ProvidedBuffer& place = ring[providedTail_ & (buffers_ - 1)];
    place.address = uint64_t(memory_.pool) + (uint64_t(buffer) << kBufferBits);
    place.length = uint32_t(kBufferBytes);
    place.id = uint16_t(buffer);
    // ring.buf: from here on the kernel may write into it.
    __atomic_store_n(&ring[0].reserved, ++providedTail_, __ATOMIC_RELEASE);
  }

  // ---- Sending ----------------------------------------------------------------------------------------------------

  void sendFromOutbox(Entry& entry, int32_t offset, int32_t length) {
    // Two sends of one connection in one batch: the second must know what has become of the first.
    if (entry.uring.sentBatch == batch_) settleSends();
    if (entry.isBlocked || entry.isReturning) {
      pushUnsent(entry, length, offset);
      if (!entry.isBlocked) pushRoom(entry);
      return;
    }
    entry.uring.sentBatch = batch_;
    const size_t index = size_t(outstandingSends_++);
    if (index >= sending_.size()) sending_.resize(index + 1);
    sending_[index] = {entry.token, offset, length};
    io_uring_sqe* send = submission(IORING_OP_SEND, entry.fd, dataOf(kSend, int32_t(index)));
    send->addr = uint64_t(memory_.outbox + offset);
    send->len = uint32_t(length);
    send->msg_flags = MSG_NOSIGNAL | MSG_DONTWAIT;
    counters_->sends += 1;
    unsettled_++;
  }

  // A half of the outbox is free once every send from it has been answered.
  void nextHalf() {
    isHalfHeld_ = false;
    block_->drains = int32_t(uint32_t(block_->drains) + 1);
  }

  // True when the kernel has answered all sends that it was given so far.
  bool settleSends() {
    for (int idle = 0; unsettled_ != 0 && idle < kMostIdleEnters; idle++) {
      enter();
      reap();
    }
    if (unsettled_ != 0) return false;
    outstandingSends_ = 0;
    return true;
  }

  void sent(const Sending& sending, int result) {
    unsettled_--;
    const int32_t taken = std::max(result, 0);
    counters_->bytesSent += taken;
    if (taken == sending.length) return;
    Entry* entry = find(sending.token);
    if (!entry) return;
    pushUnsent(*entry, sending.length - taken, sending.offset + taken);
    const int refused = result >= 0 || result == -EAGAIN || result == -EINTR ? waitForRoom(*entry) : result;
    if (refused != 0) push(sending.token, IoEvent::kSendFailed, -refused);
  }

  // ---- Watching and cancelling ------------------------------------------------------------------------------------

  int waitForRoom(Entry& entry) override {
    entry.isBlocked = true;
    return watch(entry, EPOLLOUT);
  }

  // Puts it into the thread's epoll, where it stays until it is forgotten. What it is ready for already is reported at
  // once.
  int watch(Entry& entry, uint32_t events) {
    const int result =
        control(entry.uring.isWatched ? EPOLL_CTL_MOD : EPOLL_CTL_ADD, entry.fd, entry.token, events | EPOLLET);
    if (result == 0) entry.uring.isWatched = true;
    return result;
  }

  // Nothing would report the reset of a stream that nobody reads, or whose end has been read.
  void watchOpened() {
    std::vector<int32_t> opened;
    opened.swap(opened_);
    for (int32_t token : opened) {
      Entry* entry = find(token);
      if (!entry || (entry->isReceiving && !entry->hasEnded) || entry->uring.isWatched) continue;
      if (!hasRoom()) opened_.push_back(token);
      // Unwatched, its reset would never be noticed. So it fails, as with epoll, where it could not even be opened.
      else if (const int refused = watch(*entry, 0)) push(token, IoEvent::kFailed, -refused);
    }
  }

  void cancel(int32_t token, uint32_t operation) {
    submission(IORING_OP_ASYNC_CANCEL, -1, dataOf(kNothing, 0))->addr = dataOf(Operation(operation), token);
  }

  void forget(Entry& entry) {
    // Named by what was armed and not by the descriptor: its number may be closed by now, or belong to another socket.
    if (entry.uring.armed != 0) cancel(entry.token, entry.uring.armed);
    // Not left to the close: while another descriptor of the same socket is open, epoll would keep the registration.
    if (entry.uring.isWatched) control(EPOLL_CTL_DEL, entry.fd, entry.token, 0);
    drop(entry);
  }

  UringRing ring_;
  UniqueFd wake_;
  MemoryMapping provided_;
  unsigned buffers_ = 0;
  uint16_t providedTail_ = 0;
  std::vector<Sending> sending_;
  std::vector<int32_t> opened_;
  std::deque<int32_t> starved_;    // found no buffer, and are to be armed again
  std::deque<io_uring_cqe> late_;  // completions whose events did not fit into the block
  int32_t freeBuffers_ = 0;        // buffers that the kernel may take
  std::vector<int> closing_;
  int32_t outstandingSends_ = 0, unsettled_ = 0;
  uint32_t batch_ = 0;
  bool isSignalled_ = false;
  bool isHalfHeld_ = false;  // sends of an earlier drain have not been answered yet
};

}  // namespace

std::unique_ptr<IoSource> openUringIo(const IoMemory& memory, OwnedDescriptors* owned, int epollFd, int* error) {
  auto io = std::make_unique<UringIo>(memory, owned, epollFd);
  *error = io->start();
  if (*error != 0) return nullptr;
  return io;
}

int probeUring() {
  UringRing ring;
  return ring.open(1, setupOf(2), IORING_FEAT_NODROP);
}

}  // namespace percore
