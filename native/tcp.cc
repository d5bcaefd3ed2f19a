// TCP sockets by number, non-blocking and close-on-exec: how they listen and connect, and what sockets of all kinds
// have in common. Accepting, receiving and sending are done by the I/O source (io_source.h). Sources: socket(7),
// tcp(7), accept4(2).
#include <fcntl.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include "addon_state.h"
#include "bindings.h"
#include "napi_args.h"
#include "socket_address.h"
#include "unique_fd.h"

namespace percore {

// The first part of listening and connecting: the address in arguments 0 and 1, and a socket of its family. If `open`
// returns false, it has thrown.
struct OpenSocket {
  std::string where;
  SocketAddress address;
  UniqueFd fd;

  bool open(const Napi::CallbackInfo& info) {
    const std::string host = textOf(info.Env(), info[0]);
    const int port = int32Of(info.Env(), info[1]);
    where = host + ":" + std::to_string(port);
    if (!address.setInternet(host, port)) return throwSystemError(info.Env(), ENODEV, "if_nametoindex", where), false;
    fd.reset(socket(address.family(), SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
    if (!fd) return throwSystemError(info.Env(), errno, "socket", where), false;
    return true;
  }
};

// tcp.listen(host, port, reusePort, backlog) -> { fd, port }
static Napi::Value tcpListen(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  const int backlog = int32Of(env, info[3], 1);
  OpenSocket opened;
  if (!opened.open(info)) return env.Undefined();
  auto& [where, address, fd] = opened;
  if (const char* refused = address.bindReusable(fd.get(), booleanOf(env, info[2])))
    return throwSystemError(env, errno, refused, where);
  if (listen(fd.get(), backlog) != 0) return throwSystemError(env, errno, "listen", where);
  if (!address.read(fd.get())) return throwSystemError(env, errno, "getsockname", where);
  Napi::Object result = Napi::Object::New(env);
  result.Set("port", Napi::Number::New(env, address.port()));
  stateOf(env)->holdReserve();
  stateOf(env)->own(fd.get());
  result.Set("fd", Napi::Number::New(env, fd.release()));
  return result;
}

// tcp.connect(host, port) -> { fd, errno }. The socket is connecting, and becomes writable once it is open; or errno
// says why it was refused at once.
static Napi::Value tcpConnect(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  const int yes = 1;
  OpenSocket opened;
  if (!opened.open(info)) return env.Undefined();
  auto& [where, address, fd] = opened;
  setsockopt(fd.get(), IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
  const int error = connect(fd.get(), address.name(), address.length) == 0 || errno == EINPROGRESS ? 0 : errno;
  Napi::Object result = Napi::Object::New(env);
  result.Set("errno", Napi::Number::New(env, error));
  stateOf(env)->own(fd.get());
  result.Set("fd", Napi::Number::New(env, fd.release()));
  return result;
}

// descriptors.close(fd). Closes only descriptors that this environment owns, so that a number is never closed twice,
// which might belong to somebody else by then.
static napi_value socketClose(napi_env env, napi_callback_info info) {
  stateOf(env)->closeOwned(RawArgs<1>(env, info).int32(0));
  return nullptr;
}

static napi_value ownSocket(napi_env env, napi_callback_info info) {
  stateOf(env)->own(RawArgs<1>(env, info).int32(0));
  return nullptr;
}

// sockets.ownStream(fd) -> 0 or -errno. The number may come from anywhere, so the descriptor is owned only after it is
// known to be a connected stream socket.
static napi_value ownStream(napi_env env, napi_callback_info info) {
  RawArgs<1> args(env, info);
  const int fd = args.int32(0);
  int type = 0, isListening = 0;
  socklen_t length = sizeof type;
  if (getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &length) != 0) return args.integer(-errno);  // EBADF, ENOTSOCK
  length = sizeof isListening;
  if (getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &isListening, &length) != 0) return args.integer(-errno);
  if (type != SOCK_STREAM || isListening != 0) return args.integer(-EPROTOTYPE);
  if (!stateOf(env)->tryOwn(fd)) return args.integer(-EEXIST);
  return args.integer(0);
}

static napi_value disownSocket(napi_env env, napi_callback_info info) {
  stateOf(env)->disown(RawArgs<1>(env, info).int32(0));
  return nullptr;
}

// tcp.shed(fd) -> how many connections were closed. When descriptors have run out, the reserve is given up for each
// waiting connection in turn, which is accepted and closed. If another thread takes the free number meanwhile, no more
// are closed now. Source: the well-known reserve descriptor of accept(2) servers.
static napi_value tcpRefuse(napi_env env, napi_callback_info info) {
  RawArgs<1> args(env, info);
  constexpr int kMost = 64;
  UniqueFd& reserve = stateOf(env)->reserve;
  int count = 0;
  while (count < kMost && reserve) {
    reserve.reset();
    UniqueFd refused(accept4(args.int32(0), nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC));
    const bool isDone = !refused;
    refused.reset();
    reserve.reset(open("/dev/null", O_RDONLY | O_CLOEXEC));
    if (isDone) break;
    count++;
  }
  stateOf(env)->holdReserve();
  return args.integer(count);
}

// sockets.error(fd) -> the errno that the socket holds (SO_ERROR), which this clears; 0 for none.
static napi_value socketError(napi_env env, napi_callback_info info) {
  RawArgs<1> args(env, info);
  int error = 0;
  socklen_t length = sizeof error;
  if (getsockopt(args.int32(0), SOL_SOCKET, SO_ERROR, &error, &length) != 0) error = errno;
  return args.integer(error);
}

// sockets.peerName(fd) -> "127.0.0.1:1234", "[::1]:1234", the path of a Unix socket, or "" if the peer has no name.
static Napi::Value peerName(const Napi::CallbackInfo& info) {
  SocketAddress peer;
  peer.length = sizeof peer.storage;
  if (getpeername(int32Of(info.Env(), info[0]), peer.name(), &peer.length) != 0)
    return Napi::String::New(info.Env(), "");
  std::string text = SocketAddress::textOf(peer.storage, peer.length);
  if (peer.family() == AF_INET6) text = "[" + text + "]";
  if (peer.family() != AF_UNIX) text += ":" + std::to_string(peer.port());
  return Napi::String::New(info.Env(), text);
}

// system.errorName(errno) -> "ECONNRESET"
static Napi::Value errorName(const Napi::CallbackInfo& info) {
  return Napi::String::New(info.Env(), errnoName(int32Of(info.Env(), info[0])));
}

void exportTcp(Napi::Env env, Napi::Object exports) {
  Group tcp(env, exports, "tcp");
  Group sockets(env, exports, "sockets");
  Group system(env, exports, "system");
  Group descriptors(env, exports, "descriptors");
  tcp.add("listen", Napi::Function::New(env, tcpListen));
  tcp.add("connect", Napi::Function::New(env, tcpConnect));
  sockets.add("peerName", Napi::Function::New(env, peerName));
  system.add("errorName", Napi::Function::New(env, errorName));
  descriptors.addRaw("close", socketClose);
  sockets.addRaw("error", socketError);
  descriptors.addRaw("own", ownSocket);
  sockets.addRaw("ownStream", ownStream);
  descriptors.addRaw("disown", disownSocket);
  tcp.addRaw("shed", tcpRefuse);
}

}  // namespace percore
