// Tests the contract of io_source.h on both sources, without Node; run-sanitized.mjs runs it. The argument is a seed.
//
// Random traffic goes over socket pairs, with pauses, resumptions, closes, and slots that are used again at once. There
// are peers that do not read, cancels that race with data, and more submissions than a ring holds. Every byte must
// arrive once and in order, and every connection must end once.
#include <dirent.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <random>
#include <vector>

#include "../thread_epoll.h"
#include "../io_source.h"
#include "../unique_fd.h"

using namespace percore;
using layout::IoEvent;
using layout::IoKind;
using layout::IoRequest;

// This process has no libuv and passes no loop on, so a stand-in for timerfd is never opened.
uv_timer_s* LoopTimer::make(uv_loop_s*) { abort(); }
void LoopTimer::start(uv_timer_s*, int64_t) { abort(); }
void LoopTimer::end(uv_timer_s*) { abort(); }

static const char* current = "";

#define EXPECT(condition)                                                                  \
  do {                                                                                     \
    if (!(condition)) {                                                                    \
      fprintf(stderr, "io_source_test: %s, line %d: %s\n", current, __LINE__, #condition); \
      exit(1);                                                                             \
    }                                                                                      \
  } while (false)

// A small version of what JavaScript does: hands events to connections, gathers requests, keeps what was not sent.
struct Loop {
  static constexpr size_t kPool = 1 << 23, kHalf = 1 << 18;
  std::unique_ptr<layout::IoBlock> block{new layout::IoBlock{}};
  layout::IoCounters counters{};
  std::vector<char> pool = std::vector<char>(kPool), outbox = std::vector<char>(2 * kHalf);
  OwnedDescriptors owned;
  ThreadEpoll epoll;
  std::unique_ptr<IoSource> io;
  size_t outboxAt = 0;
  int32_t seenDrains = 0;

  struct Connection {
    int fd = -1, peer = -1;
    int32_t token = -1;
    uint32_t sent = 0, received = 0;  // from the peer to us, as a pattern
    uint32_t offered = 0, read = 0;   // from us to the peer
    std::vector<char> backlog;
    size_t returned = 0;  // first bytes of the backlog, which were offered before what lies in the outbox
    bool isWritable = true, isEnded = false;
    int ends = 0;
  };
  std::vector<std::unique_ptr<Connection>> bySlot;
  std::vector<int32_t> generations, freeSlots, retired;

  // False when io_uring is refused here.
  bool open(bool isUring) {
    EXPECT(epoll.open(-1, nullptr));
    IoMemory memory{block.get(), pool.data(), pool.size(), outbox.data(), outbox.size(), &counters};
    int error = 0;
    io = isUring ? openUringIo(memory, &owned, epoll.fd(), &error) : openEpollIo(memory, &owned, epoll.fd());
    if (!io) fprintf(stderr, "io_source_test: io_uring refused: %s\n", strerror(error));
    return io != nullptr;
  }

  void request(IoRequest kind, int32_t token, int32_t a = 0, int32_t b = 0) {
    if (block->requests == int32_t(sizeof block->request / 16)) drain();
    int32_t* at = &block->request[block->requests++ * 4];
    at[0] = int32_t(kind), at[1] = token, at[2] = a, at[3] = b;
  }

  void drain() {
    take();
    io->drain();
    take();
    if (block->requests == 0) {
      for (int32_t slot : retired) freeSlots.push_back(slot);
      retired.clear();
    }
  }

  void turn(int waitMs = 0) {
    drain();
    if (waitMs != 0 && !io->hasMore() && !io->hasEvents()) {
      pollfd one{epoll.fd(), POLLIN, 0};
      ::poll(&one, 1, waitMs);
    }
    double wakes = 0;
    epoll.collect(io.get(), &wakes);
    take();
  }

  Connection& add() {
    int pair[2];
    EXPECT(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, pair) == 0);
    int32_t slot;
    if (freeSlots.empty()) {
      slot = int32_t(bySlot.size());
      bySlot.emplace_back();
      generations.push_back(0);
    } else {
      slot = freeSlots.back();
      freeSlots.pop_back();
    }
    generations[size_t(slot)] = (generations[size_t(slot)] + 1) % 2048;
    bySlot[size_t(slot)] = std::make_unique<Connection>();
    Connection& made = *bySlot[size_t(slot)];
    made.fd = pair[0], made.peer = pair[1];
    made.token = generations[size_t(slot)] << IoSource::kSlotBits | slot;
    owned.own(made.fd);
    EXPECT(io->open(made.fd, made.token, IoKind::kStream) == 0);
    request(IoRequest::kReceive, made.token);
    return made;
  }

  void close(Connection& connection) {
    const int32_t slot = connection.token & ((1 << IoSource::kSlotBits) - 1);
    request(IoRequest::kClose, connection.token, connection.fd);
    ::close(connection.peer);
    retired.push_back(slot);
    bySlot[size_t(slot)].reset();
  }

  double received = 0;

  Connection* find(int32_t token) {
    const size_t slot = size_t(token) & ((size_t(1) << IoSource::kSlotBits) - 1);
    return slot < bySlot.size() && bySlot[slot] && bySlot[slot]->token == token ? bySlot[slot].get() : nullptr;
  }

  // While `holds` is set, arrivals are not given back before `giveBack`.
  bool holds = false;
  std::vector<int32_t> held;

  void release(int32_t place) {
    const int32_t buffer = place >> block->bufferBits;
    EXPECT(block->bufferUsers[buffer] > 0);
    if (--block->bufferUsers[buffer] == 0) block->releasedBuffer[block->released++] = buffer;
  }

  void giveBack() {
    for (int32_t place : held) release(place);
    held.clear();
  }

  static char patternAt(uint32_t at) { return char(at * 31 + (at >> 8)); }

  void offer(Connection& connection, size_t length) {
    std::vector<char> bytes(length);
    for (char& byte : bytes) byte = patternAt(connection.offered++);
    if (seenDrains != block->drains) seenDrains = block->drains, outboxAt = 0;
    const size_t half = size_t(block->drains & 1) * kHalf;
    if (connection.backlog.empty() && connection.isWritable && outboxAt + length <= kHalf &&
        block->requests < int32_t(sizeof block->request / 16)) {
      memcpy(&outbox[half + outboxAt], bytes.data(), length);
      request(IoRequest::kSend, connection.token, int32_t(half + outboxAt), int32_t(length));
      outboxAt += length;
      return;
    }
    connection.backlog.insert(connection.backlog.end(), bytes.begin(), bytes.end());
  }

  void flushBacklogs() {
    for (auto& connection : bySlot) {
      if (!connection || connection->backlog.empty() || !connection->isWritable) continue;
      drain();
      if (!connection->isWritable) continue;
      const int32_t sent = io->send(connection->token, connection->backlog.data(), connection->backlog.size());
      EXPECT(sent >= 0);
      if (size_t(sent) < connection->backlog.size()) connection->isWritable = false;
      connection->backlog.erase(connection->backlog.begin(), connection->backlog.begin() + sent);
      connection->returned -= std::min(connection->returned, size_t(sent));
    }
  }

  void take() {
    const int32_t count = block->events;
    block->events = block->unsent = 0;
    for (int32_t i = 0; i < count; i++) {
      const int32_t *event = &block->event[i * 4], token = event[0], value = event[2], place = event[3];
      Connection* connection = find(token);
      switch (IoEvent(event[1])) {
        case IoEvent::kReceived: {
          received += value;
          if (connection) {
            EXPECT(connection->ends == 0);
            for (int32_t at = 0; at < value; at++)
              EXPECT(pool[size_t(place + at)] == patternAt(connection->received++));
          }
          if (holds) held.push_back(place);
          else release(place);
          break;
        }
        case IoEvent::kEnded:
          if (connection) connection->ends++;
          break;
        case IoEvent::kUnsent:
          if (!connection) break;
          connection->isWritable = false;
          connection->backlog.insert(connection->backlog.begin() + ptrdiff_t(connection->returned),
              &outbox[size_t(place)], &outbox[size_t(place)] + value);
          connection->returned += size_t(value);
          break;
        case IoEvent::kReadiness:
          if (connection && (value & int32_t(layout::Readiness::kWritable))) connection->isWritable = true;
          break;
        case IoEvent::kFailed:
        case IoEvent::kSendFailed: EXPECT(!connection); break;
        default: EXPECT(false);
      }
    }
  }

  void peerWrites(Connection& connection, size_t length) {
    std::vector<char> bytes(length);
    for (size_t i = 0; i < length; i++) bytes[i] = patternAt(connection.sent + uint32_t(i));
    const ssize_t count = write(connection.peer, bytes.data(), length);
    if (count > 0) connection.sent += uint32_t(count);
  }

  void peerReads(Connection& connection) {
    char bytes[65536];
    for (ssize_t count; (count = read(connection.peer, bytes, sizeof bytes)) > 0;) {
      for (ssize_t at = 0; at < count; at++) EXPECT(bytes[at] == patternAt(connection.read++));
    }
  }
};

