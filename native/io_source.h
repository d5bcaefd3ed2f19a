// Where the bytes of a thread come from and go to. There is one contract and there are two sources: epoll (epoll_io.cc)
// and io_uring (uring_io.cc).
//
//   kernel --collect--> IoBlock.event (readiness, bytes in the pool, accepted descriptors) --> JavaScript, once a turn
//   kernel <--drain---- IoBlock.request (send, receive, pause, end, close) <-- JavaScript, whenever it likes
//
// Why completions and not readiness alone: one call into JavaScript and none out of it then serve every connection of a
// turn, and io_uring has nothing else to offer. Descriptors that are no streams (timers, inotify, datagrams, pipes) get
// readiness.
//
// JavaScript makes the tokens, of a slot and a generation. What arrives for a token that is gone is dropped here, and
// its buffer or descriptor is given back.
//
// Bytes leave in the order in which they were offered. What the kernel did not take goes back to JavaScript, and from
// then on everything of that connection in the outbox goes back as well (`isReturning`), whether there is room again or
// not: JavaScript puts the pieces in order and sends the first of them directly, which ends this. A drain returns when
// each of its sends has been answered.
//
// Readiness comes from the thread's epoll in both sources, for descriptors of users and for what a stream waits for
// besides bytes: room, and a reset that no receive would tell. A poll of io_uring also completes when a peer has ended
// its side, whatever it was asked for (IO_POLL_UNMASK in the kernel), so that it cannot wait for room towards such a
// peer. Sources: epoll(7), io_uring(7); mio for token, interest and readiness.
#pragma once
#include <cerrno>
#include <cstdint>
#include <memory>
#include <vector>

#include "layout.h"
#include "owned_descriptors.h"

namespace percore {

// Typed arrays of JavaScript, kept alive by references as long as a source uses them.
struct IoMemory {
  layout::IoBlock* block = nullptr;
  char* pool = nullptr;
  size_t poolBytes = 0;
  char* outbox = nullptr;  // two halves: one is being filled while sends of the other may still come back
  size_t outboxBytes = 0;
  layout::IoCounters* counters = nullptr;  // in a reactor, a part of its Party
};

class IoSource {
 public:
  static constexpr int32_t kSlotBits = 20;  // as in src/io/token.ts
  static constexpr int32_t kEpollBatch = 64;

  IoSource(const IoMemory& memory, OwnedDescriptors* owned, int epollFd)
      : memory_(memory), block_(memory.block), counters_(memory.counters), owned_(owned), epoll_(epollFd) {}
  IoSource(const IoSource&) = delete;
  IoSource& operator=(const IoSource&) = delete;
  virtual ~IoSource() {
    counters_->connections = 0;
    if (handle) *handle = nullptr;
  }

  // Readiness of any descriptor. `interest` is a set of layout::Interest. All 0 or -errno.
  int add(int fd, int32_t token, int32_t interest);
  int modify(int fd, int32_t token, int32_t interest);
  void remove(int fd, int32_t token);
  // A stream or a listener: nothing is received or accepted before RECEIVE is requested. 0 or -errno.
  virtual int open(int fd, int32_t token, layout::IoKind kind) = 0;
  // Forgets it at once and leaves the descriptor open. What had arrived already is in the events.
  virtual void detach(int32_t token) = 0;
  // Sends now, past the outbox: bytes taken, or -errno. After less than `length` a WRITABLE follows once there is room.
  // It is for the oldest bytes that are not sent: JavaScript has taken back what was in the outbox.
  int32_t send(int32_t token, const char* bytes, size_t length);
  // The thread's epoll reports `events` of whatever this has put into it under `data`.
  virtual void onEvent(uint64_t data, uint32_t events) = 0;
  // Takes what has arrived, as far as there is room for it.
  virtual void collect() = 0;
  // True when collect would find something without the epoll saying so.
  virtual bool hasMore() const = 0;
  // Does what was requested.
  virtual void drain() = 0;

  // True while another batch of the epoll's events fits.
  bool hasRoom() const { return block_->events < kMostCollected; }
  bool hasEvents() const { return block_->events != 0; }
  bool hasRequests() const { return block_->requests != 0; }
  // Where JavaScript's handle keeps its pointer here.
  IoSource** handle = nullptr;

