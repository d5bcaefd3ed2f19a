// TCP sockets by number, non-blocking and close-on-exec. Each call is one system call; would-block and resets are values
// (-errno), so the hot path makes no error objects. Sources: socket(7), tcp(7), accept4(2).
#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include "addon_state.h"
#include "bindings.h"
#include "napi_args.h"
#include "unique_fd.h"

namespace percore {

static AddonState* stateOf(napi_env env) {
  void* state = nullptr;
  napi_get_instance_data(env, &state);
  return static_cast<AddonState*>(state);
}

struct Address {
  sockaddr_storage storage{};
  socklen_t length = 0;
  int family = AF_UNSPEC;
};

static bool parseAddress(const std::string& host, int port, Address* out) {
  auto* v4 = reinterpret_cast<sockaddr_in*>(&out->storage);
  auto* v6 = reinterpret_cast<sockaddr_in6*>(&out->storage);
  if (inet_pton(AF_INET, host.c_str(), &v4->sin_addr) == 1) {
    v4->sin_family = AF_INET;
    v4->sin_port = htons(uint16_t(port));
    out->length = sizeof *v4;
  } else if (inet_pton(AF_INET6, host.c_str(), &v6->sin6_addr) == 1) {
    v6->sin6_family = AF_INET6;
    v6->sin6_port = htons(uint16_t(port));
    out->length = sizeof *v6;
  } else {
    return false;
  }
  out->family = out->storage.ss_family;
  return true;
}

static int portOf(const sockaddr_storage& storage) {
  return ntohs(storage.ss_family == AF_INET6 ? reinterpret_cast<const sockaddr_in6&>(storage).sin6_port : reinterpret_cast<const sockaddr_in&>(storage).sin_port);
}

// What listening and connecting begin with: the address of arguments 0 and 1, and a socket of its family. False: it has thrown.
struct OpenSocket {
  std::string where;
  Address address;
  UniqueFd fd;

  bool open(const Napi::CallbackInfo& info) {
    const std::string host = info[0].ToString();
    const int port = info[1].ToNumber().Int32Value();
    where = host + ":" + std::to_string(port);
    if (!parseAddress(host, port, &address)) return throwSystemError(info.Env(), EINVAL, "inet_pton", where), false;
    fd.reset(socket(address.family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
    if (!fd) return throwSystemError(info.Env(), errno, "socket", where), false;
    return true;
  }
};

// tcpListen(host, port, reusePort, backlog) -> { fd, port }
static Napi::Value tcpListen(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  const int backlog = info[3].ToNumber().Int32Value(), yes = 1;
  OpenSocket opened;
  if (!opened.open(info)) return env.Undefined();
  auto& [where, address, fd] = opened;
  // Without it a restart within a minute would find the port still in use by closed connections.
  setsockopt(fd.get(), SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
  if (info[2].ToBoolean() && setsockopt(fd.get(), SOL_SOCKET, SO_REUSEPORT, &yes, sizeof yes) != 0) return throwSystemError(env, errno, "setsockopt", where);
  if (bind(fd.get(), reinterpret_cast<sockaddr*>(&address.storage), address.length) != 0) return throwSystemError(env, errno, "bind", where);
  if (listen(fd.get(), backlog) != 0) return throwSystemError(env, errno, "listen", where);
  socklen_t length = sizeof address.storage;
  if (getsockname(fd.get(), reinterpret_cast<sockaddr*>(&address.storage), &length) != 0) return throwSystemError(env, errno, "getsockname", where);
  Napi::Object result = Napi::Object::New(env);
  result.Set("port", Napi::Number::New(env, portOf(address.storage)));
  if (!stateOf(env)->reserve) stateOf(env)->reserve.reset(::open("/dev/null", O_RDONLY | O_CLOEXEC));
  stateOf(env)->ownSocket(fd.get());
  result.Set("fd", Napi::Number::New(env, fd.release()));
  return result;
}

// tcpConnect(host, port) -> fd, connecting: writable once it is open.
static Napi::Value tcpConnect(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  const int yes = 1;
  OpenSocket opened;
  if (!opened.open(info)) return env.Undefined();
  auto& [where, address, fd] = opened;
  setsockopt(fd.get(), IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
  if (connect(fd.get(), reinterpret_cast<sockaddr*>(&address.storage), address.length) != 0 && errno != EINPROGRESS) return throwSystemError(env, errno, "connect", where);
  stateOf(env)->ownSocket(fd.get());
  return Napi::Number::New(env, fd.release());
}

// socketClose(fd): only descriptors that this environment owns, so a number used again elsewhere is never closed twice.
static napi_value socketClose(napi_env env, napi_callback_info info) {
  stateOf(env)->closeSocket(RawArgs<1>(env, info).int32(0));
  return nullptr;
}

static napi_value ownSocket(napi_env env, napi_callback_info info) {
  stateOf(env)->ownSocket(RawArgs<1>(env, info).int32(0));
  return nullptr;
}

static napi_value disownSocket(napi_env env, napi_callback_info info) {
  stateOf(env)->disownSocket(RawArgs<1>(env, info).int32(0));
  return nullptr;
}

// tcpRefuse(fd) -> connections closed. Out of descriptors: the reserve is given up for each in turn. Another thread may take the number
// meanwhile; then nothing is refused now. Source: the well-known reserve-descriptor way of accept(2) servers.
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
  if (!reserve) reserve.reset(open("/dev/null", O_RDONLY | O_CLOEXEC));
  return args.integer(count);
}

// socketError(fd) -> errno that the socket holds (SO_ERROR), 0 for none.
static napi_value socketError(napi_env env, napi_callback_info info) {
  RawArgs<1> args(env, info);
  int error = 0;
  socklen_t length = sizeof error;
  if (getsockopt(args.int32(0), SOL_SOCKET, SO_ERROR, &error, &length) != 0) error = errno;
  return args.integer(error);
}

// errorName(errno) -> "ECONNRESET"
static Napi::Value errorName(const Napi::CallbackInfo& info) { return Napi::String::New(info.Env(), errnoName(info[0].ToNumber().Int32Value())); }

void exportTcp(Napi::Env env, Napi::Object exports) {
  exports.Set("tcpListen", Napi::Function::New(env, tcpListen));
  exports.Set("tcpConnect", Napi::Function::New(env, tcpConnect));
  exports.Set("errorName", Napi::Function::New(env, errorName));
  exportRaw(env, exports, "socketClose", socketClose);
  exportRaw(env, exports, "socketError", socketError);
  exportRaw(env, exports, "ownSocket", ownSocket);
  exportRaw(env, exports, "disownSocket", disownSocket);
  exportRaw(env, exports, "tcpRefuse", tcpRefuse);
}

}  // namespace percore
