#include "stall_watch.h"

#include <fcntl.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstring>

#include "clock.h"
#include "isolate_stack.h"
#include "json_parser.h"
#include "napi_args.h"
#include "schedstat.h"
#include "unique_fd.h"

namespace percore {

using layout::Attention;
using layout::Phase;

// How often it looks during one threshold.
static constexpr int64_t kLooks = 8;
static constexpr int64_t kLeastLookNs = 250'000;
static constexpr int64_t kMinuteNs = 60'000'000'000;
static constexpr int kMostFrames = 16;

static int64_t glance(const double& word) {
  double value;
  __atomic_load(&word, &value, __ATOMIC_RELAXED);
  return int64_t(value);
}
static int32_t glance(const int32_t& word) { return __atomic_load_n(&word, __ATOMIC_RELAXED); }

// The text of a file of /proc of one thread; false when the thread has gone.
static UniqueFd openOfThread(int tid, const char* file) {
  char path[64];
  snprintf(path, sizeof path, "/proc/self/task/%d/%s", tid, file);
  return UniqueFd(open(path, O_RDONLY | O_CLOEXEC));
}

// Whether a thread of this process could run: then it waits for a CPU, or has one.
static bool isRunnable(int tid) {
  char text[256];
  const UniqueFd file = openOfThread(tid, "stat");
  const ssize_t length = read(file.get(), text, sizeof text - 1);
  if (length <= 0) return false;
  text[length] = 0;
  // "number (name) state": the name may contain brackets.
  const char* end = strrchr(text, ')');
  return end && end[1] == ' ' && end[2] == 'R';
}

// For how long it has waited for a CPU so far, without the present wait; 0 where the kernel does not say.
static int64_t runDelayNs(int tid) {
  const UniqueFd file = openOfThread(tid, "schedstat");
  Schedstat stat;
  return readSchedstat(file.get(), &stat) ? stat.waitedNs : 0;
}

// How much of the elapsed time belongs to the thread itself: it ran, or slept in a system call.
static int64_t ownNs(WatchedThread& thread, int64_t passedNs) {
  const int64_t cpuNs = clockNs(thread.cpuClock), delayNs = runDelayNs(thread.tid);
  const int64_t ranNs = std::clamp<int64_t>(cpuNs - thread.cpuNs, 0, passedNs);
  // A wait that goes on is counted by the kernel when it ends, and was left out here by then.
  int64_t waitedNs = std::max<int64_t>(0, delayNs - thread.delayNs);
  const int64_t knownNs = std::min(waitedNs, thread.pendingNs);
  waitedNs -= knownNs;
  thread.pendingNs -= knownNs;
  thread.cpuNs = cpuNs;
  thread.delayNs = delayNs;
  const int64_t leftNs = std::max(ranNs, passedNs - waitedNs);
  if (leftNs == ranNs || !isRunnable(thread.tid)) return leftNs;
  // It could run: what it did not run of this time it waits for a CPU, or its CPU itself was not running.
  thread.pendingNs += leftNs - ranNs;
  return ranNs;
}

// ---- In the thread that is watched ----------------------------------------------------------------------------------

static double countOf(napi_env env, napi_value task, const char* name) {
  napi_value count = nullptr;
  if (napi_get_named_property(env, task, name, &count) != napi_ok) return 0;
  return numberOf(env, count, 0);
}

// Which step runs, asked in the middle of its JavaScript, or where a collection begins. Reads plain properties, which
// runs no JavaScript.
static void answer(WatchedThread& thread, bool isCollecting) {
  // Only the first of the two counts, and no collection that begins in here.
  if (!thread.isAwaited.exchange(false)) return;
  const std::lock_guard lock(thread.mutex);
  if (!thread.isolate) return;
  napi_env env = thread.env;
  napi_handle_scope scope = nullptr;
  if (napi_open_handle_scope(env, &scope) != napi_ok) return;
  napi_value steps = nullptr, task = nullptr, name = nullptr;
  napi_valuetype type = napi_undefined;
  thread.task.clear();
  thread.stepsDone = 0;
  if (napi_get_reference_value(env, thread.steps, &steps) == napi_ok && steps &&
      napi_get_named_property(env, steps, "running", &task) == napi_ok && napi_typeof(env, task, &type) == napi_ok &&
      type == napi_object) {
    if (napi_get_named_property(env, task, "name", &name) == napi_ok) thread.task = textOf(env, name);
    thread.stepsDone = countOf(env, task, "steps") + countOf(env, task, "again") + countOf(env, task, "errors");
  }
  thread.hasNews = true;
  thread.isCollecting = isCollecting;
  // Where it collects only amid JSON: where optimized code has allocated, V8 cannot tell its functions, and ends the
  // process.
  if (thread.wantsStack && !isCollecting) thread.stack = currentStack(env, thread.isolate, kMostFrames);
  else if (thread.wantsStack && isInJsonParser()) {
    thread.stack = "    at JSON.parse (<anonymous>)";
    const std::string callers = currentStack(env, thread.isolate, kMostFrames - 1);
    if (!callers.empty()) thread.stack += '\n' + callers;
  }
  napi_close_handle_scope(env, scope);
}

static void onInterrupt(void*, void* data) {
  const std::unique_ptr<std::shared_ptr<WatchedThread>> held(static_cast<std::shared_ptr<WatchedThread>*>(data));
  answer(**held, false);
}

static void onCollection(void*, int, int, void* data) {
  WatchedThread& thread = *static_cast<WatchedThread*>(data);
  // Some collections contain others.
  if (thread.collectingSinceNs.load(std::memory_order_relaxed) == 0) thread.collectingSinceNs = monotonicNs();
  answer(thread, true);
}

static void onCollectionEnd(void*, int, int, void* data) {
  WatchedThread& thread = *static_cast<WatchedThread*>(data);
  const int64_t sinceNs = thread.collectingSinceNs.exchange(0);
  if (sinceNs != 0) thread.collectedNs += monotonicNs() - sinceNs;
}

int64_t WatchedThread::collectedSoFarNs() const {
  const int64_t sinceNs = collectingSinceNs, ended = collectedNs;
  return ended + (sinceNs == 0 ? 0 : monotonicNs() - sinceNs);
}

void WatchedThread::enter() { watchCollections(isolate, kPauses, onCollection, onCollectionEnd, this); }

void WatchedThread::leave() {
  const std::lock_guard lock(mutex);
  if (!isolate) return;
  unwatchCollections(isolate, onCollection, onCollectionEnd, this);
  isolate = nullptr;
  if (steps) napi_delete_reference(env, steps);
  if (view) napi_delete_reference(env, view);
  steps = view = nullptr;
}

// ---- In the watcher -------------------------------------------------------------------------------------------------

void StallWatch::join(std::shared_ptr<WatchedThread> thread) {
  const std::lock_guard lock(mutex_);
  threads_.push_back(std::move(thread));
}

int StallWatch::setThreshold(int64_t ns) {
  const std::lock_guard lock(mutex_);
  if (ns > 0 && !watcher_.isRunning() && !isStopped_) {
    if (const int code = watcher_.start([this] { run(); }); code != 0) return code;
  }
  thresholdNs_ = ns;
  changed_.notify_one();
  return 0;
}

void StallWatch::stop() {
  {
    const std::lock_guard lock(mutex_);
    isStopped_ = true;
    changed_.notify_one();
  }
  watcher_.join();
}

void StallWatch::run() {
  prctl(PR_SET_NAME, "percore-stalls");
  // It needs little, and must see what happens while the machine is busy. If this is refused, it may be late.
  setpriority(PRIO_PROCESS, id_t(syscall(SYS_gettid)), -10);
  int64_t before = monotonicNs();
  std::unique_lock lock(mutex_);
  while (!isStopped_) {
    const int64_t threshold = thresholdNs_;
    if (threshold == 0) {
      changed_.wait(lock);
      before = monotonicNs();
      continue;
    }
    const int64_t interval = std::max(threshold / kLooks, kLeastLookNs);
    changed_.wait_for(lock, std::chrono::nanoseconds(interval));
    if (isStopped_) break;
    std::erase_if(threads_, [](const std::shared_ptr<WatchedThread>& thread) {
      const std::lock_guard ofThread(thread->mutex);
      return thread->isolate == nullptr;
    });
    const std::vector<std::shared_ptr<WatchedThread>> threads = threads_;
    lock.unlock();
    const int64_t now = monotonicNs();
    // If the watcher itself came very late, the whole machine may have stood still.
    const int64_t passed = std::min(now - before, std::max(threshold / 2, 2 * interval));
    before = now;
    for (const auto& thread : threads) look(thread, passed, threshold);
    lock.lock();
  }
}

void StallWatch::look(const std::shared_ptr<WatchedThread>& held, int64_t passedNs, int64_t thresholdNs) {
  WatchedThread& thread = *held;
  Stall stall;
  {
    const std::lock_guard lock(thread.mutex);
    if (!thread.isolate) return;
    if (isMoving(thread, passedNs)) {
      thread.stuckNs = thread.pendingNs = 0;
      thread.collectedBeforeNs = thread.collectedSoFarNs();
      thread.isAsked = thread.isTold = thread.isToldBare = false;
      return;
    }
    const int64_t spentNs = ownNs(thread, passedNs);
    thread.stuckNs += spentNs;
    if (thread.stuckNs < thresholdNs / 4) return;
    const Finding finding = judge(held, spentNs, thresholdNs);
    if (finding == Finding::kNothing) return;
    const bool isContinued = finding == Finding::kMore;
    if (!isContinued) {
      thread.isTold = true;
      startOver(thread);
      // stalls: only the watcher writes it.
      thread.party->stalls += 1;
      if (!mayTell()) return;
    }
    const bool hasAnswered = !thread.stack.empty();
    thread.isToldBare = thread.wantsStack = !hasAnswered;
    const int64_t ns = thread.stuckNs - thread.fromNs;
    const int64_t collectedNs = std::clamp<int64_t>(thread.collectedSoFarNs() - thread.collectedBeforeNs, 0, ns);
    stall = {thread.party->id, ns, monotonicNs(), collectedNs, hasAnswered, isContinued, thread.knownTask,
        thread.stack};
  }
  tell_(context_, std::move(stall));
}

bool StallWatch::isMoving(WatchedThread& thread, int64_t passedNs) {
  const layout::Party& party = *thread.party;
  const int64_t turns = glance(party.turns), lookedNs = glance(party.lookedNs), passes = glance(party.libuvTurns);
  const bool hasMoved = turns != thread.turns || lookedNs != thread.lookedNs || passes != thread.libuvTurns;
  thread.turns = turns;
  thread.lookedNs = lookedNs;
  thread.libuvTurns = passes;
  // While its entry is being loaded, and after it has left, nobody waits for it.
  const auto phase = Phase(glance(party.phase));
  if (hasMoved || (!thread.isMain && phase != Phase::kReady && phase != Phase::kDraining)) return true;
  if (Attention(glance(party.attention)) != Attention::kParked) return false;
  // It is asleep, or in a callback of libuv: only the latter takes CPU time.
  const int64_t cpuNs = clockNs(thread.cpuClock);
  if (cpuNs - thread.cpuNs >= passedNs / 2) return false;
  thread.cpuNs = cpuNs;
  return true;
}

// The words have not moved for a while: finds out whether one step has lasted for the threshold. A question is answered
// at the next call or loop, so while an answer is awaited no other step has begun.
StallWatch::Finding StallWatch::judge(
    const std::shared_ptr<WatchedThread>& held, int64_t passedNs, int64_t thresholdNs) {
  WatchedThread& thread = *held;
  thread.sinceNs += passedNs;
  thread.awaitedNs += passedNs;
  if (!thread.isAsked) {
    thread.stack.clear();
    thread.knownTask.clear();
    thread.isKnown = thread.hasNews = false;
    thread.fromNs = 0;
    thread.isAsked = true;
    startOver(thread);
    ask(held, false);
    return Finding::kNothing;
  }
  const bool isAwaited = thread.isAwaited.load();
  if (isAwaited) {
    // A stack may still come while there is time.
    const bool isLate = !thread.isTold && thread.awaitedNs >= thresholdNs + thresholdNs / 4;
    return isLate ? Finding::kStall : Finding::kNothing;
  }
  if (thread.hasNews) {
    thread.hasNews = false;
    if (thread.isKnown && (thread.task != thread.knownTask || thread.stepsDone != thread.knownSteps)) {
      thread.isTold = thread.isToldBare = false;
      thread.fromNs = thread.stuckNs;
      thread.collectedBeforeNs = thread.collectedSoFarNs();
      startOver(thread);
    }
    // Not what runs after the step: the question came in the middle of the step, and the answer at its end.
    const bool isMore = !thread.task.empty() && (!thread.stack.empty() || thread.knownTask.empty());
    thread.isKnown = true;
    thread.knownTask = thread.task;
    thread.knownSteps = thread.stepsDone;
    if (thread.isToldBare && isMore) return Finding::kMore;
    const bool isWhole = !thread.isCollecting || !thread.stack.empty();
    if (thread.wantsStack && isWhole && !thread.isTold && thread.sinceNs >= thresholdNs) return Finding::kStall;
    // In native code it is not known when the next answer comes: ask now.
    if (thread.isCollecting) {
      findJsonParser();
      const int64_t awaitedNs = thread.awaitedNs;
      ask(held, true);
      thread.awaitedNs = awaitedNs;
      return Finding::kNothing;
    }
  }
  if (thread.sinceNs >= thresholdNs) ask(held, !thread.isTold);
  return Finding::kNothing;
}

void StallWatch::startOver(WatchedThread& thread) {
  thread.sinceNs = thread.awaitedNs = 0;
}

// The thread is locked, so its isolate lives.
void StallWatch::ask(const std::shared_ptr<WatchedThread>& held, bool wantsStack) {
  WatchedThread& thread = *held;
  thread.awaitedNs = 0;
  thread.wantsStack = wantsStack;
  // It was already asked, and has been in native code since: the answer that comes is to this question.
  if (thread.isAwaited.exchange(true)) return;
  interruptIsolate(thread.isolate, onInterrupt, new std::shared_ptr<WatchedThread>(held));
}

bool StallWatch::mayTell() {
  const int64_t now = monotonicNs();
  std::erase_if(toldNs_, [now](int64_t at) { return now - at > kMinuteNs; });
  if (toldNs_.size() >= size_t(mostPerMinute_.load(std::memory_order_relaxed))) return false;
  toldNs_.push_back(now);
  return true;
}

}  // namespace percore
