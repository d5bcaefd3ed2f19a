// Datagram sockets, UDP and Unix: many datagrams with one system call.
//
//   receive:  recvmmsg -> slot 0 | slot 1 | ... | slot 63     (a region of JavaScript's; names and headers are here)
//             entries: offset, length, peer, cutBytes          one for each, read by JavaScript without a call
//   send:     JavaScript copies bytes into a region of its own and writes entries; one sendmmsg sends them all
//
// A peer in an entry is a number. It means a slot of the receiver whose batch is being delivered; or an address that is
// held here because that batch is over; or an address that the user keeps. So an echo needs neither an object nor an
// address as text. Each call looks the regions up again, because JavaScript could have transferred them away. Source:
// recvmmsg(2), sendmmsg(2), udp(7), unix(7).
#include <linux/sock_diag.h>
#include <netinet/ip.h>
#include <sys/socket.h>

#include <memory>
#include <vector>

#include "addon_state.h"
#include "bindings.h"
#include "handle.h"
#include "layout.h"
#include "napi_args.h"
#include "socket_address.h"
#include "unique_fd.h"

namespace percore {

using layout::DatagramEntry;
constexpr int kBatch = layout::kDatagramBatch;
constexpr int kMostKept = layout::kMostKeptPeers;
constexpr int32_t kMostSlotBytes = 65536;
constexpr int32_t kNoPort = -2;  // -1 means that the text is a path

// These objects own no system resource, so each is freed together with its JavaScript handle.
template <class T>
struct Collected {
  T** handle = nullptr;
  void whenCollected() { delete static_cast<T*>(this); }
};

struct Receiver : Collected<Receiver> {
  explicit Receiver(uint32_t slot) : slotBytes(slot) {}
  const uint32_t slotBytes;
  sockaddr_storage names[kBatch]{};
  iovec vectors[kBatch]{};
  mmsghdr headers[kBatch]{};
  char* region = nullptr;

