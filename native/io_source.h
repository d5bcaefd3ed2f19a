// The contract of the two I/O sources, epoll (epoll_io.cc) and io_uring (uring_io.cc): how the bytes of a thread come
// in and go out.
//
//   kernel --collect--> IoBlock.event (readiness, bytes in the pool, accepted descriptors) --> JavaScript, once a turn
//   kernel <--drain---- IoBlock.request (send, receive, pause, end, close) <-- JavaScript, whenever it likes
//
// Streams and listeners report completions and not readiness alone. A turn then needs one call into JavaScript and none
// back, however many connections it serves, and it is what io_uring is made for. Other descriptors (timers, inotify,
// datagrams, pipes) report readiness.
//
// JavaScript makes the tokens; each consists of a slot and a generation. Whatever arrives for a token that is no longer
// in use is dropped here: its buffer goes back to the pool, its descriptor is closed.
//
// Bytes leave in the order in which they were offered. What the kernel does not take of a send goes back to JavaScript.
// From then on every further send of that connection goes back too (`isReturning`), even if there is room again,
// because otherwise later bytes would overtake earlier ones. JavaScript puts the pieces in order and sends the first of
// them directly, which ends this state. A drain waits until the kernel has answered each of its sends. Only if
// io_uring_enter keeps failing does it leave the rest to the next drain; their half of the outbox then stays in use.
//
// Both sources take readiness from the thread's epoll: for descriptors of users, and for the two things besides bytes
// that a stream waits for, which are room to send and a reset that no receive would report. A poll of io_uring cannot
// wait for room, because it also completes when the peer has ended its side, whatever it was asked for (IO_POLL_UNMASK
// in the kernel). Sources: epoll(7), io_uring(7); mio for token, interest and readiness.
#pragma once
#include <cerrno>
#include <cstdint>
#include <memory>
#include <vector>

#include "layout.h"
#include "owned_descriptors.h"

namespace percore {

// Typed arrays of JavaScript. References keep them alive for as long as a source uses them.
struct IoMemory {
  layout::IoBlock* block = nullptr;
  char* pool = nullptr;
  size_t poolBytes = 0;
  char* outbox = nullptr;  // two halves: one is filled while sends of the other may still come back
  size_t outboxBytes = 0;
  layout::IoCounters* counters = nullptr;  // in a reactor, part of its Party
};

// What the thread's epoll reports besides endpoints, each of which has its token there: its eventfd and timerfd, the
// ring of a source, and libuv's epoll.
inline constexpr uint64_t kWakerToken = UINT64_MAX, kTimerToken = UINT64_MAX - 1, kRingToken = UINT64_MAX - 2,
                          kLoopToken = UINT64_MAX - 3;

class IoSource {
 public:
  static constexpr int32_t kSlotBits = 20;  // the same as in src/io/token.ts
  static constexpr int32_t kEpollBatch = 64;

  IoSource(const IoMemory& memory, OwnedDescriptors* owned, int epollFd)
      : memory_(memory), block_(memory.block), counters_(memory.counters), owned_(owned), epoll_(epollFd) {}
  IoSource(const IoSource&) = delete;
  IoSource& operator=(const IoSource&) = delete;
  virtual ~IoSource() {
    counters_->connections = 0;
    if (handle) *handle = nullptr;
  }

  // Registers any descriptor for readiness. `interest` is a set of layout::Interest. 0 or -errno.
  int add(int fd, int32_t token, int32_t interest);
  int modify(int fd, int32_t token, int32_t interest);
  void remove(int fd, int32_t token);
  // Registers a stream or a listener. It receives or accepts nothing before RECEIVE is requested. 0 or -errno.
  virtual int open(int fd, int32_t token, layout::IoKind kind) = 0;
  // Forgets the token at once and leaves the descriptor open. What has already arrived is in the events.
  virtual void detach(int32_t token) = 0;
  // Sends at once, past the outbox. Returns how many bytes the kernel took, or -errno; if it took fewer than `length`,
  // a WRITABLE event follows once there is room. JavaScript uses it for the oldest unsent bytes, after it has taken
  // back what lay in the outbox.
  int32_t send(int32_t token, const char* bytes, size_t length);
  // Called with the `events` that the thread's epoll has reported for `data`, which this source has registered.
  virtual void onEvent(uint64_t data, uint32_t events) = 0;
  // Collects what has arrived, as far as the event block has room for it.
  virtual void collect() = 0;
  // True when `collect` would find something although the epoll reports nothing.
  virtual bool hasMore() const = 0;
  // Carries out what was requested.
  virtual void drain() = 0;

