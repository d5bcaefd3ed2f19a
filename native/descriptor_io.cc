// Descriptors that are not sockets, or not known to be: pipes, FIFOs, terminals, socketpairs, inotify. They are
// non-blocking and close-on-exec, each call is one system call, and would-block is a value (-errno). Source: fifo(7),
// pipe(7), inotify(7), open(2).
#include <fcntl.h>
#include <poll.h>
#include <sys/inotify.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <climits>

#include "addon_state.h"
#include "bindings.h"
#include "layout.h"
#include "napi_args.h"
#include "unique_fd.h"

namespace percore {

static Napi::Value own(Napi::Env env, UniqueFd& fd) {
  stateOf(env)->own(fd.get());
  return Napi::Number::New(env, fd.release());
}

// descriptors.openFifo(path, isWriter, keepOpen) -> fd. A writer is refused with ENXIO while nobody reads. With
// keepOpen the FIFO is opened for reading and writing, which Linux allows; so it always has a reader and a writer and
// never ends.
static Napi::Value openFifo(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  const std::string path = pathOf(env, info[0]);
  const int way = booleanOf(env, info[2]) ? O_RDWR : booleanOf(env, info[1]) ? O_WRONLY : O_RDONLY;
  UniqueFd fd;
  do fd.reset(open(path.c_str(), way | O_NONBLOCK | O_CLOEXEC));
  while (!fd && errno == EINTR);
  if (!fd) return throwSystemError(env, errno, "open", path);
  struct stat file{};
  if (fstat(fd.get(), &file) != 0) return throwSystemError(env, errno, "fstat", path);
  if (!S_ISFIFO(file.st_mode)) return throwSystemError(env, EINVAL, "open", path + " is not a FIFO");
  return own(env, fd);
}

// ---- Non-blocking, without a change for others ----------------------------------------------------------------------
// O_NONBLOCK belongs to the open file, which a shell shares with its children and a parent with its child. Setting it
// would make a `cat` beside us fail with EAGAIN. So a pipe or a terminal is opened anew, by name, with the flag. A
// socket needs no flag, since each recv and send can ask for it. A regular file is used as it is: opened anew it would
// begin at its beginning, and reading it waits only for the disk. Only for another device that is taken over, or a pipe
// or terminal that cannot be opened anew, is the flag set; on standard input, which is not taken over, poll(2) is asked
// before each call instead.

// When a pipe or a terminal of this kind is opened anew, it is the same one, with an open file of our own. Of other
// devices one cannot know that: /dev/ptmx opened anew is another terminal.
static bool isTheSameOpenedAnew(int fd, const struct stat& file) {
  unsigned number = 0;
  return S_ISFIFO(file.st_mode) || (isatty(fd) && ioctl(fd, TIOCGPTN, &number) != 0);
}

static UniqueFd openAnew(int fd, int flags) {
  return UniqueFd(open(("/proc/self/fd/" + std::to_string(fd)).c_str(),
      (flags & (O_ACCMODE | O_APPEND | O_DIRECT)) | O_NONBLOCK | O_CLOEXEC | O_NOCTTY));
}

static bool hasOwnFlag(const struct stat& file) {
  return S_ISSOCK(file.st_mode) || S_ISREG(file.st_mode) || S_ISBLK(file.st_mode);
}

// descriptors.adopt(fd) -> fd. From now on the descriptor belongs to this thread, which closes it. Throws EBUSY if it
// already belongs to this thread's I/O.
static Napi::Value adoptDescriptor(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  const int fd = int32Of(env, info[0]);
  const std::string name = std::to_string(fd);
  if (stateOf(env)->owns(fd))
    return throwSystemError(env, EBUSY, "fcntl", name + " already belongs to this thread's I/O");
  const int flags = fcntl(fd, F_GETFL), closing = fcntl(fd, F_GETFD);
  struct stat file{};
  if (flags < 0 || closing < 0 || fstat(fd, &file) != 0) return throwSystemError(env, errno, "fcntl", name);
  if (!(flags & O_NONBLOCK) && !hasOwnFlag(file)) {
    const UniqueFd own = isTheSameOpenedAnew(fd, file) ? openAnew(fd, flags) : UniqueFd();
    if (own ? dup3(own.get(), fd, O_CLOEXEC) < 0 : fcntl(fd, F_SETFL, flags | O_NONBLOCK) != 0)
      return throwSystemError(env, errno, "fcntl", name);
  }
  if (fcntl(fd, F_SETFD, closing | FD_CLOEXEC) != 0) return throwSystemError(env, errno, "fcntl", name);
  stateOf(env)->own(fd);
  return Napi::Number::New(env, fd);
}

// descriptors.openStandardInput() -> a descriptor of our own for it. Descriptor 0 and its open file stay as they are.
static Napi::Value openStandardInput(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  struct stat file{};
  if (fstat(0, &file) != 0) return throwSystemError(env, errno, "fstat", "standard input");
  UniqueFd fd;
  if (isTheSameOpenedAnew(0, file)) fd = openAnew(0, O_RDONLY);
  if (!fd) fd.reset(fcntl(0, F_DUPFD_CLOEXEC, 3));
  if (!fd) return throwSystemError(env, errno, "fcntl", "standard input");
  return own(env, fd);
}

// descriptors.way(fd) -> how it is read and written without blocking (one of DescriptorWay), or -errno
static napi_value descriptorWay(napi_env env, napi_callback_info info) {
  using layout::DescriptorWay;
  RawArgs<1> args(env, info);
  struct stat file{};
  const int flags = fcntl(args.int32(0), F_GETFL);
  if (flags < 0 || fstat(args.int32(0), &file) != 0) return args.integer(-errno);
  if (S_ISSOCK(file.st_mode)) return args.integer(int32_t(DescriptorWay::kSocket));
  return args.integer(
      int32_t((flags & O_NONBLOCK) || hasOwnFlag(file) ? DescriptorWay::kPlain : DescriptorWay::kAskFirst));
}

static bool isReady(int fd, short events) {
  pollfd one{fd, events, 0};
  return poll(&one, 1, 0) == 1;
}

// descriptors.read(fd, bytes, offset, length, way) -> how many bytes were read, 0 at the end, or -errno
static napi_value descriptorRead(napi_env env, napi_callback_info info) {
  using layout::DescriptorWay;
  RawArgs<5> args(env, info);
  char* data = nullptr;
  size_t length = 0;
  if (!args.span(1, &data, &length)) return args.integer(-EINVAL);
  const int fd = args.int32(0);
  const auto way = DescriptorWay(args.int32(4, 0));
  if (way == DescriptorWay::kAskFirst && !isReady(fd, POLLIN)) return args.integer(-EAGAIN);
  ssize_t count;
  do count = way == DescriptorWay::kSocket ? recv(fd, data, length, MSG_DONTWAIT) : read(fd, data, length);
  while (count < 0 && errno == EINTR);
  return args.integer(count < 0 ? -errno : int32_t(count));
}

// descriptors.write(fd, bytes, offset, length, way) -> how many bytes the kernel took, or -errno. A pipe without a
// reader answers -EPIPE, because Node ignores SIGPIPE.
static napi_value descriptorWrite(napi_env env, napi_callback_info info) {
  using layout::DescriptorWay;
  RawArgs<5> args(env, info);
  char* data = nullptr;
  size_t length = 0;
  if (!args.span(1, &data, &length)) return args.integer(-EINVAL);
  const int fd = args.int32(0);
  const auto way = DescriptorWay(args.int32(4, 0));
  if (way == DescriptorWay::kAskFirst) {
    if (!isReady(fd, POLLOUT)) return args.integer(-EAGAIN);
    // A pipe that is ready takes this much without blocking.
    length = std::min<size_t>(length, PIPE_BUF);
  }
  ssize_t count;
  do
    count =
        way == DescriptorWay::kSocket ? send(fd, data, length, MSG_DONTWAIT | MSG_NOSIGNAL) : write(fd, data, length);
  while (count < 0 && errno == EINTR);
  return args.integer(count < 0 ? -errno : int32_t(count));
}

// descriptors.end(fd) -> 0 or -errno. The peer of a socket reads the end after what is on its way. -ENOTSOCK for
// anything else, which has no half to close.
static napi_value descriptorEnd(napi_env env, napi_callback_info info) {
  RawArgs<1> args(env, info);
  return args.integer(shutdown(args.int32(0), SHUT_WR) == 0 ? 0 : -errno);
}

// watches.open() -> fd or -errno
static napi_value openInotify(napi_env env, napi_callback_info info) {
  RawArgs<1> args(env, info);
  UniqueFd fd(inotify_init1(IN_NONBLOCK | IN_CLOEXEC));
  if (!fd) return args.integer(-errno);
  stateOf(env)->own(fd.get());
  return args.integer(fd.release());
}

// watches.add(fd, path, mask) -> the number of the watch, or -errno
static Napi::Value addWatch(const Napi::CallbackInfo& info) {
  const std::string path = pathOf(info.Env(), info[1]);
  const int32_t mask = int32Of(info.Env(), info[2], 0);
  const int watch = inotify_add_watch(int32Of(info.Env(), info[0]), path.c_str(), uint32_t(mask));
  return Napi::Number::New(info.Env(), watch < 0 ? -errno : watch);
}

// watches.remove(fd, watch) -> 0 or -errno; EINVAL when the watch has already ended by itself
static napi_value removeWatch(napi_env env, napi_callback_info info) {
  RawArgs<2> args(env, info);
  return args.integer(inotify_rm_watch(args.int32(0), args.int32(1)) == 0 ? 0 : -errno);
}

void exportDescriptorIo(Napi::Env env, Napi::Object exports) {
  Group descriptors(env, exports, "descriptors");
  Group watches(env, exports, "watches");
  descriptors.add("openFifo", Napi::Function::New(env, openFifo));
  descriptors.add("adopt", Napi::Function::New(env, adoptDescriptor));
  descriptors.add("openStandardInput", Napi::Function::New(env, openStandardInput));
  watches.add("add", Napi::Function::New(env, addWatch));
  descriptors.addRaw("way", descriptorWay);
  descriptors.addRaw("read", descriptorRead);
  descriptors.addRaw("write", descriptorWrite);
  descriptors.addRaw("end", descriptorEnd);
  watches.addRaw("open", openInotify);
  watches.addRaw("remove", removeWatch);
}

}  // namespace percore
