// Moves sockets from one thread to another. Descriptors belong to the whole process, but each is owned by the addon of
// one thread, which closes it when that thread dies. So the receiver makes a descriptor of its own (dup), and the giver
// closes the old one when it has heard of that. If either of them dies in between, each closes only its own descriptor,
// so that nothing stays open and nothing is closed twice. The kernel never gives the cookie of a socket (SO_COOKIE) to
// another one, so it tells whether a number still means the socket that it meant when the message was sent.
#include <fcntl.h>
#include <sys/socket.h>

#include "addon_state.h"
#include "bindings.h"
#include "napi_args.h"
#include "unique_fd.h"

namespace percore {

static bool cookieOf(int fd, double* out) {
  uint64_t cookie = 0;
  socklen_t length = sizeof cookie;
  if (getsockopt(fd, SOL_SOCKET, SO_COOKIE, &cookie, &length) != 0) return false;
  // The kernel counts from 1 and never reaches 2^53.
  *out = double(cookie);
  return true;
}

// sockets.cookie(fd) -> the socket's cookie, or -errno
static napi_value socketCookie(napi_env env, napi_callback_info info) {
  RawArgs<1> args(env, info);
  double cookie = 0;
  return args.real(cookieOf(args.int32(0), &cookie) ? cookie : double(-errno));
}

// sockets.take(fd, cookie) -> a descriptor of this thread for the same socket; -ESTALE when the number belongs to
// another socket by now; or -errno
static napi_value takeSocket(napi_env env, napi_callback_info info) {
  RawArgs<2> args(env, info);
  UniqueFd taken(fcntl(args.int32(0), F_DUPFD_CLOEXEC, 0));
  if (!taken) return args.integer(-errno);
  // Asked after the dup: before it, the number could still be given to another socket.
  double cookie = 0;
  if (!cookieOf(taken.get(), &cookie) || cookie != args.number(1)) return args.integer(-ESTALE);
  stateOf(env)->own(taken.get());
  return args.integer(taken.release());
}

void exportSteering(Napi::Env env, Napi::Object exports) {
  Group sockets(env, exports, "sockets");
  sockets.addRaw("cookie", socketCookie);
  sockets.addRaw("take", takeSocket);
}

}  // namespace percore
