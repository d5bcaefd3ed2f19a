#include "pipe.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/inotify.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <map>
#include <mutex>

#include "addon_state.h"
#include "javascript_call.h"

namespace percore {

using layout::PipeEndState;

static int openFifo(const std::string& path, int flags) {
  int fd;
  do fd = open(path.c_str(), flags | O_NONBLOCK | O_CLOEXEC);
  while (fd < 0 && errno == EINTR);
  return fd;
}

static bool take(int32_t* word, PipeEndState from, PipeEndState to) {
  int32_t expected = int32_t(from);
  // pipe.take: whoever gives an end back stores its words before this one.
  return __atomic_compare_exchange_n(word, &expected, int32_t(to), false, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE);
}

// Ends of anonymous pipes that were made in this process and that nobody has opened yet: which end of which pipe, by
// descriptor. What the shared block says is not trusted, because a block that was overwritten, or made by hand, may
// name any descriptor.
struct UnopenedEnd {
  double inode;
  bool isProducer;
};
static std::mutex unopenedMutex;
static std::map<int, UnopenedEnd> unopened;

// Returns the descriptor that the block names, which belongs to the caller from now on; -1 when it is not the end that
// was made there. If others have closed the number, it may belong to something else by now.
static int takeUnopened(const layout::Pipe* pipe, bool isProducer) {
  const std::lock_guard<std::mutex> lock(unopenedMutex);
  const auto found = unopened.find(isProducer ? pipe->producerFd : pipe->consumerFd);
  const double inode = isProducer ? pipe->producerInode : pipe->consumerInode;
  if (found == unopened.end() || found->second.isProducer != isProducer || found->second.inode != inode) return -1;
  const int fd = found->first;
  unopened.erase(found);
  struct stat status;
  return fstat(fd, &status) == 0 && S_ISFIFO(status.st_mode) && double(status.st_ino) == inode ? fd : -1;
}

void PipeState::noteUnopened(const layout::Pipe* pipe) {
  const std::lock_guard<std::mutex> lock(unopenedMutex);
  unopened[pipe->consumerFd] = {pipe->consumerInode, false};
  unopened[pipe->producerFd] = {pipe->producerInode, true};
}

// ---- What an environment keeps ------------------------------------------------------------------------------------

PipeState::~PipeState() {
  // An end that was opened is closed by whoever opened it. The views still exist, because an environment finalizes its
  // references after its instance data.
  for (const Made& made : made_) {
    closeUnopened(made.pipe, true);
    closeUnopened(made.pipe, false);
  }
}

bool PipeState::closeUnopened(layout::Pipe* pipe, bool isProducer) {
  if (!take(isProducer ? &pipe->producerEnd : &pipe->consumerEnd, PipeEndState::kFree, PipeEndState::kClosed))
    return false;
  const UniqueFd fd(takeUnopened(pipe, isProducer));
  if (!fd) return false;
  (isProducer ? pipe->producerFd : pipe->consumerFd) = -1;
  return true;
}

void PipeState::keep(napi_env env, layout::Pipe* pipe, napi_value view) {
  // Pipes with both ends opened are let go here, so that what is kept is bounded by the number of pipes in use.
  const auto isTaken = [](const int32_t& end) {
    return __atomic_load_n(&end, __ATOMIC_ACQUIRE) != int32_t(PipeEndState::kFree);
  };
  made_.erase(std::remove_if(made_.begin(), made_.end(),
                  [&](const Made& made) {
                    return isTaken(made.pipe->producerEnd) && isTaken(made.pipe->consumerEnd) &&
                           napi_delete_reference(env, made.view) == napi_ok;
                  }),
      made_.end());
  napi_ref reference = nullptr;
  if (napi_create_reference(env, view, 1, &reference) == napi_ok) made_.push_back({pipe, reference});
}

static sigset_t sigpipe() {
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGPIPE);
  return set;
}

void PipeState::blockSigpipe() {
  if (writers_++ != 0) return;
  const sigset_t set = sigpipe();
  sigset_t before;
  pthread_sigmask(SIG_BLOCK, &set, &before);
  wasBlocked_ = sigismember(&before, SIGPIPE) == 1;
}

