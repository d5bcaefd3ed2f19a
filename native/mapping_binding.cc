// Mapped files for JavaScript. Typed in src/native/mappings.ts.
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <string>
#include <vector>

#include "addon_state.h"
#include "bell_watch.h"
#include "bindings.h"
#include "mapped_file.h"
#include "napi_args.h"
#include "shared_buffer.h"

namespace percore {

// mappings.map(fd, bytes) -> SharedArrayBuffer or -errno
static napi_value mapFile(napi_env env, napi_callback_info info) {
  RawArgs<2> args(env, info);
  const int64_t bytes = args.int64(1);
  if (bytes <= 0) return args.integer(-EINVAL);
  MappedFile* file = MappedFile::map(args.int32(0), size_t(bytes));
  if (!file) return args.integer(-errno);
  napi_value buffer = makeSharedBuffer(
      env, reinterpret_cast<void*>(file->start.load()), size_t(bytes),
      [](void*, void* hint) { static_cast<MappedFile*>(hint)->unmap(); }, file);
  if (buffer) return buffer;
  file->unmap();
  return args.integer(-ENOSYS);
}

// mappings.allocate(fd, bytes) -> 0 or -errno
static napi_value allocateFile(napi_env env, napi_callback_info info) {
  RawArgs<2> args(env, info);
  // A signal would undo the whole and answer EINTR, and one that comes often, such as a profiler's, would do so for
  // ever.
  sigset_t all, before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  const int code = posix_fallocate(args.int32(0), 0, off_t(args.int64(1)));
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
  return args.integer(-code);
}

// mappings.link(fd, path) -> 0 or -errno. By way of /proc, since linkat(2) with AT_EMPTY_PATH wants a capability.
static napi_value linkFile(napi_env env, napi_callback_info info) {
  RawArgs<2> args(env, info);
  char from[32];
  snprintf(from, sizeof from, "/proc/self/fd/%d", args.int32(0));
  const std::string to = pathOf(env, args.value[1]);
  return args.integer(linkat(AT_FDCWD, from, AT_FDCWD, to.c_str(), AT_SYMLINK_FOLLOW) == 0 ? 0 : -errno);
}

// mappings.lock(fd) -> 0 or -errno
static napi_value lockFile(napi_env env, napi_callback_info info) {
  RawArgs<1> args(env, info);
  return args.integer(flock(args.int32(0), LOCK_EX | LOCK_NB) == 0 ? 0 : -errno);
}

// The mapped file whose words the first argument shows, or null.
template <size_t N>
static MappedFile* fileOf(const RawArgs<N>& args) {
  int32_t* words = nullptr;
  size_t length = 0;
  return args.words(0, &words, &length) ? MappedFile::of(words) : nullptr;
}

// The word of a mapped file that two arguments name, or null.
template <size_t N>
static int32_t* wordOf(const RawArgs<N>& args, MappedFile** file) {
  int32_t* words = nullptr;
  size_t length = 0;
  const int32_t at = args.int32(1);
  if (!args.words(0, &words, &length) || at < 0 || size_t(at) >= length) return nullptr;
  *file = MappedFile::of(words + at);
  return *file ? words + at : nullptr;
}

// mappings.isWhole(words) -> boolean
static napi_value isWholeFile(napi_env env, napi_callback_info info) {
  RawArgs<1> args(env, info);
  MappedFile* file = fileOf(args);
  return args.truth(file && file->isWhole());
}

// A lock of one byte, which belongs to its descriptor: it goes with the last close, so with the death of its process,
// with exec(2), and with the environment. Source: fcntl(2), open file description locks.
static struct flock lockOf(int64_t at) {
  struct flock lock = {};
  lock.l_type = F_WRLCK;
  lock.l_whence = SEEK_SET;
  lock.l_start = off_t(at);
  lock.l_len = 1;
  return lock;
}

// mappings.hold(words, at) -> its number for letGo, or -errno
static napi_value holdByte(napi_env env, napi_callback_info info) {
  RawArgs<2> args(env, info);
  MappedFile* file = fileOf(args);
  if (!file || args.int64(1) < 0) return args.integer(-EINVAL);
  char path[32];
  snprintf(path, sizeof path, "/proc/self/fd/%d", file->fd);
  UniqueFd own(open(path, O_RDWR | O_CLOEXEC));
  struct flock lock = lockOf(args.int64(1));
  if (!own || fcntl(own.get(), F_OFD_SETLK, &lock) != 0) return args.integer(-errno);
  const int fd = own.get();
  stateOf(env)->held.push_back(std::move(own));
  return args.integer(fd);
}

// mappings.letGo(number) -> 0
static napi_value letGo(napi_env env, napi_callback_info info) {
  RawArgs<1> args(env, info);
  const int fd = args.int32(0);
  std::erase_if(stateOf(env)->held, [fd](const UniqueFd& each) { return each.get() == fd; });
  return args.integer(0);
}

// mappings.isHeld(words, at) -> 1 while somebody holds that byte, 0, or -errno
static napi_value isHeld(napi_env env, napi_callback_info info) {
  RawArgs<2> args(env, info);
  MappedFile* file = fileOf(args);
  if (!file || args.int64(1) < 0) return args.integer(-EINVAL);
  struct flock lock = lockOf(args.int64(1));
  if (fcntl(file->fd, F_OFD_GETLK, &lock) != 0) return args.integer(-errno);
  return args.integer(lock.l_type == F_UNLCK ? 0 : 1);
}

// mappings.descriptor(words) -> the mapping's own, or -EINVAL
static napi_value descriptorOf(napi_env env, napi_callback_info info) {
  RawArgs<1> args(env, info);
  MappedFile* file = fileOf(args);
  return args.integer(file ? file->fd : -EINVAL);
}

// mappings.noteHeaders(words, first, bytes, stride, count): what a truncation spoils
static napi_value noteHeaders(napi_env env, napi_callback_info info) {
  RawArgs<5> args(env, info);
  MappedFile* file = fileOf(args);
  if (!file) return nullptr;
  const auto number = [&](size_t i) { return size_t(std::max<int64_t>(0, args.int64(i, 0))); };
  file->headers.first = number(1);
  file->headers.bytes = number(2);
  file->headers.stride = number(3);
  file->headers.count = number(4);
  return nullptr;
}

// mappings.wake(words, at) -> how many, or -errno
static napi_value wakeWord(napi_env env, napi_callback_info info) {
  RawArgs<2> args(env, info);
  MappedFile* file = nullptr;
  int32_t* word = wordOf(args, &file);
  return args.integer(word ? wakeAtWord(word) : -EINVAL);
}

static int64_t nsOf(double ms) { return ms > 0 ? int64_t(std::min(ms, 2e9) * 1e6) : 0; }

// mappings.wait(words, at, seen, timeoutMs) -> 0 or -errno. Blocks.
static napi_value waitWord(napi_env env, napi_callback_info info) {
  RawArgs<4> args(env, info);
  MappedFile* file = nullptr;
  int32_t* word = wordOf(args, &file);
  if (!word) return args.integer(-EINVAL);
  const int64_t timeoutNs = nsOf(args.number(3));
  BellWatch* bells = stateOf(env)->bells;
  return args.integer(
      bells ? bells->freeze(word, args.int32(2), timeoutNs) : waitForWord(word, args.int32(2), timeoutNs));
}

// mappings.open(then) -> 0 or -errno
static napi_value openWatch(napi_env env, napi_callback_info info) {
  RawArgs<1> args(env, info);
  BellWatch*& bells = stateOf(env)->bells;
  if (!bells) bells = BellWatch::open(env, args.value[0]);
  return args.integer(bells ? 0 : -EINVAL);
}

// mappings.waitLater(words, at, seen, timeoutMs, token) -> 0 or -errno
static napi_value waitLater(napi_env env, napi_callback_info info) {
  RawArgs<5> args(env, info);
  MappedFile* file = nullptr;
  int32_t* word = wordOf(args, &file);
  BellWatch* bells = stateOf(env)->bells;
  if (!word || !bells) return args.integer(-EINVAL);
  return args.integer(bells->wait(word, args.int32(2), nsOf(args.number(3)), args.int32(4)));
}

// mappings.watchProcess(pid, token) -> 0 or -errno
static napi_value watchProcess(napi_env env, napi_callback_info info) {
  RawArgs<2> args(env, info);
  BellWatch* bells = stateOf(env)->bells;
  if (!bells || args.int32(0) <= 0) return args.integer(-EINVAL);
  UniqueFd process(int(syscall(SYS_pidfd_open, args.int32(0), 0)));
  return args.integer(process ? bells->watch(std::move(process), args.int32(1)) : -errno);
}

// mappings.forgetProcess(token) -> 0
static napi_value forgetProcess(napi_env env, napi_callback_info info) {
  RawArgs<1> args(env, info);
  if (BellWatch* bells = stateOf(env)->bells) bells->forget(args.int32(0));
  return args.integer(0);
}

// mappings.hasExited(pid) -> 1 when no such process runs, 0 when one does, or -errno
static napi_value hasExited(napi_env env, napi_callback_info info) {
  RawArgs<1> args(env, info);
  if (args.int32(0) <= 0) return args.integer(-EINVAL);
  UniqueFd process(int(syscall(SYS_pidfd_open, args.int32(0), 0)));
  if (!process) return args.integer(errno == ESRCH ? 1 : -errno);
  pollfd asked = {process.get(), POLLIN, 0};
  return args.integer(poll(&asked, 1, 0) == 1 ? 1 : 0);
}

void exportMapping(Napi::Env env, Napi::Object exports) {
  Group mappings(env, exports, "mappings");
  mappings.addRaw("map", mapFile);
  mappings.addRaw("allocate", allocateFile);
  mappings.addRaw("link", linkFile);
  mappings.addRaw("lock", lockFile);
  mappings.addRaw("isWhole", isWholeFile);
  mappings.addRaw("hold", holdByte);
  mappings.addRaw("letGo", letGo);
  mappings.addRaw("isHeld", isHeld);
  mappings.addRaw("descriptor", descriptorOf);
  mappings.addRaw("noteHeaders", noteHeaders);
  mappings.addRaw("wake", wakeWord);
  mappings.addRaw("wait", waitWord);
  mappings.addRaw("open", openWatch);
  mappings.addRaw("waitLater", waitLater);
  mappings.addRaw("watchProcess", watchProcess);
  mappings.addRaw("forgetProcess", forgetProcess);
  mappings.addRaw("hasExited", hasExited);
}

}  // namespace percore