static void carriesEverything(bool isUring, uint32_t seed) {
  Loop loop;
  if (!loop.open(isUring)) return;
  std::mt19937 random(seed);
  std::vector<Loop::Connection*> open;
  for (int step = 0; step < 20000; step++) {
    const uint32_t what = random() % 16;
    Loop::Connection* one = open.empty() ? nullptr : open[random() % open.size()];
    if (!one || (what == 0 && open.size() < 60)) {
      open.push_back(&loop.add());
    } else if (what == 1 && open.size() > 20) {
      std::erase(open, one);
      loop.close(*one);
    } else if (what < 6) {
      loop.peerWrites(*one, 1 + random() % (random() % 20 == 0 ? 200000 : 300));
    } else if (what < 10) {
      loop.offer(*one, 1 + random() % (random() % 20 == 0 ? 100000 : 300));
    } else if (what == 10) {
      loop.request(IoRequest::kPause, one->token);
      if (random() % 2) loop.drain();
      loop.request(IoRequest::kReceive, one->token);
    } else if (what < 13) {
      loop.peerReads(*one);
      loop.flushBacklogs();
    } else {
      loop.turn();
    }
  }
  for (int round = 0; round < 20000; round++) {
    bool isDone = true;
    for (Loop::Connection* one : open) {
      loop.peerReads(*one);
      if (one->received != one->sent || one->read != one->offered) isDone = false;
    }
    if (isDone) break;
    loop.flushBacklogs();
    loop.turn(1);
  }
  for (Loop::Connection* one : open) {
    EXPECT(one->received == one->sent);
    EXPECT(one->read == one->offered);
    shutdown(one->peer, SHUT_WR);
  }
  for (int round = 0; round < 200; round++) loop.turn(1);
  for (Loop::Connection* one : open) {
    EXPECT(one->ends == 1);
    loop.close(*one);
  }
  EXPECT(loop.counters.connections == double(open.size()));
  loop.turn();
  for (int32_t users : loop.block->bufferUsers) EXPECT(users == 0);
  EXPECT(loop.counters.connections == 0);
  EXPECT(loop.counters.bytesReceived == loop.received);
  EXPECT(loop.counters.bytesSent >= loop.counters.sends);
}

