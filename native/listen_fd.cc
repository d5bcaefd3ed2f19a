// A bound TCP socket for a server of Node's own. Typed in src/native.ts; who closes it is told in listen_fd.h.
#include "listen_fd.h"

#include <netdb.h>

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

// tcpBind(host, port, reusePort) -> { id, fd, port }: bound, not listening.
static Napi::Value tcpBind(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  const std::string host = info[0].ToString(), service = info[1].ToString(), where = host + ":" + service;
  addrinfo hints{}, *found = nullptr;
  hints.ai_flags = AI_NUMERICHOST | AI_NUMERICSERV | AI_PASSIVE;
  hints.ai_socktype = SOCK_STREAM;
  if (getaddrinfo(host.c_str(), service.c_str(), &hints, &found) != 0) return throwSystemError(env, EINVAL, "getaddrinfo", where);
  sockaddr_storage address{};
  socklen_t length = found->ai_addrlen;
  memcpy(&address, found->ai_addr, length);
  freeaddrinfo(found);

  const int yes = 1;
  UniqueFd fd(socket(address.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (!fd) return throwSystemError(env, errno, "socket", where);
  // Without it a restart within a minute would find the port still in use by closed connections.
  setsockopt(fd.get(), SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
  if (info[2].ToBoolean() && setsockopt(fd.get(), SOL_SOCKET, SO_REUSEPORT, &yes, sizeof yes) != 0) return throwSystemError(env, errno, "setsockopt", where);
  if (bind(fd.get(), reinterpret_cast<sockaddr*>(&address), length) != 0) return throwSystemError(env, errno, "bind", where);
  char port[NI_MAXSERV] = "0";
  length = sizeof address;
  if (getsockname(fd.get(), reinterpret_cast<sockaddr*>(&address), &length) != 0) return throwSystemError(env, errno, "getsockname", where);
  getnameinfo(reinterpret_cast<sockaddr*>(&address), length, nullptr, 0, port, sizeof port, NI_NUMERICSERV);
  const int32_t id = stateOf(env)->untakenFds.add(fd.get());
  if (id == 0) return throwSystemError(env, errno, "getsockopt", where);

  Napi::Object result = Napi::Object::New(env);
  result.Set("id", Napi::Number::New(env, id));
  result.Set("port", Napi::Number::New(env, atoi(port)));
  result.Set("fd", Napi::Number::New(env, fd.release()));
  return result;
}

// closeUntaken(id) -> 1 when nobody had taken it: it is closed now. 0: somebody has it, or has closed it already.
static napi_value closeUntaken(napi_env env, napi_callback_info info) {
  RawArgs<1> args(env, info);
  return args.integer(stateOf(env)->untakenFds.close(args.int32(0)) ? 1 : 0);
}

void exportListenFd(Napi::Env env, Napi::Object exports) {
  exports.Set("tcpBind", Napi::Function::New(env, tcpBind));
  exportRaw(env, exports, "closeUntaken", closeUntaken);
}

}  // namespace percore
