// Unix sockets by path: streams that listen and connect, and datagram sockets. This file only makes the descriptors;
// reading, writing and accepting are the same as for every other stream (tcp.cc) or datagram socket (datagram.cc).
//
//   bind -> EADDRINUSE -> is it a socket? -no-> ENOTSOCK
//                          | yes
//                         connect to it -answers-> EADDRINUSE     (somebody has it)
//                          | ECONNREFUSED                          (a file that a dead process left)
//                         same inode still? unlink, and bind again
//
// Connecting shows whether a server is alive; its file looks the same when it is dead, so the file alone does not tell.
// Two servers that find the same dead file in the same microsecond could still remove each other's file, because Linux
// has no unlink that names an inode. Source: unix(7).
#include <sys/stat.h>
#include <unistd.h>

#include "addon_state.h"
#include "bindings.h"
#include "napi_args.h"
#include "socket_address.h"
#include "unique_fd.h"

namespace percore {

static constexpr int kMostReplaced = 3;

// "unix:/run/a.sock"; the NUL of an abstract name is shown as @.
static std::string show(const std::string& path) {
  return "unix:" + (!path.empty() && path[0] == '\0' ? "@" + path.substr(1) : path);
}

// 0 when somebody answers at `address`, or could answer; else errno.
static int probe(const SocketAddress& address, int type) {
  UniqueFd fd(socket(AF_UNIX, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (!fd) return errno;
  if (connect(fd.get(), address.name(), address.length) == 0) return 0;
  // EAGAIN: the backlog is full, so somebody listens. EPROTOTYPE: a socket of the other kind is alive there.
  return errno == EAGAIN || errno == EPROTOTYPE ? 0 : errno;
}

// Binds the socket, and replaces a file that a dead process has left. 0 or errno. `file` is set if a file was made.
static int bindPath(int fd, const SocketAddress& address, const std::string& path, int type, SocketFile* file) {
  for (int replaced = 0;; replaced++) {
    if (bind(fd, address.name(), address.length) == 0) break;
    if (errno != EADDRINUSE || path[0] == '\0') return errno;
    struct stat before{}, now{};
    if (lstat(path.c_str(), &before) != 0) {
      if (errno == ENOENT && replaced < kMostReplaced) continue;  // the file has gone meanwhile
      return errno;
    }
    if (!S_ISSOCK(before.st_mode)) return ENOTSOCK;
    const int answer = probe(address, type);
    // Nobody could be asked, so it is not known whether somebody has the path.
    if (answer == EMFILE || answer == ENFILE || answer == ENOBUFS || answer == ENOMEM) return answer;
    if (answer != ECONNREFUSED || replaced == kMostReplaced) return EADDRINUSE;
    if (lstat(path.c_str(), &now) == 0 && now.st_ino == before.st_ino && now.st_dev == before.st_dev)
      unlink(path.c_str());
  }
  struct stat made{};
  if (path[0] != '\0' && lstat(path.c_str(), &made) == 0) *file = {path, made.st_dev, made.st_ino};
  return 0;
}

// unix.listen(path, backlog) -> fd
static Napi::Value unixListen(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  const std::string path = textOf(env, info[0]);
  SocketAddress address;
  if (!address.setUnix(path)) return throwSystemError(env, ENAMETOOLONG, "bind", show(path));
  UniqueFd fd(socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (!fd) return throwSystemError(env, errno, "socket", show(path));
  SocketFile file;
  if (const int error = bindPath(fd.get(), address, path, SOCK_STREAM, &file))
    return throwSystemError(env, error, "bind", show(path));
  stateOf(env)->holdReserve();
  // Owned before listen(2), so that a failure removes the file as well.
  const int number = fd.release();
  stateOf(env)->ownSocketFile(number, file);
  if (listen(number, int32Of(env, info[1], 1)) != 0) {
    const int error = errno;
    stateOf(env)->closeOwned(number);
    return throwSystemError(env, error, "listen", show(path));
  }
  return Napi::Number::New(env, number);
}

// unix.connect(path) -> fd. It is open at once: connecting a Unix socket never answers "in progress".
static Napi::Value unixConnect(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  const std::string path = textOf(env, info[0]);
  SocketAddress address;
  if (!address.setUnix(path)) return throwSystemError(env, ENAMETOOLONG, "connect", show(path));
  UniqueFd fd(socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (!fd) return throwSystemError(env, errno, "socket", show(path));
  if (connect(fd.get(), address.name(), address.length) != 0)
    return throwSystemError(env, errno, "connect", show(path));
  stateOf(env)->own(fd.get());
  return Napi::Number::New(env, fd.release());
}

// unix.openDatagram(path, peer) -> fd. Both may be empty. Without a path nobody can answer this socket; without a peer
// each send must name one.
static Napi::Value unixDatagram(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  const std::string path = textOf(env, info[0]), peer = textOf(env, info[1]);
  SocketAddress address, to;
  if (!path.empty() && !address.setUnix(path)) return throwSystemError(env, ENAMETOOLONG, "bind", show(path));
  if (!peer.empty() && !to.setUnix(peer)) return throwSystemError(env, ENAMETOOLONG, "connect", show(peer));
  UniqueFd fd(socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (!fd) return throwSystemError(env, errno, "socket", show(path));
  // It is connected before it is bound, so that a refusal leaves no file behind.
  if (!peer.empty() && connect(fd.get(), to.name(), to.length) != 0)
    return throwSystemError(env, errno, "connect", show(peer));
  SocketFile file;
  if (!path.empty()) {
    if (const int error = bindPath(fd.get(), address, path, SOCK_DGRAM, &file))
      return throwSystemError(env, error, "bind", show(path));
  }
  const int number = fd.release();
  stateOf(env)->ownSocketFile(number, file);
  return Napi::Number::New(env, number);
}

void exportUnixSocket(Napi::Env env, Napi::Object exports) {
  Group sockets(env, exports, "unix");
  sockets.add("listen", Napi::Function::New(env, unixListen));
  sockets.add("connect", Napi::Function::New(env, unixConnect));
  sockets.add("openDatagram", Napi::Function::New(env, unixDatagram));
}

}  // namespace percore