// A pause is a cancel. Whatever came before it, the cancelled operation ends once, and no byte is lost or repeated.
static void cancelRaces(bool isUring, uint32_t seed) {
  Loop loop;
  if (!loop.open(isUring)) return;
  std::mt19937 random(seed);
  Loop::Connection& one = loop.add();
  for (int race = 0; race < 10000; race++) {
    const uint32_t order = random() % 3;
    if (order == 0) loop.peerWrites(one, 1 + random() % 64);
    loop.request(IoRequest::kPause, one.token);
    if (order == 1) loop.peerWrites(one, 1 + random() % 64);
    if (random() % 2) loop.drain();
    if (order == 2) loop.peerWrites(one, 1 + random() % 64);
    loop.request(IoRequest::kReceive, one.token);
    loop.turn();
  }
  for (int round = 0; round < 2000 && one.received != one.sent; round++) loop.turn(1);
  EXPECT(one.received == one.sent);
  shutdown(one.peer, SHUT_WR);
  for (int round = 0; round < 100; round++) loop.turn(1);
  EXPECT(one.ends == 1);
}

// In one turn more is submitted than the ring holds: the ring is submitted in between, and nothing is dropped.
static void manyAtOnce(bool isUring, uint32_t) {
  Loop loop;
  if (!loop.open(isUring)) return;
  rlimit files{};
  getrlimit(RLIMIT_NOFILE, &files);
  files.rlim_cur = files.rlim_max;
  setrlimit(RLIMIT_NOFILE, &files);
  const size_t count = std::min<size_t>(3000, (size_t(files.rlim_cur) - 100) / 2);
  std::vector<Loop::Connection*> open;
  for (size_t i = 0; i < count; i++) open.push_back(&loop.add());
  for (Loop::Connection* one : open) {
    loop.peerWrites(*one, 100);
    loop.offer(*one, 40);
  }
  for (int round = 0; round < 300; round++) {
    loop.flushBacklogs();
    loop.turn(round < 100 ? 0 : 1);
  }
  for (Loop::Connection* one : open) {
    loop.peerReads(*one);
    EXPECT(one->received == 100 && one->read == 40);
  }
}

