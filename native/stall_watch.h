// Watches the threads of one runtime for steps that do not end. A thread of its own looks at words that each turn
// writes anyway, so a step costs nothing more. Read `StallWatch::look` first.
//
//   words unchanged for a quarter of the threshold --> ask the thread which step it is in (an interrupt of V8, amid
//   the same step, or no answer, for the whole     --> its JavaScript; see isolate_stack.h)
//   threshold                                      --> a stall: ask for the stack, and tell the main thread
//
// That the words do not change says that a quantum goes on, which may be of many short steps; the answer says whether
// it is one step. In native code that allocates, the thread says which step it is in when its next collection begins;
// its stack it can tell there amid JSON.parse alone (see json_parser.h). It does not answer in a system call, nor in
// native code that does not allocate.
//
// Time in which the thread could run and did not is not the step's and does not count: it waited for a CPU, as the
// kernel's run delay says, or the host of a virtual machine had taken the CPU away, which the kernel leaves out of the
// thread's CPU time. What collections took does count, and is told apart.
//
// | word                          | write side     | read side | needs                                    |
// |-------------------------------|----------------|-----------|------------------------------------------|
// | turns, libuvTurns, lookedNs   | turn.cc        | `look`    | any recent value: they only must change  |
// | attention, phase              | turn.cc, party | `look`    | the same                                 |
// | stalls                        | `look`         | status()  | a statistic, one writer                  |
//
// Source: the stall detectors of Seastar and Glommio, which interrupt by signals where this asks V8.
#pragma once
#include <node_api.h>
#include <time.h>

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "layout.h"
#include "thread.h"

namespace percore {

struct Stall {
  int32_t party = 0;
  int64_t ns = 0, atNs = 0, collectedNs = 0;
  bool hasAnswered = false, isContinued = false;
  std::string task, stack;
};

// A thread that is watched. The interrupt runs in that thread, everything else in the watcher.
struct WatchedThread {
  std::mutex mutex;
  // About the thread. `isolate` is null when its environment has ended; then nothing of this may be used.
  napi_env env = nullptr;
  napi_ref steps = nullptr, view = nullptr;
  void* isolate = nullptr;
  layout::Party* party = nullptr;
  clockid_t cpuClock = 0;
  int tid = 0;
  bool isMain = false;
  // What the thread was asked, and what it answered.
  std::atomic<bool> isAwaited{false};
  bool wantsStack = false, hasNews = false, isCollecting = false;
  std::string task, stack;
  double stepsDone = 0;
  // Nanoseconds in collections so far, and when the present one began, or 0. The thread writes, the watcher reads.
  std::atomic<int64_t> collectedNs{0}, collectingSinceNs{0};
  // The watcher's own: the words as they were, and what is known about the step.
  int64_t turns = -1, lookedNs = -1, libuvTurns = -1, cpuNs = 0;
  // Its run delay as it was, and what was taken for a wait that the kernel has not counted yet.
  int64_t delayNs = 0, pendingNs = 0;
  int64_t collectedBeforeNs = 0;
  // For how long the words have not moved, since when the step is known, since when an answer is awaited. `fromNs`: the
  // part of `stuckNs` that precedes the present step.
  int64_t stuckNs = 0, fromNs = 0, sinceNs = 0, awaitedNs = 0;
  bool isAsked = false, isKnown = false;
  bool isTold = false;
  // It was reported without a stack: what is learned later is reported as well.
  bool isToldBare = false;
  std::string knownTask;
  double knownSteps = 0;

  // In collections so far, the present one included.
  int64_t collectedSoFarNs() const;
  // Called in the thread when everything is set, and when its environment ends.
  void enter();
  void leave();
};

class StallWatch {
 public:
  using Tell = void (*)(void* context, Stall&& stall);
  StallWatch(int32_t mainParty, Tell tell, void* context) : mainParty_(mainParty), tell_(tell), context_(context) {}
  ~StallWatch() { stop(); }

  void join(std::shared_ptr<WatchedThread> thread);
  // 0 for none. Answers 0, or -errno where there is no thread to watch.
  int setThreshold(int64_t ns);
  void setMostPerMinute(int32_t count) { mostPerMinute_.store(count, std::memory_order_relaxed); }
  // A second call does nothing. Not from the watcher's thread.
  void stop();
  int32_t mainParty() const { return mainParty_; }

 private:
  void run();
  void look(const std::shared_ptr<WatchedThread>& thread, int64_t passedNs, int64_t thresholdNs);
  bool isMoving(WatchedThread& thread, int64_t passedNs);
  enum class Finding { kNothing, kStall, kMore };
  Finding judge(const std::shared_ptr<WatchedThread>& thread, int64_t passedNs, int64_t thresholdNs);
  void startOver(WatchedThread& thread);
  void ask(const std::shared_ptr<WatchedThread>& thread, bool wantsStack);
  bool mayTell();

  const int32_t mainParty_;
  const Tell tell_;
  void* const context_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<std::shared_ptr<WatchedThread>> threads_;
  int64_t thresholdNs_ = 0;
  bool isStopped_ = false;
  std::atomic<int32_t> mostPerMinute_{5};
  std::vector<int64_t> toldNs_;
  Thread watcher_;
};

}  // namespace percore
