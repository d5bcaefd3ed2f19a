// What a thread that serves a loop waits for in other processes: that a word of a mapped file changes (a bell), and
// that a process ends. Neither has a descriptor that libuv could watch together with the others, so other threads sleep
// for it, one for each bell that somebody waits for at this moment and one for all processes. They report through a
// function of Node-API that may be called from any thread. They sleep in the kernel and cost nothing meanwhile, except
// for one look a second whether the file still has its length. The one for processes also wakes the loop's own thread,
// where that has frozen at a bell.
//
// Not eventfd: a number of one process means nothing in another. Not io_uring's futex, which few kernels have. Source:
// futex(2), pidfd_open(2).
#pragma once
#include <node_api.h>

#include <atomic>
#include <condition_variable>
#include <deque>
#include <mutex>
#include <vector>

#include "thread.h"
#include "unique_fd.h"

namespace percore {

// futex(2) on memory that processes share: 0, -EAGAIN when the word is not `seen`, -ETIMEDOUT, -EFAULT. Signals do not
// end it.
int waitForWord(int32_t* word, int32_t seen, int64_t timeoutNs);
int wakeAtWord(int32_t* word);

class BellWatch {
 public:
  // Null, with nothing made, if Node-API refuses. `then(token)` is called on this thread's loop, which it does not keep
  // alive. Ends with the environment.
  static BellWatch* open(napi_env env, napi_value then);

  // Reports `token` when the word is no longer `seen`, after `timeoutNs`, or when the file has lost what was mapped. 0,
  // or -errno where there is no further thread to sleep for it, and then it reports nothing.
  int wait(int32_t* word, int32_t seen, int64_t timeoutNs, int32_t token);
  // Reports `token` once, when this process (a pidfd, which it takes) has ended. 0 or -errno.
  int watch(UniqueFd process, int32_t token);
  // Reports this token no more, if it has not yet.
  void forget(int32_t token);
  // As waitForWord, for this thread; -ECANCELED as soon as a watched process has ended since the last such answer.
  int freeze(int32_t* word, int32_t seen, int64_t timeoutNs);

 private:
  struct Wait {
    int32_t* word;
    int32_t seen;
    int64_t untilNs;
    int32_t token;
  };

  BellWatch() = default;
  void stop();
  void sleepAtBells();
  void sleepForProcesses();
  void tell(int32_t token);
  static void rouse(int32_t* word);

  napi_env env_ = nullptr;
  napi_threadsafe_function tell_ = nullptr;
  std::mutex mutex_;
  std::condition_variable given_;
  std::deque<Wait> waits_;
  // Words at which threads sleep, in order to wake them when the environment ends.
  std::vector<int32_t*> asleep_;
  std::vector<Thread> threads_;
  int idle_ = 0;
  std::atomic<bool> isStopping_{false};
  UniqueFd epoll_, stopping_;
  struct Process {
    UniqueFd fd;
    int32_t token;
  };
  // Those that have not ended.
  std::vector<Process> processes_;
  bool isWatching_ = false;
  // Where the loop's thread has frozen, if it has.
  int32_t* frozenAt_ = nullptr;
  // A process has ended, and no thread that froze was told.
  bool hasEnded_ = false;
};

}  // namespace percore