// Once bytes have come back, all further bytes of that connection come back until the first of them are sent directly,
// even though there is room again: what was offered between the send and the news of it must not overtake. Besides,
// room is reported for a half-closed peer too, and not before there is any.
static void nothingOvertakes(bool isUring, uint32_t) {
  Loop loop;
  if (!loop.open(isUring)) return;
  Loop::Connection& one = loop.add();
  shutdown(one.peer, SHUT_WR);
  for (int round = 0; round < 20; round++) loop.turn();
  EXPECT(one.ends == 1);
  while (one.isWritable) {
    for (int i = 0; i < 4; i++) loop.offer(one, 5000);
    loop.drain();
  }
  for (int round = 0; round < 20; round++) loop.turn();
  EXPECT(!one.isWritable);
  // JavaScript may not have heard of it yet and then offers past the backlog.
  std::vector<char> waiting;
  waiting.swap(one.backlog);
  one.isWritable = true;
  const size_t returned = one.returned;
  loop.offer(one, 300);
  one.backlog = waiting;
  one.returned = returned;
  loop.peerReads(one);
  double wakes = 0;
  loop.epoll.collect(loop.io.get(), &wakes);  // there is room, and the source knows it
  loop.drain();
  EXPECT(one.backlog.size() == waiting.size() + 300);
  for (int round = 0; round < 100 && one.read != one.offered; round++) {
    loop.turn(1);
    loop.flushBacklogs();
    loop.peerReads(one);
  }
  EXPECT(one.read == one.offered);
}

// All buffers are held. Whoever asks for one meanwhile is served as soon as some are given back, with one buffer each,
// however much the others have to read.
static void emptyPool(bool isUring, uint32_t) {
  Loop loop;
  if (!loop.open(isUring)) return;
  loop.holds = true;
  std::vector<Loop::Connection*> greedy;
  for (int i = 0; i < 300; i++) greedy.push_back(&loop.add());
  Loop::Connection& modest = loop.add();
  for (int round = 0; round < 20; round++) {
    for (Loop::Connection* one : greedy) loop.peerWrites(*one, 150000);
    loop.turn();
  }
  EXPECT(loop.counters.poolWaits > 0);
  loop.peerWrites(modest, 4);
  for (int round = 0; round < 5; round++) loop.turn();
  EXPECT(modest.received == 0);
  int rounds = 0;
  for (; modest.received != 4; rounds++) {
    loop.giveBack();
    for (Loop::Connection* one : greedy) loop.peerWrites(*one, 150000);
    loop.turn();
    EXPECT(rounds < 50);
  }
  loop.holds = false;
  loop.giveBack();
}

// A descriptor that is ready at every look, so that its events can fill the block: what completes then has to wait.
struct FullBlock {
  static constexpr int32_t kToken = 1 << IoSource::kSlotBits | 5000;
  Loop& loop;
  UniqueFd always{eventfd(1, EFD_CLOEXEC | EFD_NONBLOCK)};

