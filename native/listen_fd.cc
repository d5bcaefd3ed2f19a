// A bound TCP socket for a server of Node's own. The types are in src/native/; listen_fd.h says who closes it.
#include "listen_fd.h"

#include "addon_state.h"
#include "bindings.h"
#include "napi_args.h"
#include "socket_address.h"
#include "unique_fd.h"

namespace percore {

// tcp.bind(host, port, reusePort) -> { id, fd, port }. The socket is bound and does not listen.
static Napi::Value tcpBind(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  const std::string host = textOf(env, info[0]);
  const int port = int32Of(env, info[1]);
  const std::string where = host + ":" + std::to_string(port);
  SocketAddress address;
  if (!address.setInternet(host, port)) return throwSystemError(env, ENODEV, "if_nametoindex", where);

  UniqueFd fd(socket(address.family(), SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (!fd) return throwSystemError(env, errno, "socket", where);
  if (const char* refused = address.bindReusable(fd.get(), booleanOf(env, info[2])))
    return throwSystemError(env, errno, refused, where);
  if (!address.read(fd.get())) return throwSystemError(env, errno, "getsockname", where);
  const int32_t id = stateOf(env)->untakenFds.add(fd.get());
  if (id == 0) return throwSystemError(env, errno, "getsockopt", where);

  Napi::Object result = Napi::Object::New(env);
  result.Set("id", Napi::Number::New(env, id));
  result.Set("port", Napi::Number::New(env, address.port()));
  result.Set("fd", Napi::Number::New(env, fd.release()));
  return result;
}

// tcp.closeUntaken(id) -> true when nobody had taken the socket, which is closed now; false when somebody has taken it,
// or it was closed already.
static napi_value closeUntaken(napi_env env, napi_callback_info info) {
  RawArgs<1> args(env, info);
  return args.truth(stateOf(env)->untakenFds.close(args.int32(0)));
}

void exportListenFd(Napi::Env env, Napi::Object exports) {
  Group tcp(env, exports, "tcp");
  tcp.add("bind", Napi::Function::New(env, tcpBind));
  tcp.addRaw("closeUntaken", closeUntaken);
}

}  // namespace percore