void PipeState::unblockSigpipe() {
  if (--writers_ != 0 || wasBlocked_) return;
  const sigset_t set = sigpipe();
  pthread_sigmask(SIG_UNBLOCK, &set, nullptr);
}

// ---- Opening and closing ------------------------------------------------------------------------------------------

PipeEnd::PipeEnd(napi_env env, layout::Pipe* pipe, bool isProducer, std::string path, int capacityBytes)
    : env_(env), pipe_(pipe), isProducer_(isProducer), path_(std::move(path)), capacityBytes_(capacityBytes) {}

PipeEnd* PipeEnd::open(napi_env env, layout::Pipe* pipe, napi_value view, bool isProducer, std::string path,
    int capacityBytes, napi_value onReady, int* error) {
  int32_t* state = isProducer ? &pipe->producerEnd : &pipe->consumerEnd;
  *error = -EALREADY;
  // A FIFO can be opened again. The descriptor of an anonymous pipe, once closed, is gone for good.
  if (!take(state, PipeEndState::kFree, PipeEndState::kOpen) &&
      (path.empty() || !take(state, PipeEndState::kClosed, PipeEndState::kOpen)))
    return nullptr;
  auto* end = new PipeEnd(env, pipe, isProducer, std::move(path), capacityBytes);
  *error = 0;
  if (!end->path_.empty()) *error = isProducer ? 0 : end->adopt(UniqueFd(openFifo(end->path_, O_RDONLY)));
  else end->fd_.reset(takeUnopened(pipe, isProducer));
  if (end->path_.empty() && !end->fd_) *error = -EBADF;
  if (*error == 0) *error = end->join(view, onReady);
  if (*error != 0) {
    end->giveBack(PipeEndState::kClosed);
    delete end;
    return nullptr;
  }
  if (isProducer) pipe->isBroken = 0;
  else pipe->isEnded = 0;
  if (isProducer) stateOf(env)->pipes.blockSigpipe();
  // The hook is asynchronous: Node turns the loop until the hook is removed, so the close callbacks run after
  // terminate() and process.exit() too.
  napi_add_async_cleanup_hook(
      env, [](napi_async_cleanup_hook_handle, void* data) { static_cast<PipeEnd*>(data)->shutDown(); }, end,
      &end->hook_);
  return end;
}

// Makes what calling back needs. -ECANCELED when the environment is being torn down, which frees what was made.
int PipeEnd::join(napi_value view, napi_value onReady) {
  napi_value name = nullptr;
  const bool isJoined = napi_create_reference(env_, view, 1, &view_) == napi_ok &&
                        napi_create_reference(env_, onReady, 1, &onReady_) == napi_ok &&
                        napi_create_string_utf8(env_, "percore:pipe", NAPI_AUTO_LENGTH, &name) == napi_ok &&
                        napi_async_init(env_, nullptr, name, &context_) == napi_ok &&
                        napi_get_uv_event_loop(env_, &loop_) == napi_ok;
  return isJoined ? 0 : -ECANCELED;
}

// Takes an opened descriptor for this end. 0 or -errno, which may be that of the failed opening.
int PipeEnd::adopt(UniqueFd fd) {
  if (!fd) return -errno;
  struct stat status;
  if (fstat(fd.get(), &status) != 0) return -errno;
  if (!S_ISFIFO(status.st_mode)) return -EEXIST;
  // The kernel may refuse this size. Whoever asked for it reads back the size that was granted.
  if (capacityBytes_ > 0) fcntl(fd.get(), F_SETPIPE_SZ, capacityBytes_);
  fd_ = std::move(fd);
  (isProducer_ ? pipe_->producerInode : pipe_->consumerInode) = double(status.st_ino);
  __atomic_store_n(isProducer_ ? &pipe_->producerFd : &pipe_->consumerFd, fd_.get(), __ATOMIC_RELEASE);
  return 0;
}

