// Pipes for JavaScript. The types are in src/native/. Would-block, no reader and no writer are values (-errno), so that
// the hot path makes no errors.
#include <fcntl.h>
#include <sys/ioctl.h>
#include <sys/stat.h>

#include "addon_state.h"
#include "bindings.h"
#include "handle.h"
#include "napi_args.h"
#include "pipe.h"

namespace percore {

static layout::Pipe* pipeOf(napi_env env, napi_value memory) {
  size_t length = 0;
  void* data = nullptr;
  if (!arrayOf(env, memory, napi_uint8_array, &data, &length) || length < sizeof(layout::Pipe)) return nullptr;
  return reinterpret_cast<uintptr_t>(data) % alignof(layout::Pipe) == 0 ? static_cast<layout::Pipe*>(data) : nullptr;
}

static PipeEnd* endOf(napi_env env, napi_value handle) { return ofHandle<PipeEnd>(env, handle); }

// pipes.create(memory, capacityBytes) -> granted bytes or -errno
static napi_value createPipe(napi_env env, napi_callback_info info) {
  RawArgs<2> args(env, info);
  layout::Pipe* pipe = pipeOf(env, args.value[0]);
  if (!pipe) return args.integer(-EINVAL);
  int fds[2];
  if (pipe2(fds, O_CLOEXEC | O_NONBLOCK) != 0) return args.integer(-errno);
  UniqueFd reader(fds[0]), writer(fds[1]);
  // The kernel may refuse this size (EPERM above pipe-max-size), so the granted one is read back.
  if (args.int32(1) > 0) fcntl(writer.get(), F_SETPIPE_SZ, args.int32(1));
  const int granted = fcntl(writer.get(), F_GETPIPE_SZ);
  struct stat status;
  if (granted < 0 || fstat(writer.get(), &status) != 0) return args.integer(-errno);
  pipe->consumerInode = pipe->producerInode = double(status.st_ino);
  pipe->consumerFd = reader.release();
  pipe->producerFd = writer.release();
  PipeState::noteUnopened(pipe);
  stateOf(env)->pipes.keep(env, pipe, args.value[0]);
  return args.integer(granted);
}

// pipes.makeFifo(path, mode) -> 0 or -errno. The process's umask applies to `mode`. A FIFO that exists is as good.
static Napi::Value makeFifo(const Napi::CallbackInfo& info) {
  const std::string path = pathOf(info.Env(), info[0]);
  const int32_t mode = int32Of(info.Env(), info[1]);
  if (mode < 0) return Napi::Number::New(info.Env(), -EINVAL);
  int result = mkfifo(path.c_str(), mode_t(mode)) == 0 ? 0 : -errno;
  struct stat status;
  if (result == -EEXIST && stat(path.c_str(), &status) == 0 && S_ISFIFO(status.st_mode)) result = 0;
  return Napi::Number::New(info.Env(), result);
}

// pipes.openEnd(memory, isProducer, path, capacityBytes, onReady) -> handle or -errno
static Napi::Value openPipeEnd(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  layout::Pipe* pipe = pipeOf(env, info[0]);
  int error = -EINVAL;
  const bool isCallable = info[4].IsFunction() && info[2].IsString();
  PipeEnd* end = pipe && isCallable ? PipeEnd::open(env, pipe, info[0], booleanOf(env, info[1]), pathOf(env, info[2]),
                                          int32Of(env, info[3]), info[4], &error)
                                    : nullptr;
  if (!end) return Napi::Number::New(env, error);
  return Napi::Value(env, makeHandle(env, end));
}

// Reads arguments 1 to 3 of reading and writing, both of which need at least one byte.
static bool spanOf(const RawArgs<4>& args, char** data, size_t* length) {
  return args.span(1, data, length) && *length != 0;
}

// pipes.read(end, bytes, offset, length) -> how many bytes, 0 at the end, or -errno
static napi_value pipeRead(napi_env env, napi_callback_info info) {
  RawArgs<4> args(env, info);
  char* data = nullptr;
  size_t length = 0;
  PipeEnd* end = endOf(env, args.value[0]);
  if (!end) return args.integer(-EBADF);
  return args.integer(spanOf(args, &data, &length) ? end->read(data, length) : -EINVAL);
}

// pipes.write(end, bytes, offset, length) -> how many bytes, or -errno
static napi_value pipeWrite(napi_env env, napi_callback_info info) {
  RawArgs<4> args(env, info);
  char* data = nullptr;
  size_t length = 0;
  PipeEnd* end = endOf(env, args.value[0]);
  if (!end) return args.integer(-EBADF);
  return args.integer(spanOf(args, &data, &length) ? end->write(data, length) : -EINVAL);
}

// pipes.space(end) -> 0 or -errno
static napi_value pipeSpace(napi_env env, napi_callback_info info) {
  RawArgs<1> args(env, info);
  PipeEnd* end = endOf(env, args.value[0]);
  return args.integer(end ? end->space() : -EBADF);
}

// pipes.reopen(end) -> 0 or -errno
static napi_value pipeReopen(napi_env env, napi_callback_info info) {
  RawArgs<1> args(env, info);
  PipeEnd* end = endOf(env, args.value[0]);
  return args.integer(end ? end->reopen() : -EBADF);
}

// pipes.watch(end, isOn) -> 0 or -errno
static napi_value pipeWatch(napi_env env, napi_callback_info info) {
  RawArgs<2> args(env, info);
  PipeEnd* end = endOf(env, args.value[0]);
  return args.integer(end ? end->watch(args.boolean(1)) : -EBADF);
}

static napi_value closePipeEnd(napi_env env, napi_callback_info info) {
  if (PipeEnd* end = endOf(env, RawArgs<1>(env, info).value[0])) end->shutDown();
  return nullptr;
}

// pipes.closeUnopenedEnd(memory, isProducer) -> whether it closed one
static napi_value closeUnopenedPipeEnd(napi_env env, napi_callback_info info) {
  RawArgs<2> args(env, info);
  layout::Pipe* pipe = pipeOf(env, args.value[0]);
  const bool isProducer = args.boolean(1);
  return args.truth(pipe && PipeState::closeUnopened(pipe, isProducer));
}

// The descriptor if it is still the pipe it was: only then has `ask` spoken of the right one. A pipe's number, once
// closed, does not come back with its inode.
template <typename Ask>
static int askPipe(int fd, double inode, Ask ask) {
  struct stat status;
  if (fd < 0 || ask(fd) != 0 || fstat(fd, &status) != 0) return -EBADF;
  return S_ISFIFO(status.st_mode) && double(status.st_ino) == inode ? 0 : -EBADF;
}

// pipes.inspect(memory, out) -> 0 or -EBADF
static napi_value inspectPipe(napi_env env, napi_callback_info info) {
  RawArgs<2> args(env, info);
  layout::Pipe* pipe = pipeOf(env, args.value[0]);
  void* out = nullptr;
  size_t length = 0;
  if (!pipe || !arrayOf(env, args.value[1], napi_float64_array, &out, &length) || length < 2)
    return args.integer(-EINVAL);
  int depth = 0, capacity = 0;
  const auto ask = [&](int fd) {
    if (ioctl(fd, FIONREAD, &depth) != 0) return -1;
    capacity = fcntl(fd, F_GETPIPE_SZ);
    return capacity < 0 ? -1 : 0;
  };
  if (askPipe(__atomic_load_n(&pipe->producerFd, __ATOMIC_ACQUIRE), pipe->producerInode, ask) != 0 &&
      askPipe(__atomic_load_n(&pipe->consumerFd, __ATOMIC_ACQUIRE), pipe->consumerInode, ask) != 0)
    return args.integer(-EBADF);
  static_cast<double*>(out)[0] = depth;
  static_cast<double*>(out)[1] = capacity;
  return args.integer(0);
}

void exportPipe(Napi::Env env, Napi::Object exports) {
  Group pipes(env, exports, "pipes");
  pipes.add("makeFifo", Napi::Function::New(env, makeFifo));
  pipes.add("openEnd", Napi::Function::New(env, openPipeEnd));
  pipes.addRaw("create", createPipe);
  pipes.addRaw("read", pipeRead);
  pipes.addRaw("write", pipeWrite);
  pipes.addRaw("space", pipeSpace);
  pipes.addRaw("reopen", pipeReopen);
  pipes.addRaw("watch", pipeWatch);
  pipes.addRaw("closeEnd", closePipeEnd);
  pipes.addRaw("closeUnopenedEnd", closeUnopenedPipeEnd);
  pipes.addRaw("inspect", inspectPipe);
}

}  // namespace percore
