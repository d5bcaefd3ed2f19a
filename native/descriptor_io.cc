// Descriptors that are no sockets, or not known to be: pipes, FIFOs, terminals, socketpairs, inotify. Non-blocking, close-on-exec, one
// system call each; would-block is a value (-errno). Source: fifo(7), pipe(7), inotify(7), open(2).
#include <fcntl.h>
#include <sys/inotify.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "addon_state.h"
#include "bindings.h"
#include "napi_args.h"
#include "unique_fd.h"

namespace percore {

static Napi::Value own(Napi::Env env, UniqueFd& fd) {
  stateOf(env)->ownSocket(fd.get());
  return Napi::Number::New(env, fd.release());
}

// openFifo(path, isWriter, keepOpen) -> fd. A writer is refused with ENXIO while nobody reads. keepOpen: opened for both, which a FIFO
// allows on Linux, so that it has a reader and a writer always and never ends.
static Napi::Value openFifo(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  const std::string path = info[0].ToString();
  const int way = info[2].ToBoolean() ? O_RDWR : info[1].ToBoolean() ? O_WRONLY : O_RDONLY;
  UniqueFd fd;
  do fd.reset(open(path.c_str(), way | O_NONBLOCK | O_CLOEXEC));
  while (!fd && errno == EINTR);
  if (!fd) return throwSystemError(env, errno, "open", path);
  struct stat file {};
  if (fstat(fd.get(), &file) != 0) return throwSystemError(env, errno, "fstat", path);
  if (!S_ISFIFO(file.st_mode)) return throwSystemError(env, EINVAL, "open", path + " is not a FIFO");
  return own(env, fd);
}

// adoptDescriptor(fd): from now on this thread's, which closes it. Sets O_NONBLOCK, for all who share the open file. Returns fd.
static Napi::Value adoptDescriptor(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  const int fd = info[0].ToNumber().Int32Value();
  const int flags = fcntl(fd, F_GETFL), closing = fcntl(fd, F_GETFD);
  if (flags < 0 || closing < 0) return throwSystemError(env, errno, "fcntl", std::to_string(fd));
  if (fcntl(fd, F_SETFL, flags | O_NONBLOCK) != 0 || fcntl(fd, F_SETFD, closing | FD_CLOEXEC) != 0) return throwSystemError(env, errno, "fcntl", std::to_string(fd));
  stateOf(env)->ownSocket(fd);
  return Napi::Number::New(env, fd);
}

// openStandardInput() -> fd. Opened anew where that can be, so that O_NONBLOCK is ours alone: a shell shares its terminal's open file
// with its children, and would find it non-blocking afterwards. A socket cannot be opened by name and is duplicated.
static Napi::Value openStandardInput(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  UniqueFd fd(open("/proc/self/fd/0", O_RDONLY | O_NONBLOCK | O_CLOEXEC | O_NOCTTY));
  if (fd) return own(env, fd);
  fd.reset(fcntl(0, F_DUPFD_CLOEXEC, 3));
  if (!fd || fcntl(fd.get(), F_SETFL, fcntl(fd.get(), F_GETFL) | O_NONBLOCK) != 0) return throwSystemError(env, errno, "fcntl", "standard input");
  return own(env, fd);
}

// descriptorRead(fd, bytes, offset, length) -> bytes read, 0 at the end, or -errno
static napi_value descriptorRead(napi_env env, napi_callback_info info) {
  RawArgs<4> args(env, info);
  char* data = nullptr;
  size_t length = 0;
  if (!args.span(1, &data, &length)) return args.integer(-EINVAL);
  ssize_t count;
  do count = read(args.int32(0), data, length);
  while (count < 0 && errno == EINTR);
  return args.integer(count < 0 ? -errno : int32_t(count));
}

// descriptorWrite(fd, bytes, offset, length) -> bytes taken by the kernel, or -errno. Node ignores SIGPIPE, so a pipe without a reader is -EPIPE.
static napi_value descriptorWrite(napi_env env, napi_callback_info info) {
  RawArgs<4> args(env, info);
  char* data = nullptr;
  size_t length = 0;
  if (!args.span(1, &data, &length)) return args.integer(-EINVAL);
  ssize_t count;
  do count = write(args.int32(0), data, length);
  while (count < 0 && errno == EINTR);
  return args.integer(count < 0 ? -errno : int32_t(count));
}

// descriptorEnd(fd): a socket's peer reads the end after what is on its way. -ENOTSOCK for what has no half to close.
static napi_value descriptorEnd(napi_env env, napi_callback_info info) {
  RawArgs<1> args(env, info);
  return args.integer(shutdown(args.int32(0), SHUT_WR) == 0 ? 0 : -errno);
}

// openInotify() -> fd or -errno
static napi_value openInotify(napi_env env, napi_callback_info info) {
  RawArgs<1> args(env, info);
  UniqueFd fd(inotify_init1(IN_NONBLOCK | IN_CLOEXEC));
  if (!fd) return args.integer(-errno);
  stateOf(env)->ownSocket(fd.get());
  return args.integer(fd.release());
}

// addWatch(fd, path, mask) -> watch number or -errno
static Napi::Value addWatch(const Napi::CallbackInfo& info) {
  const std::string path = info[1].ToString();
  const int watch = inotify_add_watch(info[0].ToNumber().Int32Value(), path.c_str(), info[2].ToNumber().Uint32Value());
  return Napi::Number::New(info.Env(), watch < 0 ? -errno : watch);
}

// removeWatch(fd, watch) -> 0 or -errno: EINVAL when the watch has ended by itself.
static napi_value removeWatch(napi_env env, napi_callback_info info) {
  RawArgs<2> args(env, info);
  return args.integer(inotify_rm_watch(args.int32(0), args.int32(1)) == 0 ? 0 : -errno);
}

void exportDescriptorIo(Napi::Env env, Napi::Object exports) {
  exports.Set("openFifo", Napi::Function::New(env, openFifo));
  exports.Set("adoptDescriptor", Napi::Function::New(env, adoptDescriptor));
  exports.Set("openStandardInput", Napi::Function::New(env, openStandardInput));
  exports.Set("addWatch", Napi::Function::New(env, addWatch));
  exportRaw(env, exports, "descriptorRead", descriptorRead);
  exportRaw(env, exports, "descriptorWrite", descriptorWrite);
  exportRaw(env, exports, "descriptorEnd", descriptorEnd);
  exportRaw(env, exports, "openInotify", openInotify);
  exportRaw(env, exports, "removeWatch", removeWatch);
}

}  // namespace percore