void PipeEnd::giveBack(PipeEndState state) {
  __atomic_store_n(isProducer_ ? &pipe_->producerFd : &pipe_->consumerFd, -1, __ATOMIC_RELEASE);
  fd_.reset();
  // pipe.take: the next one to open this end finds the descriptor closed and its word cleared.
  __atomic_store_n(isProducer_ ? &pipe_->producerEnd : &pipe_->consumerEnd, int32_t(state), __ATOMIC_RELEASE);
}

void PipeEnd::shutDown() {
  if (isShut_) return;  // both close and teardown may come here
  isShut_ = true;
  // libuv lets go of a descriptor within uv_close, so it may be closed right afterwards.
  close(&ready_);
  close(&arrival_);
  inotify_.reset();
  giveBack(PipeEndState::kClosed);
  if (isProducer_) stateOf(env_)->pipes.unblockSigpipe();
  if (openHandles_ == 0) finish();
}

void PipeEnd::finish() {
  napi_handle_scope scope = nullptr;
  napi_open_handle_scope(env_, &scope);
  napi_delete_reference(env_, onReady_);
  napi_delete_reference(env_, view_);
  napi_async_destroy(env_, context_);
  if (scope) napi_close_handle_scope(env_, scope);
  if (handle) *handle = nullptr;
  napi_remove_async_cleanup_hook(hook_);  // from here on Node may tear the loop down
  delete this;
}

// ---- Reading and writing ------------------------------------------------------------------------------------------

int PipeEnd::read(char* data, size_t length) {
  if (isShut_) return -EBADF;
  ssize_t count;
  do count = ::read(fd_.get(), data, length);
  while (count < 0 && errno == EINTR);
  if (count != 0) return count < 0 ? -errno : int(count);
  // Nobody writes now. A hang-up means that somebody did.
  return readiness(POLLIN) & POLLHUP ? 0 : -ENXIO;
}

int PipeEnd::write(const char* data, size_t length) {
  const int absent = greet();
  if (absent != 0) return absent;
  ssize_t count;
  do count = ::write(fd_.get(), data, length);
  while (count < 0 && errno == EINTR);
  if (count >= 0) {
    hasWritten_ = true;
    return int(count);
  }
  if (errno != EPIPE) return -errno;
  // The signal went to this thread, where it is blocked. It is taken out here, so that it kills nobody once unblocked.
  const sigset_t set = sigpipe();
  const timespec none{};
  sigtimedwait(&set, nullptr, &none);
  return readerHasGone();
}

// A FIFO is broken when a reader leaves that has taken something. A reader that came and went before does not count.
// Nor does another producer that is about to wait and looks like a reader for a moment.
int PipeEnd::readerHasGone() {
  if (path_.empty() || hasWritten_) return -EPIPE;
  awaitsReader_ = true;
  return -ENXIO;
}

int PipeEnd::space() {
  const int absent = greet();
  if (absent != 0) return absent;
  const short events = readiness(POLLOUT);
  return events & POLLERR ? readerHasGone() : events & POLLOUT ? 0 : -EAGAIN;
}

// 0 when somebody reads at the other end, or has read; -ENXIO before that.
int PipeEnd::greet() {
  if (isShut_) return -EBADF;
  if (!fd_) {
    const int error = connect();
    if (error != 0) return error;
  }
  if (awaitsReader_ && !hasReader()) return -ENXIO;
  awaitsReader_ = false;
  return 0;
}

int PipeEnd::connect() { return adopt(UniqueFd(openFifo(path_, O_WRONLY))); }

short PipeEnd::readiness(short events) const {
  pollfd ready{fd_.get(), events, 0};
  // With one open descriptor and no waiting, poll can fail only for lack of memory; then nothing counts as ready.
  return poll(&ready, 1, 0) == 1 ? ready.revents : short(0);
}

int PipeEnd::reopen() {
  if (isShut_) return -EBADF;
  // The old descriptor stays open while the new one is made, so the pipe and what is in it remain.
  UniqueFd fd(openFifo(path_, O_RDONLY));
  if (!fd) return -errno;
  const bool isWatching = ready_ && ready_->isStarted;
  close(&ready_);
  const int error = adopt(std::move(fd));
  return error == 0 && isWatching ? watch(true) : error;
}

// ---- Waiting ------------------------------------------------------------------------------------------------------