  explicit FullBlock(Loop& of) : loop(of) {
    constexpr int32_t kInterest = int32_t(layout::Interest::kReadable) | int32_t(layout::Interest::kLevel);
    EXPECT(loop.io->add(always.get(), kToken, kInterest) == 0);
    double wakes = 0;
    while (loop.io->hasRoom()) loop.epoll.collect(loop.io.get(), &wakes);
  }
  void end() { loop.io->remove(always.get(), kToken); }
};

// Arrivals wait for room in the block, and their connections are closed meanwhile. So their buffers come back without
// JavaScript, and must serve those who had found no buffer.
static void buffersOfTheClosed(bool isUring, uint32_t) {
  Loop loop;
  if (!loop.open(isUring)) return;
  std::vector<Loop::Connection*> many;
  for (int i = 0; i < 300; i++) many.push_back(&loop.add());
  Loop::Connection& modest = loop.add();
  for (int round = 0; round < 20; round++) loop.turn();
  FullBlock full(loop);
  for (Loop::Connection* one : many) loop.peerWrites(*one, 4);
  // The kernel receives for a few of them each time that it is asked.
  for (int round = 0; round < 50; round++) loop.io->collect();
  loop.peerWrites(modest, 4);
  for (int round = 0; round < 50; round++) loop.io->collect();
  for (Loop::Connection* one : many) loop.close(*one);
  loop.drain();
  full.end();
  for (int round = 0; round < 50 && modest.received != 4; round++) loop.turn(1);
  EXPECT(modest.received == 4);
}

static size_t openDescriptors() {
  size_t count = 0;
  DIR* folder = opendir("/proc/self/fd");
  EXPECT(folder != nullptr);
  while (readdir(folder)) count++;
  closedir(folder);
  return count;
}

// Connections that were accepted, and whose events had no room in the block, are closed with the source.
static void acceptedAndNotTold(bool isUring, uint32_t) {
  const size_t before = openDescriptors();
  {
    Loop loop;
    if (!loop.open(isUring)) return;
    UniqueFd listener(socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
    // Without a path Linux chooses an abstract name.
    sockaddr_un name{};
    name.sun_family = AF_UNIX;
    socklen_t length = sizeof name;
    EXPECT(bind(listener.get(), reinterpret_cast<sockaddr*>(&name), sizeof name.sun_family) == 0);
    EXPECT(listen(listener.get(), 64) == 0);
    EXPECT(getsockname(listener.get(), reinterpret_cast<sockaddr*>(&name), &length) == 0);
    const int32_t token = 1 << IoSource::kSlotBits | 4000;
    EXPECT(loop.io->open(listener.get(), token, IoKind::kListener) == 0);
    loop.request(IoRequest::kReceive, token);
    for (int round = 0; round < 20; round++) loop.turn();
    FullBlock full(loop);
    UniqueFd clients[32];
    for (UniqueFd& client : clients) {
      client.reset(socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
      EXPECT(connect(client.get(), reinterpret_cast<sockaddr*>(&name), length) == 0);
    }
    loop.io->collect();
    loop.io.reset();
  }
  EXPECT(openDescriptors() == before);
}

int main(int count, char** arguments) {
  const uint32_t seed = count > 1 ? uint32_t(strtoul(arguments[1], nullptr, 10)) : 1;
  for (bool isUring : {false, true}) {
    current = isUring ? "io_uring carries everything" : "epoll carries everything";
    carriesEverything(isUring, seed);
    current = isUring ? "io_uring cancel races" : "epoll cancel races";
    cancelRaces(isUring, seed);
    current = isUring ? "io_uring many at once" : "epoll many at once";
    manyAtOnce(isUring, seed);
    current = isUring ? "io_uring nothing overtakes" : "epoll nothing overtakes";
    nothingOvertakes(isUring, seed);
    current = isUring ? "io_uring empty pool" : "epoll empty pool";
    emptyPool(isUring, seed);
    current = isUring ? "io_uring buffers of the closed" : "epoll buffers of the closed";
    buffersOfTheClosed(isUring, seed);
    current = isUring ? "io_uring accepted and not told" : "epoll accepted and not told";
    acceptedAndNotTold(isUring, seed);
  }
  return 0;
}
