#include "bell_watch.h"

#include <linux/futex.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include "addon_state.h"
#include "mapped_file.h"

namespace percore {

static constexpr int64_t kLookNs = 1'000'000'000;

static int64_t nowNs() {
  timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return int64_t(now.tv_sec) * 1'000'000'000 + now.tv_nsec;
}

// Without FUTEX_PRIVATE_FLAG: the kernel then knows the word by its file, and not by its address here. A signal does
// not end the wait: the end of any child sends one (SIGCHLD), and its handler runs on the loop, later. The time-out is
// a moment, so that a wait which begins again does not become longer.
int waitForWord(int32_t* word, int32_t seen, int64_t timeoutNs) {
  const int64_t untilNs = nowNs() + timeoutNs;
  const timespec until = {time_t(untilNs / 1'000'000'000), long(untilNs % 1'000'000'000)};
  for (;;) {
    const long code =
        syscall(SYS_futex, word, FUTEX_WAIT_BITSET, seen, &until, nullptr, FUTEX_BITSET_MATCH_ANY);
    if (code == 0) return 0;
    if (errno != EINTR) return -errno;
  }
}

int wakeAtWord(int32_t* word) {
  const long woken = syscall(SYS_futex, word, FUTEX_WAKE, INT32_MAX, nullptr, nullptr, 0);
  return woken < 0 ? -errno : int(woken);
}

// Signals are for the threads that Node has. 0 or -errno.
static int startQuietly(std::vector<Thread>& threads, auto body) {
  sigset_t all, before;
  sigfillset(&all);
  // A thread that blocks SIGBUS dies of it, whoever handles it.
  sigdelset(&all, SIGBUS);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  Thread thread;
  const int code = thread.start(body);
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
  if (code == 0) threads.push_back(std::move(thread));
  return code;
}

BellWatch* BellWatch::open(napi_env env, napi_value then) {
  UniqueFd epoll(epoll_create1(EPOLL_CLOEXEC)), stopping(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  epoll_event event = {EPOLLIN, {.u64 = 0}};
  if (!epoll || !stopping || epoll_ctl(epoll.get(), EPOLL_CTL_ADD, stopping.get(), &event) != 0) return nullptr;
  auto* watch = new BellWatch();
  watch->epoll_ = std::move(epoll);
  watch->stopping_ = std::move(stopping);
  watch->env_ = env;
  napi_value name = nullptr;
  const auto call = [](napi_env env, napi_value then, void*, void* data) {
    napi_value token = nullptr, global = nullptr, result = nullptr;
    if (!env || !then || napi_create_int32(env, int32_t(intptr_t(data)), &token) != napi_ok) return;
    if (napi_get_global(env, &global) == napi_ok) napi_call_function(env, global, then, 1, &token, &result);
  };
  if (napi_create_string_utf8(env, "percore:bells", NAPI_AUTO_LENGTH, &name) != napi_ok ||
      napi_create_threadsafe_function(
          env, then, nullptr, name, 0, 1, nullptr, nullptr, nullptr, call, &watch->tell_) != napi_ok) {
    delete watch;
    return nullptr;
  }
  napi_unref_threadsafe_function(env, watch->tell_);
  // Registered after the function's own hook, so that it runs before that: the threads have ended when the function
  // does.
  napi_add_env_cleanup_hook(
      env,
      [](void* data) {
        auto* watch = static_cast<BellWatch*>(data);
        stateOf(watch->env_)->bells = nullptr;
        watch->stop();
        delete watch;
      },
      watch);
  return watch;
}

void BellWatch::tell(int32_t token) {
  napi_call_threadsafe_function(tell_, reinterpret_cast<void*>(intptr_t(token)), napi_tsfn_nonblocking);
}

int BellWatch::wait(int32_t* word, int32_t seen, int64_t timeoutNs, int32_t token) {
  const std::lock_guard lock(mutex_);
  if (int(waits_.size()) >= idle_) {
    if (const int code = startQuietly(threads_, [this] { sleepAtBells(); }); code != 0) return code;
  }
  waits_.push_back({word, seen, nowNs() + timeoutNs, token});
  given_.notify_one();
  return 0;
}

void BellWatch::sleepAtBells() {
  std::unique_lock lock(mutex_);
  for (;;) {
    idle_++;
    given_.wait(lock, [this] { return isStopping_ || !waits_.empty(); });
    idle_--;
    if (isStopping_) return;
    const Wait wait = waits_.front();
    waits_.pop_front();
    asleep_.push_back(wait.word);
    lock.unlock();
    MappedFile* const file = MappedFile::of(wait.word);
    for (;;) {
      const int64_t leftNs = wait.untilNs - nowNs();
      // Looked at each time: another process may have put back what stop() has changed.
      if (leftNs <= 0 || isStopping_ || !file || !file->isWhole()) break;
      const int code = waitForWord(wait.word, wait.seen, std::min(leftNs, kLookNs));
      if (code != -ETIMEDOUT) break;
    }
    lock.lock();
    asleep_.erase(std::find(asleep_.begin(), asleep_.end(), wait.word));
    if (!isStopping_) tell(wait.token);
  }
}

int BellWatch::watch(UniqueFd process, int32_t token) {
  const std::lock_guard lock(mutex_);
  if (!isWatching_) {
    if (const int code = startQuietly(threads_, [this] { sleepForProcesses(); }); code != 0) return code;
  }
  isWatching_ = true;
  epoll_event event = {EPOLLIN | EPOLLONESHOT, {.u64 = uint64_t(uint32_t(token))}};
  if (epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, process.get(), &event) != 0) return -errno;
  processes_.push_back({std::move(process), token});
  return 0;
}

void BellWatch::forget(int32_t token) {
  const std::lock_guard lock(mutex_);
  // Its descriptor is the only one, so that the epoll instance loses it too.
  std::erase_if(processes_, [&](const Process& process) { return process.token == token; });
}

void BellWatch::sleepForProcesses() {
  for (;;) {
    epoll_event events[16];
    const int count = epoll_wait(epoll_.get(), events, 16, -1);
    const std::lock_guard lock(mutex_);
    if (isStopping_) return;
    for (int i = 0; i < count; i++) {
      const auto found = std::find_if(processes_.begin(), processes_.end(),
          [&](const Process& process) { return uint64_t(uint32_t(process.token)) == events[i].data.u64; });
      if (found == processes_.end()) continue;
      tell(found->token);
      processes_.erase(found);
      hasEnded_ = true;
    }
    if (hasEnded_ && frozenAt_) rouse(frozenAt_);
  }
}

int BellWatch::freeze(int32_t* word, int32_t seen, int64_t timeoutNs) {
  // Under the lock: one that ends from here on finds where we sleep, and one that has ended before keeps us awake.
  const auto noteAt = [this](int32_t* at) {
    const std::lock_guard lock(mutex_);
    frozenAt_ = at;
    return std::exchange(hasEnded_, false);
  };
  if (noteAt(word)) {
    noteAt(nullptr);
    return -ECANCELED;
  }
  const int code = waitForWord(word, seen, timeoutNs);
  return noteAt(nullptr) ? -ECANCELED : code;
}

// The word grows, as if somebody had rung, also for a thread that is about to sleep. Whoever else waits there looks
// once more.
void BellWatch::rouse(int32_t* word) {
  __atomic_add_fetch(word, 1, __ATOMIC_SEQ_CST);
  wakeAtWord(word);
}

void BellWatch::stop() {
  {
    const std::lock_guard lock(mutex_);
    isStopping_ = true;
    for (int32_t* word : asleep_) rouse(word);
  }
  given_.notify_all();
  const uint64_t one = 1;
  if (write(stopping_.get(), &one, sizeof one) < 0) {
    // A full counter is as readable as one that has grown.
  }
  for (Thread& thread : threads_) thread.join();
  napi_release_threadsafe_function(tell_, napi_tsfn_abort);
}

}  // namespace percore