int PipeEnd::watch(bool isOn) {
  if (isShut_) return isOn ? -EBADF : 0;
  if (!isOn) {
    stop(ready_);
    stop(arrival_);
    return 0;
  }
  if (isProducer_) {
    const int waits = awaitReader();
    if (waits != 0) return waits < 0 ? waits : 0;
  }
  return start(&ready_, fd_.get(), isProducer_ ? UV_WRITABLE : UV_READABLE, &PipeEnd::callBack);
}

// 0 when somebody reads, or has read. 1 when nobody does yet; onArrival will tell. Or -errno.
int PipeEnd::awaitReader() {
  if (!fd_) {
    int error = connect();
    if (error == -ENXIO) {
      const UniqueFd both(openFifo(path_, O_RDWR));
      if (!both) return -errno;
      error = connect();
      awaitsReader_ = error == 0;
    }
    if (error != 0) return error;
  }
  if (!awaitsReader_) return 0;
  // Otherwise it would report again and again that nobody reads.
  stop(ready_);
  if (!inotify_) {
    UniqueFd inotify(inotify_init1(IN_CLOEXEC | IN_NONBLOCK));
    if (!inotify || inotify_add_watch(inotify.get(), path_.c_str(), IN_OPEN) < 0) return -errno;
    inotify_ = std::move(inotify);
  }
  // The watch comes before the look, so that whoever opens the FIFO after the look is reported.
  if (hasReader()) {
    endAwaiting();
    return 0;
  }
  const int error = start(&arrival_, inotify_.get(), UV_READABLE, &PipeEnd::onArrival);
  return error != 0 ? error : 1;
}

// Somebody has opened the FIFO: a reader, or another writer.
void PipeEnd::onArrival() {
  char events[4096];
  while (::read(inotify_.get(), events, sizeof events) > 0) continue;
  if (!hasReader()) return;
  endAwaiting();
  callBack();
}

void PipeEnd::endAwaiting() {
  awaitsReader_ = false;
  close(&arrival_);
  inotify_.reset();
}

int PipeEnd::start(Watch** watch, int fd, int events, void (PipeEnd::*onEvent)()) {
  if (!*watch) {
    auto* made = new Watch{{}, this, onEvent, false};
    const int error = uv_poll_init(loop_, &made->handle, fd);
    if (error != 0) {
      delete made;
      return error;
    }
    made->handle.data = made;
    openHandles_++;
    *watch = made;
  }
  if ((*watch)->isStarted) return 0;
  // When the reader of a writing end has gone, libuv reports UV_EBADF and stops the handle. That is an event like any
  // other, and the next write will show what happened.
  const int error = uv_poll_start(&(*watch)->handle, events, [](uv_poll_t* handle, int status, int) {
    auto* watch = static_cast<Watch*>(handle->data);
    if (status != 0) watch->isStarted = false;
    (watch->end->*watch->onEvent)();
  });
  (*watch)->isStarted = error == 0;
  return error;
}

void PipeEnd::stop(Watch* watch) {
  if (!watch || !watch->isStarted) return;
  watch->isStarted = false;
  uv_poll_stop(&watch->handle);
}

void PipeEnd::close(Watch** watch) {
  if (!*watch) return;
  uv_close(reinterpret_cast<uv_handle_t*>(&(*watch)->handle), [](uv_handle_t* handle) {
    auto* closed = static_cast<Watch*>(handle->data);
    PipeEnd* end = closed->end;
    delete closed;
    if (--end->openHandles_ == 0 && end->isShut_) end->finish();
  });
  *watch = nullptr;
}

void PipeEnd::callBack() {
  napi_handle_scope scope = nullptr;
  napi_value function = nullptr;
  if (napi_open_handle_scope(env_, &scope) != napi_ok) return;
  if (napi_get_reference_value(env_, onReady_, &function) == napi_ok && function) {
    // Promises and ticks run with it. This end may be shut afterwards, but lives until libuv's close callbacks.
    settleCall(env_, napi_make_callback(env_, context_, function, function, 0, nullptr, nullptr));
  }
  napi_close_handle_scope(env_, scope);
}

}  // namespace percore