  // True while the events of another epoll batch fit into the event block.
  bool hasRoom() const { return block_->events < kMostCollected; }
  int32_t eventCount() const { return block_->events; }
  bool hasEvents() const { return block_->events != 0; }
  bool hasRequests() const { return block_->requests != 0; }
  // Where the JavaScript handle keeps its pointer to this object.
  IoSource** handle = nullptr;

 protected:
  // `collect` leaves part of the event block free, so that `drain` can always report what was not sent.
  static constexpr int32_t kMostEvents = int32_t(sizeof layout::IoBlock::event / sizeof(int32_t) / 4);
  static constexpr int32_t kMostCollected = kMostEvents / 2 - kEpollBatch;
  static constexpr int32_t kMostRequests = int32_t(sizeof layout::IoBlock::request / sizeof(int32_t) / 4);
  static constexpr int32_t kMostBuffers = int32_t(sizeof layout::IoBlock::bufferUsers / sizeof(int32_t));
  static_assert(2 * kMostRequests <= kMostEvents - kMostCollected);

  struct Entry {
    int32_t token = -1;
    int fd = -1;
    layout::IoKind kind = layout::IoKind::kReadiness;
    bool isReceiving = false;  // JavaScript wants to receive
    bool hasError = false;     // the thread's epoll has reported an error
    bool isBlocked = false;    // the kernel took fewer bytes than it was given
    bool isReturning = false;  // bytes went back to JavaScript, which has not sent them again yet
    bool hasEnded = false;     // the peer's end has been received
    struct OfEpoll {
      bool isReadable = false;  // the kernel may have more
      bool hasEnd = false;      // an end or an error was reported, so a short read does not mean that nothing follows
      bool isFull = false;      // the last read filled all the room that it had
      bool isQueued = false;    // the token is in `ready_`
      size_t mostBytes = 0;     // of one receive; set by the request to receive
    } epoll;
    struct OfUring {
      bool isWatched = false;  // it is in the thread's epoll
      uint32_t armed = 0;      // the operations under way, as a set of Operation
      uint32_t sentBatch = 0;  // the drain that sent something of it last
    } uring;
  };

  Entry& make(int fd, int32_t token, layout::IoKind kind);
  // From here on the token means nothing.
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
  // Reports a new connection of `listener`, whose descriptor this thread owns from now on.
  void pushAccepted(int32_t listener, int fd);
  // True for an accept that failed because of one connection, which is gone already: the next one can be tried.
  static bool isOfOneConnection(int error) { return error == EINTR || error == ECONNABORTED || error == EPROTO; }
  int32_t sendNow(Entry& entry, const char* bytes, size_t length);
  // Called when the kernel took fewer bytes than it was given: a WRITABLE event must follow once there is room. 0 or
  // -errno.
  virtual int waitForRoom(Entry& entry) = 0;
  void pushUnsent(Entry& entry, int32_t length, int32_t offset) {
    entry.isReturning = true;
    block_->unsent++;
    push(entry.token, layout::IoEvent::kUnsent, length, offset);
  }
  // Bytes went back although the kernel has room. JavaScript takes their return to mean that it has none, so this
  // corrects it.
  void pushRoom(Entry& entry) { push(entry.token, layout::IoEvent::kReadiness, int32_t(layout::Readiness::kWritable)); }
  // Reports what the epoll says of a stream: that there is room; and a hang-up or an error, unless a receive will
  // report it (`isReceiveTold`).
  void pushStreamEvents(Entry& entry, uint32_t events, bool isReceiveTold);
  // Reports once more an error that the epoll has already seen: nothing receives any longer, so no receive will tell
  // it.
  void tellError(const Entry& entry);
  // Calls epoll_ctl. 0 or -errno.
  int control(int operation, int fd, int32_t token, uint32_t events) const;
  static int32_t readinessOf(uint32_t events);
  static uint32_t eventsOf(int32_t interest);
  // The same as `eventsOf`, with the flags for edge-triggered and one-shot.
  static uint32_t modeOf(int32_t interest);

  IoMemory memory_;
  layout::IoBlock* block_;
  layout::IoCounters* counters_;
  OwnedDescriptors* owned_;
  int epoll_;
  std::vector<Entry> entries_;
};

std::unique_ptr<IoSource> openEpollIo(const IoMemory& memory, OwnedDescriptors* owned, int epollFd);
// Null, with `error` set to an errno, when the kernel refuses. Needs Linux 6.1.
std::unique_ptr<IoSource> openUringIo(const IoMemory& memory, OwnedDescriptors* owned, int epollFd, int* error);
// Asks the kernel for a small io_uring and closes it again. 0, or the errno with which it was refused.
int probeUring();

}  // namespace percore