 protected:
  // Room that collect leaves in the events, so that drain can always say what was not sent.
  static constexpr int32_t kMostEvents = int32_t(sizeof layout::IoBlock::event / sizeof(int32_t) / 4);
  static constexpr int32_t kMostCollected = kMostEvents / 2 - kEpollBatch;
  static constexpr int32_t kMostRequests = int32_t(sizeof layout::IoBlock::request / sizeof(int32_t) / 4);
  static constexpr int32_t kMostBuffers = int32_t(sizeof layout::IoBlock::bufferUsers / sizeof(int32_t));
  static_assert(2 * kMostRequests <= kMostEvents - kMostCollected);

  struct Entry {
    int32_t token = -1;
    int fd = -1;
    layout::IoKind kind = layout::IoKind::kReadiness;
    bool isReceiving = false;  // JavaScript wants what comes
    bool hasError = false;     // the thread's epoll has reported an error
    bool isBlocked = false;    // the kernel took less than it was given
    bool isReturning = false;  // JavaScript was given bytes back, and has not sent them again
    bool hasEnded = false;     // the peer's end has been received
    struct OfEpoll {
      bool isReadable = false;  // the kernel may have more
      bool hasEnd = false;      // an end or an error was reported, so a short read does not say that nothing follows
      bool isFull = false;      // the last read filled all it had
      bool isQueued = false;    // it is in the list of those that may have more
    } epoll;
    struct OfUring {
      bool isWatched = false;  // the thread's epoll has it
      uint32_t armed = 0;      // the operations that are under way
      uint32_t sentBatch = 0;  // the drain in which it was sent on last
    } uring;
  };

  Entry& make(int fd, int32_t token, layout::IoKind kind);
  // The token means nothing from here on.
  void drop(Entry& entry) {
    entry.token = -1;
    if (isConnection(entry.kind)) counters_->connections -= 1;
  }
  static bool isConnection(layout::IoKind kind) {
    return kind == layout::IoKind::kStream || kind == layout::IoKind::kConnecting;
  }
  Entry* find(int32_t token) {
    const size_t slot = size_t(token) & ((size_t(1) << kSlotBits) - 1);
    return token >= 0 && slot < entries_.size() && entries_[slot].token == token ? &entries_[slot] : nullptr;
  }
  void push(int32_t token, layout::IoEvent kind, int32_t value, int32_t place = 0) {
    int32_t* event = &block_->event[block_->events++ * 4];
    event[0] = token;
    event[1] = int32_t(kind);
    event[2] = value;
    event[3] = place;
  }
  // A connection of `listener`: this thread's from now on.
  void pushAccepted(int32_t listener, int fd);
  // An accept that failed for one connection that is gone already: the next is tried.
  static bool isOfOneConnection(int error) { return error == EINTR || error == ECONNABORTED || error == EPROTO; }
  int32_t sendNow(Entry& entry, const char* bytes, size_t length);
  // The kernel took less than it was given: a WRITABLE must follow once there is room. 0 or -errno.
  virtual int waitForRoom(Entry& entry) = 0;
  void pushUnsent(Entry& entry, int32_t length, int32_t offset) {
    entry.isReturning = true;
    block_->unsent++;
    push(entry.token, layout::IoEvent::kUnsent, length, offset);
  }
  // After bytes that came back although there is room: for JavaScript, what came back means that there is none.
  void pushRoom(Entry& entry) { push(entry.token, layout::IoEvent::kReadiness, int32_t(layout::Readiness::kWritable)); }
  // What the epoll says of a stream: room, and an end of everything that no receive will tell.
  void pushStreamEvents(Entry& entry, uint32_t events, bool isReceiveTold);
  // Nobody receives any more, and the error that a receive would have told is not reported again.
  void tellError(const Entry& entry);
  // epoll_ctl: 0 or -errno.
  int control(int operation, int fd, int32_t token, uint32_t events) const;
  static int32_t readinessOf(uint32_t events);
  static uint32_t eventsOf(int32_t interest);
  // The same with what epoll is told of edges and one-shots.
  static uint32_t modeOf(int32_t interest);

  IoMemory memory_;
  layout::IoBlock* block_;
  layout::IoCounters* counters_;
  OwnedDescriptors* owned_;
  int epoll_;
  std::vector<Entry> entries_;
};

std::unique_ptr<IoSource> openEpollIo(const IoMemory& memory, OwnedDescriptors* owned, int epollFd);
// Null, with `error` set, when the kernel refuses; needs Linux 6.1.
std::unique_ptr<IoSource> openUringIo(const IoMemory& memory, OwnedDescriptors* owned, int epollFd, int* error);
// Whether the kernel would open one: 0 or an errno. Opens a small one and closes it.
int probeUring();

}  // namespace percore