  void aimAt(char* bytes) {
    region = bytes;
    for (int i = 0; i < kBatch; i++) {
      vectors[i] = {bytes + size_t(i) * slotBytes, slotBytes};
      headers[i].msg_hdr.msg_name = &names[i];
      headers[i].msg_hdr.msg_iov = &vectors[i];
      headers[i].msg_hdr.msg_iovlen = 1;
    }
  }
};

struct Sender : Collected<Sender> {
  SocketAddress held[kBatch];
  std::vector<SocketAddress> kept;
  iovec vectors[kBatch]{};
  mmsghdr headers[kBatch]{};
};

// datagrams.createReceiver(slotBytes) -> receiver, for a region of DATAGRAM_BATCH slots
static Napi::Value createDatagramReceiver(const Napi::CallbackInfo& info) {
  const int32_t slotBytes = int32Of(info.Env(), info[0]);
  if (slotBytes < 1 || slotBytes > kMostSlotBytes)
    return throwSystemError(info.Env(), EINVAL, "createDatagramReceiver");
  return Napi::Value(info.Env(), makeHandle(info.Env(), new Receiver(uint32_t(slotBytes))));
}

// datagrams.createSender() -> sender
static Napi::Value createDatagramSender(const Napi::CallbackInfo& info) {
  return Napi::Value(info.Env(), makeHandle(info.Env(), new Sender()));
}

// Anybody may have sent what came between bind and connect, so it is discarded. Bounded, so that a flood cannot keep
// the thread here.
static void discardQueued(int fd) {
  char byte;
  for (int i = 0; i < 1024 && recv(fd, &byte, sizeof byte, MSG_DONTWAIT) >= 0; i++) {
  }
}

// datagrams.open(host, port, reusePort, broadcast, peerHost, peerPort) -> { fd, port, address }. Without a peerHost the
// socket is not connected. Without a host it is not bound, and connecting chooses its address and port.
static Napi::Value udpOpen(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  const std::string host = textOf(env, info[0]), peerHost = textOf(env, info[4]);
  const int port = int32Of(env, info[1]), peerPort = int32Of(env, info[5]), yes = 1;
  if (host.empty() && peerHost.empty()) return throwSystemError(env, EINVAL, "bind", "no host");
  const std::string where = host + ":" + std::to_string(port);
  SocketAddress address, peer;
  if (!host.empty() && !address.setInternet(host, port)) return throwSystemError(env, ENODEV, "if_nametoindex", host);
  if (!peerHost.empty() && !peer.setInternet(peerHost, peerPort))
    return throwSystemError(env, ENODEV, "if_nametoindex", peerHost);
  UniqueFd fd(socket(host.empty() ? peer.family() : address.family(), SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (!fd) return throwSystemError(env, errno, "socket", where);
  if (booleanOf(env, info[2]) && setsockopt(fd.get(), SOL_SOCKET, SO_REUSEPORT, &yes, sizeof yes) != 0)
    return throwSystemError(env, errno, "setsockopt", where);
  if (booleanOf(env, info[3]) && setsockopt(fd.get(), SOL_SOCKET, SO_BROADCAST, &yes, sizeof yes) != 0)
    return throwSystemError(env, errno, "setsockopt", where);
  if (!host.empty() && bind(fd.get(), address.name(), address.length) != 0)
    return throwSystemError(env, errno, "bind", where);
  if (!peerHost.empty()) {
    if (connect(fd.get(), peer.name(), peer.length) != 0)
      return throwSystemError(env, errno, "connect", peerHost + ":" + std::to_string(peerPort));
    if (!host.empty()) discardQueued(fd.get());
  }
  if (!address.read(fd.get())) return throwSystemError(env, errno, "getsockname", where);
  Napi::Object result = Napi::Object::New(env);
  result.Set("port", Napi::Number::New(env, address.port()));
  result.Set("address", Napi::String::New(env, SocketAddress::textOf(address.storage, address.length)));
  stateOf(env)->own(fd.get());
  result.Set("fd", Napi::Number::New(env, fd.release()));
  return result;
}

// datagrams.receive(receiver, fd, region, entries, most) -> how many datagrams were received, or -errno
static napi_value datagramReceive(napi_env env, napi_callback_info info) {
  RawArgs<5> args(env, info);
  auto* receiver = ofHandle<Receiver>(env, args.value[0]);
  char* region = nullptr;
  int32_t* table = nullptr;
  size_t regionBytes = 0, tableWords = 0;
  const int32_t most = args.int32(4);
  if (!receiver || !args.bytes(2, &region, &regionBytes) || !args.words(3, &table, &tableWords))
    return args.integer(-EINVAL);
  if (regionBytes < size_t(kBatch) * receiver->slotBytes || tableWords * 4 < kBatch * sizeof(DatagramEntry) ||
      most < 1 || most > kBatch)
    return args.integer(-EINVAL);
  if (receiver->region != region) receiver->aimAt(region);
  for (int i = 0; i < most; i++) receiver->headers[i].msg_hdr.msg_namelen = sizeof(sockaddr_storage);
  int count;
  // MSG_TRUNC: the kernel reports the length that the datagram had on the wire, which tells how much was cut off.
  do count = recvmmsg(args.int32(1), receiver->headers, unsigned(most), MSG_DONTWAIT | MSG_TRUNC, nullptr);
  while (count < 0 && errno == EINTR);
  if (count < 0) return args.integer(-errno);
  auto* entries = reinterpret_cast<DatagramEntry*>(table);
  for (int i = 0; i < count; i++) {
    const uint32_t length = receiver->headers[i].msg_len,
                   kept = length < receiver->slotBytes ? length : receiver->slotBytes;
    entries[i] = {int32_t(i * receiver->slotBytes), int32_t(kept), i, int32_t(length - kept)};
  }
  return args.integer(count);
}

// The address that the peer of an entry stands for; nullptr for "the connected peer" and for numbers without a meaning.
static SocketAddress* heldOrKept(Sender* sender, int32_t peer) {
  using layout::DatagramPeer;
  const int32_t held = peer - int32_t(DatagramPeer::kHeld), kept = peer - int32_t(DatagramPeer::kKept);
  if (kept >= 0) return size_t(kept) < sender->kept.size() ? &sender->kept[size_t(kept)] : nullptr;
  return held >= 0 && held < kBatch ? &sender->held[held] : nullptr;
}

static bool copySlot(const Receiver* receiver, int32_t slot, SocketAddress* out) {
  if (!receiver || slot < 0 || slot >= kBatch) return false;
  out->storage = receiver->names[slot];
  out->length = receiver->headers[slot].msg_hdr.msg_namelen;
  return true;
}

static bool isSlot(int32_t peer) { return peer >= 0 && peer < kBatch; }

// Replaces slots of the receiver and kept addresses by held ones, from entry `first` on, so that the slots and the kept
// numbers can be used again.
static void hold(Sender* sender, const Receiver* receiver, DatagramEntry* entries, int first, int count) {
  for (int i = first; i < first + count; i++) {
    const int32_t peer = entries[i].peer;
    if (isSlot(peer)) {
      if (!copySlot(receiver, peer, &sender->held[i])) continue;
    } else if (const SocketAddress* from =
                   peer >= int32_t(layout::DatagramPeer::kKept) ? heldOrKept(sender, peer) : nullptr) {
      sender->held[i] = *from;
    } else {
      continue;
    }
    entries[i].peer = int32_t(layout::DatagramPeer::kHeld) + i;
  }
}

// The place of a held or kept number; a kept one is made if need be. nullptr for any other number.
static SocketAddress* placeOf(Sender* sender, int32_t peer) {
  const int32_t kept = peer - int32_t(layout::DatagramPeer::kKept);
  if (kept >= kMostKept) return nullptr;
  if (kept >= 0 && size_t(kept) >= sender->kept.size()) sender->kept.resize(size_t(kept) + 1);
  return heldOrKept(sender, peer);
}

// The first arguments of sending and holding: (sender, receiver, entries, first, count, ...). `read` returns false when
// they are not what they should be.
struct Pending {
  Sender* sender;
  Receiver* receiver;
  DatagramEntry* entries = nullptr;
  int first, count;

  template <size_t N>
  bool read(const RawArgs<N>& args) {
    int32_t* table = nullptr;
    size_t words = 0;
    sender = ofHandle<Sender>(args.env, args.value[0]);
    receiver = ofHandle<Receiver>(args.env, args.value[1]);
    first = args.int32(3);
    count = args.int32(4);
    if (!sender || !args.words(2, &table, &words) || words * 4 < kBatch * sizeof(DatagramEntry)) return false;
    entries = reinterpret_cast<DatagramEntry*>(table);
    return first >= 0 && count >= 1 && count <= kBatch && first <= kBatch - count;
  }
};

// datagrams.hold(sender, receiver, entries, first, count). For datagrams that will be sent only after the receiver's
// batch is over.
static napi_value datagramHold(napi_env env, napi_callback_info info) {
  RawArgs<5> args(env, info);
  Pending pending;
  if (pending.read(args)) hold(pending.sender, pending.receiver, pending.entries, pending.first, pending.count);
  return nullptr;
}

// datagrams.send(sender, receiver, entries, first, count, fd, region) -> how many datagrams the kernel took, or the
// -errno of the first one. When the kernel has no room, the addresses of the rest are held, so that it can be sent
// later.
static napi_value datagramSend(napi_env env, napi_callback_info info) {
  RawArgs<7> args(env, info);
  Pending pending;
  char* region = nullptr;
  size_t regionBytes = 0;
  if (!pending.read(args) || !args.bytes(6, &region, &regionBytes)) return args.integer(-EINVAL);
  Sender* sender = pending.sender;
  for (int i = 0; i < pending.count; i++) {
    const DatagramEntry& entry = pending.entries[pending.first + i];
    if (entry.offset < 0 || entry.length < 0 || size_t(entry.offset) + size_t(entry.length) > regionBytes)
      return args.integer(-EINVAL);
    msghdr& header = sender->headers[i].msg_hdr;
    sender->vectors[i] = {region + entry.offset, size_t(entry.length)};
    header = {};
    header.msg_iov = &sender->vectors[i];
    header.msg_iovlen = 1;
    if (isSlot(entry.peer) && pending.receiver) {
      header.msg_name = &pending.receiver->names[entry.peer];
      header.msg_namelen = pending.receiver->headers[entry.peer].msg_hdr.msg_namelen;
    } else if (SocketAddress* to = heldOrKept(sender, entry.peer)) {
      header.msg_name = &to->storage;
      header.msg_namelen = to->length;
    }
  }
  int sent;
  do sent = sendmmsg(args.int32(5), sender->headers, unsigned(pending.count), MSG_DONTWAIT | MSG_NOSIGNAL);
  while (sent < 0 && errno == EINTR);
  if (sent >= 0) return args.integer(sent);
  const int error = errno;
  if (error == EAGAIN || error == ENOBUFS || error == ENOMEM)
    hold(sender, pending.receiver, pending.entries, pending.first, pending.count);
  return args.integer(-error);
}

// datagrams.keep(sender, place, receiver, slot) -> 0 or -EINVAL. Keeps the slot's address under a number of
// DatagramPeer, held or kept.
static napi_value datagramKeep(napi_env env, napi_callback_info info) {
  RawArgs<4> args(env, info);
  auto* sender = ofHandle<Sender>(env, args.value[0]);
  SocketAddress* place = sender ? placeOf(sender, args.int32(1)) : nullptr;
  return args.integer(place && copySlot(ofHandle<Receiver>(env, args.value[2]), args.int32(3), place) ? 0 : -EINVAL);
}

// datagrams.keepAddress(sender, place, host or path, port) -> 0, or -EINVAL when it is not an address. The same for an
// address as text; port -1 means a path.
static Napi::Value datagramKeepAddress(const Napi::CallbackInfo& info) {
  auto* sender = ofHandle<Sender>(info.Env(), info[0]);
  const int port = int32Of(info.Env(), info[3], kNoPort);
  const std::string text = textOf(info.Env(), info[2]);
  SocketAddress address;
  SocketAddress* place = sender ? placeOf(sender, int32Of(info.Env(), info[1], 0)) : nullptr;
  if (!place || port == kNoPort || !(port < 0 ? address.setUnix(text) : address.setInternet(text, port)))
    return Napi::Number::New(info.Env(), -EINVAL);
  *place = address;
  return Napi::Number::New(info.Env(), 0);
}

// datagrams.addressOf(receiver, slot) -> { address, port }; for a Unix socket its path and port 0
static Napi::Value datagramAddress(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  SocketAddress from;
  if (!copySlot(ofHandle<Receiver>(env, info[0]), int32Of(env, info[1]), &from))
    return throwSystemError(env, EINVAL, "datagramAddress");
  Napi::Object result = Napi::Object::New(env);
  result.Set("address", Napi::String::New(env, SocketAddress::textOf(from.storage, from.length)));
  result.Set("port", Napi::Number::New(env, from.port()));
  return result;
}

// sockets.buffer(fd, isReceive, bytes) -> bytes granted, or -errno. Linux reports twice what was asked for. With bytes
// 0 it only reports.
static napi_value socketBuffer(napi_env env, napi_callback_info info) {
  RawArgs<3> args(env, info);
  const int option = args.boolean(1) ? SO_RCVBUF : SO_SNDBUF, fd = args.int32(0);
  int bytes = args.int32(2);
  socklen_t length = sizeof bytes;
  if (bytes > 0 && setsockopt(fd, SOL_SOCKET, option, &bytes, sizeof bytes) != 0) return args.integer(-errno);
  return args.integer(getsockopt(fd, SOL_SOCKET, option, &bytes, &length) == 0 ? bytes : -errno);
}

// datagrams.drops(fd) -> how many datagrams the kernel has dropped because the receive buffer was full, or -errno
static napi_value socketDrops(napi_env env, napi_callback_info info) {
  RawArgs<1> args(env, info);
  uint32_t figures[SK_MEMINFO_VARS] = {};
  socklen_t length = sizeof figures;
  if (getsockopt(args.int32(0), SOL_SOCKET, SO_MEMINFO, figures, &length) != 0) return args.integer(-errno);
  return args.real(double(figures[SK_MEMINFO_DROPS]));
}

void exportDatagram(Napi::Env env, Napi::Object exports) {
  Group datagrams(env, exports, "datagrams");
  Group sockets(env, exports, "sockets");
  datagrams.add("open", Napi::Function::New(env, udpOpen));
  datagrams.add("createReceiver", Napi::Function::New(env, createDatagramReceiver));
  datagrams.add("createSender", Napi::Function::New(env, createDatagramSender));
  datagrams.add("keepAddress", Napi::Function::New(env, datagramKeepAddress));
  datagrams.add("addressOf", Napi::Function::New(env, datagramAddress));
  datagrams.addRaw("receive", datagramReceive);
  datagrams.addRaw("hold", datagramHold);
  datagrams.addRaw("send", datagramSend);
  datagrams.addRaw("keep", datagramKeep);
  sockets.addRaw("buffer", socketBuffer);
  datagrams.addRaw("drops", socketDrops);
}

}  // namespace percore
