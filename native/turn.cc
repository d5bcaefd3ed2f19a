#include "turn.h"

#include <poll.h>
#include <sched.h>

#include <algorithm>
#include <cerrno>
#include <initializer_list>

#include "clock.h"
#include "javascript_call.h"
#include "pause_cpu.h"

namespace percore {

using layout::Attention;
using layout::IdleStrategy;
using layout::Stop;

// A busy reactor returns to libuv after so many I/O intervals: a pass of libuv costs a microsecond with its system
// calls. It is busy also if it spins in between, as one of two that answer each other does, once it has run so many
// turns within one interval.
static constexpr int64_t kBusyIntervals = 4;
static constexpr int kBusyTurns = 4;
// Of so many intervals in which libuv would have found nothing one ends in a pass of it all the same: what is not
// announced, such as an immediate that keeps no program running, waits for that.
static constexpr int kMostSpared = 16;
// After so many vain looks at libuv in a row, without a sleep in between, it is worth an io_uring that none of them
// costs a system call. What happens after so few is too frequent for that. In between lies what V8 has libuv do after
// each collection of young objects, 20 to 40 ms apart in a thread that makes a promise for each message.
static constexpr int kLooksForBell = 200, kLooksForRing = 50;
// Looks at the lanes between two looks at the clock.
static constexpr int kLooksPerClock = 8;
// Adaptive: of so many parks one spins first, so that two parked reactors find out that they could be talking faster.
static constexpr uint32_t kProbeEvery = 32;
// How long a thread looks for the next arrival before it sleeps: about the CPU that falling asleep and waking take, so
// that a look is never much dearer than the sleep that it may save.
static constexpr int64_t kIoLookNs = 6'000;
// A look that found something counts one for the next looks, and one in vain so much against them.
static constexpr int kVainLook = 2, kMostLooks = 16;
// A sleep ends before the next timer by as much as waking takes, and at most by so much; the estimate moves so much a
// wake-up.
static constexpr int64_t kMostLeadNs = 50'000, kLeadStepNs = 500;
// A level wants to be in time, and pays for it with the CPU of those below: nine of ten of its sleeps end early enough,
// if waking does not take longer than this.
static constexpr int64_t kMostLevelLeadNs = 20'000, kLevelLeadStepNs = 100;
// And so much earlier still: while it waits awake it runs a turn in vain, if there are so many nanoseconds left. So the
// code and the data of turns are in the caches again, out of which the levels below have pushed them.
static constexpr int64_t kWarmNs = 8'000, kVainTurnNs = 3'000;
// Figures of tasks pass a turn over if nothing of it needs to be looked back at. The next one has begun this soon after
// it, and so have so many before. What it has counted is told after so long without a turn, and before the thread
// sleeps.
static constexpr int64_t kApartNs = 2'000, kTellAfterNs = 20'000;
static constexpr int kCloseTurns = 8;
// Who sleeps within its turn passes libuv after so many sleeps, for what is not announced.
static constexpr int kMostSleeps = 16;

// Shared words. Sequentially consistent is the only order JavaScript has, and the handshake of parking needs it.
static int32_t load(const int32_t& word) { return __atomic_load_n(&word, __ATOMIC_SEQ_CST); }
static void store(int32_t& word, int32_t value) { __atomic_store_n(&word, value, __ATOMIC_SEQ_CST); }
// Settings and hints: any recent value will do.
static int32_t glance(const int32_t& word) { return __atomic_load_n(&word, __ATOMIC_RELAXED); }

int64_t Turn::nowNs() const { return monotonicNs() - originNs_; }

// ---- One pass ----------------------------------------------------------------------------------------------------

void Turn::onPrepare() {
  if (isDead_) return;
  JavaScript javascript(*this);
  party_->libuvTurns += 1;
  spared_ = sleeps_ = 0;
  isPassOver_ = hasRun_ = false;
  beginInterval(nowNs());
  while (!isPassOver_ && findWork()) deliver(javascript);
}

void Turn::beginInterval(int64_t now) {
  now_ = now;
  endNs_ = now_ + glance(party_->ioIntervalNs), busyEndNs_ = now_ + kBusyIntervals * glance(party_->ioIntervalNs);
  turns_ = 0;
}

// An interval is over: true for another one in this pass of libuv, if that has nothing to do.
bool Turn::goOn() {
  if (spared_++ == kMostSpared || !isLibuvIdle()) return false;
  beginInterval(nowNs());
  return true;
}

// Looks, spins and, for a level, sleeps until there is something to do. False: the pass of libuv is over.
bool Turn::findWork() {
  // The turn before may have used up the interval.
  if (hasRun_) restIfDue(&now_);
  bool isOver = hasRun_ && now_ >= busyEndNs_ && !goOn();
  hasRun_ = false;
  while (!isOver) {
    // With the idle handle stopped, 0 says that libuv has immediates, due timers, closing handles or watchers not yet
    // in its epoll: then neither spin nor park.
    uv_idle_stop(&idle_);
    const bool isLibuvBusy = uv_backend_timeout(loop_) == 0;
    const int64_t window = spinWindowNs();
    const bool mayYield = IdleStrategy(glance(party_->idleStrategy)) == IdleStrategy::kBackoff;
    bool hasWork = poll(now_);
    // Before it idles, JavaScript is told of a turn that was long: see tellLongNs.
    if (!hasWork && isTurnUntold_) hasWork = true;
    const int64_t lookUntil = hasWork ? 0 : lookUntilNs();
    if (now_ < lookUntil) isLooking_ = true;
    const int64_t parkAt =
        std::max({window == INT64_MAX ? INT64_MAX : lastLaneWorkNs_ + window, awaitedNs(now_), lookUntil});
    if (isCold_ && !hasWork && !isLibuvBusy && awaitedNs(now_) > now_ + kVainTurnNs) hasWork = true;
    // Before it sleeps, JavaScript tells what it has counted.
    if (!hasWork && hasPassedOver_ && (now_ >= parkAt || mustTell())) hasWork = true, memory_.delivery->tellNext = 1;
    while (!hasWork && !isLibuvBusy && now_ < endNs_ && now_ < parkAt) {
      for (int i = 0; i < kLooksPerClock && !hasWork; i++) {
        pauseCpu();
        hasWork = scanLanes();
      }
      // A record does not wait for the clock to be read: `now_` may be a few looks old.
      if (hasWork) break;
      // Backoff: the second half of its window lets others use the CPU between two looks.
      if (mayYield && now_ > lastLaneWorkNs_ + window / 2) sched_yield();
      now_ = nowNs();
      if (mustTell()) hasWork = true;
      // Instead of a pass of libuv, which would look there at its end.
      if (now_ < lookUntil) epoll_.collect(io_.get(), &party_->wakes);
      hasWork = poll(now_) || hasWork;
    }
    if (hasWork) {
      noteGap(now_);
      isCold_ = false;
      return true;
    }
    // With the earliest deadline still being looked for, libuv passes without sleeping, and the next poll goes on.
    if (isLibuvBusy || !timers_.isSettled()) break;
    if (now_ < parkAt) {
      isOver = !goOn();
      continue;
    }
    if (hasPassedOver_) continue;
    if (isInside_ || glance(party_->isLevel) != 0) {
      isOver = ++sleeps_ > kMostSleeps || !(isInside_ ? sleepInside(now_) : sleepHere());
      if (!isOver) beginInterval(now_);
      continue;
    }
    if (park(now_)) {
      isPassOver_ = true;
      return false;
    }
    now_ = nowNs();
  }
  uv_idle_start(&idle_, [](uv_idle_t*) {});  // never refused
  isPassOver_ = true;
  return false;
}

// Whether a pass of libuv would find nothing: no immediate, no due timer, no descriptor that is ready, ours among them.
// One system call, where a pass takes a microsecond or two that a peer may be waiting for; none with a bell.
bool Turn::isLibuvIdle() {
  uv_idle_stop(&idle_);
  uv_update_time(loop_);
  if (uv_backend_timeout(loop_) == 0) return false;
  const bool hasRung = bell_.isOpen() && bell_.hasRung();
  if (hasRung || !(isQuiet_ && bell_.isOpen())) isQuiet_ = !hasRung && isNothingReady();
  if (isQuiet_) {
    if (vainLooks_ < kLooksForBell) vainLooks_++;
    else if (!bell_.isOpen()) listenToBell();
    return true;
  }
  // It rings too often for what it costs.
  if (hasRung && vainLooks_ < kLooksForRing) bell_.close();
  vainLooks_ = 0;
  return false;
}

bool Turn::isNothingReady() {
  if (isInside_) {
    epoll_.collect(io_.get(), &party_->wakes);
    return !epoll_.isLoopReady();
  }
  pollfd descriptors{uv_backend_fd(loop_), POLLIN, 0};
  return ::poll(&descriptors, 1, 0) == 0;
}

void Turn::listenToBell() {
  if (isInside_) return goOutside();  // the next looks are for libuv's epoll again
  bell_.open(uv_backend_fd(loop_));
  isQuiet_ = false;
}

// For a thread that never sleeps.
void Turn::endBell() {
  vainLooks_ = 0;
  bell_.close();
}

// The same as `park`, for a level: it sleeps right here. A pass of libuv, and a timer that is a descriptor in two
// nested epolls, would be part of its latency. False: libuv has something to do, or may have.
bool Turn::sleepHere() {
  endBell();
  // What woke it the last time would do so again. Not later: a wake that comes after PARKED must not be taken away.
  if (isRung_) epoll_.silenceWaker();
  if (isSignalled_) epoll_.collect(io_.get(), &party_->wakes);
  isRung_ = isSignalled_ = false;
  // park.attention, as in park().
  store(party_->attention, int32_t(Attention::kParked));
  const auto awake = [this] { store(party_->attention, int32_t(Attention::kAwake)); };
  if (poll(now_) || !timers_.isSettled()) {
    awake();
    now_ = nowNs();
    return true;
  }
  uv_update_time(loop_);
  const int libuvMs = uv_backend_timeout(loop_);
  if (libuvMs == 0) {
    awake();
    return false;
  }
  const int64_t deadline = timers_.nextDeadlineNs();
  wakeAtNs_ = deadline == TimerWheel::kNever ? INT64_MAX : deadline - leadNs();
  int64_t longest = wakeAtNs_ == INT64_MAX ? INT64_MAX : std::max<int64_t>(wakeAtNs_ - nowNs(), 0);
  // A timer of libuv stays where it is over many sleeps, so it is not set and taken back in each: 0.3 µs of a wake.
  const int64_t libuvNs = libuvMs < 0 ? INT64_MAX : int64_t(uv_now(loop_) + uint64_t(libuvMs)) * 1'000'000;
  if (epoll_.hasTimer()) epoll_.armTimer(libuvNs);
  else if (libuvMs > 0) longest = std::min<int64_t>(longest, int64_t(libuvMs) * 1'000'000);
  party_->parks += 1;
  pollfd descriptors[2] = {{uv_backend_fd(loop_), POLLIN, 0}, {epoll_.takeWaker(), POLLIN, 0}};
  const timespec time{time_t(longest / 1'000'000'000), long(longest % 1'000'000'000)};
  const int count = ppoll(descriptors, 2, longest == INT64_MAX ? nullptr : &time, nullptr);
  // park.attention: awake before the lanes are looked at, as in onCheck().
  awake();
  const int64_t from = now_;
  now_ = nowNs();
  rest_.noteSleep(*party_, from, now_);
  party_->wokeNs = double(now_);
  isRung_ = count > 0 && descriptors[1].revents != 0;
  if (isRung_) party_->wakes += 1;
  // The most frequent wake: nothing of libuv's.
  if (isRung_ && descriptors[0].revents == 0) return true;
  if (now_ >= wakeAtNs_) learnLead(now_ - wakeAtNs_), isCold_ = true;
  // So that a timer of libuv which is due is seen as such.
  uv_update_time(loop_);
  if (count < 0) return false;  // a signal
  if (descriptors[0].revents == 0) return true;
  // What came for this thread comes first.
  if (poll(now_)) return isSignalled_ = true;
  return epoll_.collect(io_.get(), &party_->wakes) != 0;
}

// Between two turns, for those of ordinary priority. What comes for this thread meanwhile waits that long. Below a
// level that always has something to do this one only ever runs while that one rests: it leaves most of these pieces.
void Turn::restIfDue(int64_t* now) {
  bool isOver = false;
  for (int piece = 0; piece < LevelRest::kMostInARow && !isOver; piece++) isOver = !restOnce(now);
}

// False: it owes too little, or nothing waits for it.
bool Turn::restOnce(int64_t* now) {
  int64_t length = rest_.dueNs(*party_, *now);
  if (length == 0) return false;
  const int64_t deadline = timers_.isSettled() ? timers_.nextDeadlineNs() - leadNs() : 0;
  const bool isDue = deadline <= *now;
  // If nothing waits, it is about to sleep, and what comes then must not find it resting.
  if (!isDue && memory_.delivery->hasMore == 0 && !scanLanes()) return false;
  if (!isDue) length = std::min(length, deadline - *now);
  const int64_t from = *now;
  LevelRest::sleep(length);
  *now = nowNs();
  // Then it may have waited for the levels above, which is no rest: nobody below had the core.
  const int64_t to = std::min(*now, from + length);
  rest_.noteSleep(*party_, from, to);
  party_->restedNs += double(to - from);
  return true;
}

// Before a sleep: says so, looks again at everything, and arms the timer. False: something came.
bool Turn::announce(int64_t now) {
  // park.attention: pairs with notify(). From here on a producer that publishes sees PARKED and writes the eventfd.
  store(party_->attention, int32_t(Attention::kParked));
  if (poll(now) || !timers_.isSettled()) {
    // A waker may have swapped it already: both write AWAKE.
    store(party_->attention, int32_t(Attention::kAwake));
    return false;
  }
  const int64_t deadline = timers_.nextDeadlineNs();
  wakeAtNs_ = deadline == TimerWheel::kNever ? INT64_MAX : deadline - leadNs_;
  epoll_.armTimer(deadline == TimerWheel::kNever ? INT64_MAX : wakeAtNs_ + originNs_);
  if (isLooking_) noteLook(-kVainLook);
  endBell();
  party_->parks += 1;
  parksSinceProbe_++;
  parksSinceLook_++;
  parksSinceGather_++;
  sleepFromNs_ = now;
  return true;
}

// libuv sleeps. False: something came.
bool Turn::park(int64_t now) {
  if (!announce(now)) return false;
  isSleeping_ = true;
  return true;  // the idle handle is stopped: libuv computes its time-out after this and sleeps
}

// The same where the reactor's epoll holds that of libuv: it sleeps right here. False: libuv has something to do, or
// may have.
bool Turn::sleepInside(int64_t now) {
  if (!announce(now)) return true;
  uv_update_time(loop_);
  const int libuvMs = uv_backend_timeout(loop_);
  const bool isLibuvSooner = libuvMs >= 0 && libuvMs <= Nesting::kMostInsideMs;
  const int waitMs = isLibuvSooner ? libuvMs : Nesting::kMostInsideMs;
  const bool maySleep = waitMs != 0 && mayBeInside();
  const bool hasGathered = maySleep && gather(now);
  const int count = maySleep ? epoll_.collect(io_.get(), &party_->wakes, hasGathered ? 0 : waitMs) : 0;
  // park.attention: awake before the lanes are looked at, as in onCheck().
  store(party_->attention, int32_t(Attention::kAwake));
  now_ = now = nowNs();
  party_->wokeNs = double(now);
  if (now >= wakeAtNs_) learnLead(now - wakeAtNs_);
  if (hasGathered) noteGathered();
  const bool isOurs = (count > 0 || hasGathered) && !epoll_.isLoopReady();
  nesting_.note(hasGathered ? 0 : now - sleepFromNs_, isOurs);
  const bool isIdle = count == 0 && !hasGathered && !isLibuvSooner;
  if (isIdle || !mayBeInside() || nesting_.wantsOutside()) goOutside();
  return isOurs;
}

// Sleeps while arrivals gather, where users have asked for that: so long after the last ones, as long as that mostly
// brings several at once, and once in a while, to find out. False: it has not slept.
bool Turn::gather(int64_t now) {
  const int64_t length = glance(party_->gatherNs);
  if (length == 0 || lastIoWorkNs_ == 0 || (gathers_ <= 0 && parksSinceGather_ < kProbeEvery)) return false;
  const int64_t left = lastIoWorkNs_ + length - now;
  return left > 0 && epoll_.sleepBesideArrivals(uv_backend_fd(loop_), left, &party_->attention);
}

void Turn::noteGathered() {
  parksSinceGather_ = 0;
  gathers_ = std::clamp(gathers_ + (io_->eventCount() > 1 ? 1 : -kVainLook), -kVainLook, kMostLooks);
}

// Not if something else looks before each of libuv's sleeps, nor for a level, which sleeps in its own way.
bool Turn::mayBeInside() const {
  return state_->loopGuests == 0 && glance(party_->isLevel) == 0 && !epoll_.hasTakenWaker();
}

void Turn::goInside() {
  if (isInside_ || !mayBeInside()) return;
  uv_poll_stop(&pollHandle_);
  isInside_ = epoll_.watchLoop(uv_backend_fd(loop_));
  if (!isInside_) goOutside();  // no memory, or no room in the kernel's limit of watches
}

// From this pass of libuv on it looks at the reactor's epoll.
void Turn::goOutside() {
  vainLooks_ = 0;
  if (isInside_) epoll_.unwatchLoop(uv_backend_fd(loop_));
  isInside_ = false;
  nesting_.reset();
  watchInLibuv();
}

int Turn::watchInLibuv() {
  return uv_poll_start(&pollHandle_, UV_READABLE,
      [](uv_poll_t* handle, int, int) { static_cast<Turn*>(handle->data)->isSignalled_ = true; });
}

void Turn::onCheck() {
  if (isDead_) return;
  const bool hasSlept = isSleeping_;
  if (isSleeping_) {
    isSleeping_ = false;
    // park.attention: awake before the lanes are looked at below, so a later record needs no system call.
    store(party_->attention, int32_t(Attention::kAwake));
  }
  const bool isSignalled = isSignalled_;
  isSignalled_ = false;
  if (isSignalled || isInside_) epoll_.collect(io_.get(), &party_->wakes);
  now_ = nowNs();
  if (hasSlept) {
    party_->wokeNs = double(now_);
    nesting_.note(now_ - sleepFromNs_, isSignalled);
    if (nesting_.wantsInside()) goInside();
  }
  if (hasSlept && now_ >= wakeAtNs_) learnLead(now_ - wakeAtNs_);
  if (poll(now_)) {
    noteGap(now_);
    JavaScript javascript(*this);
    deliver(javascript);
  }
}

// The next deadline if it is so near that a sleep would end after it: it is waited for awake. 0: none is.
int64_t Turn::awaitedNs(int64_t now) {
  const int64_t deadline = timers_.isSettled() ? timers_.nextDeadlineNs() : TimerWheel::kNever;
  return deadline - leadNs() <= now ? deadline : 0;
}

// So long before a deadline a sleep should end.
int64_t Turn::leadNs() const { return leadNs_ + (glance(party_->isLevel) != 0 ? kWarmNs : 0); }

// The median of what waking takes: of two wake-ups one is in time, and then waits for as long as it is early.
void Turn::learnLead(int64_t lateNs) {
  if (glance(party_->isLevel) != 0) {
    leadNs_ += lateNs > leadNs_ ? 9 * kLevelLeadStepNs : -kLevelLeadStepNs;
    leadNs_ = std::clamp<int64_t>(leadNs_, 0, kMostLevelLeadNs);
    return;
  }
  leadNs_ += lateNs > leadNs_ ? kLeadStepNs : -kLeadStepNs;
  const int64_t most = glance(party_->isCpuShared) != 0 ? 0 : glance(party_->spinNs);
  leadNs_ = std::clamp<int64_t>(leadNs_, 0, std::min<int64_t>(kMostLeadNs, most));
}

// ---- What there is to do --------------------------------------------------------------------------------------------

// Fills the delivery; true when JavaScript has something to do.
bool Turn::poll(int64_t now) {
  layout::Delivery* delivery = memory_.delivery;
  party_->lookedNs = double(lookedNs_);
  lookedNs_ = now;
  bool hasWork = scanLanes() || delivery->hasMore != 0;
  if (io_) hasWork = pollIo() || hasWork;
  hasWork = timers_.poll(now) || hasWork;
  // stop.word: pairs with the runtime's store, which is followed by a wake.
  const int32_t stop = load(party_->stop);
  if (stop != seenStop_) {
    seenStop_ = stop;
    delivery->stop = stop;
    hasWork = true;
  }
  // park.yield: pairs with notify() and summon(); a lane may have room again, a peer may have died. Cleared before
  // JavaScript looks at anything, so a later request is not lost.
  if (load(party_->yieldRequested) != 0) {
    store(party_->yieldRequested, 0);
    delivery->isSummoned = 1;
  }
  if (delivery->isSummoned != 0) hasWork = true;
  return hasWork;
}

// What JavaScript asked for outside of a turn is done before the sleep; what did not fit into the last delivery
// follows.
bool Turn::pollIo() {
  if (io_->hasRequests()) io_->drain();
  if (io_->hasMore() && io_->hasRoom()) io_->collect();
  return io_->hasEvents();
}

bool Turn::scanLanes() {
  // Pairs with the add after a new lane's header is complete.
  const int32_t version = load(party_->lanesVersion);
  if (version != lanesVersion_) {
    lanesVersion_ = version;
    findLanes();
  }
  layout::Delivery* delivery = memory_.delivery;
  int32_t count = 0;
  for (const Lane& lane : lanes_) {
    // park.publish: pairs with the ring's flush(). The consumer's cursor is this thread's own.
    if (load(*lane.producerCursor) == *lane.consumerCursor || delivery->isMuted[lane.number]) continue;
    // The record's line comes from the other core: it is on its way while JavaScript is being called.
    const char* record = lane.records + (uint32_t(*lane.consumerCursor) & uint32_t(party_->laneBytes - 1));
    __builtin_prefetch(record);
    __builtin_prefetch(record + 32);
    delivery->lane[count++] = lane.number;
  }
  delivery->lanes = count;
  return count != 0;
}

void Turn::findLanes() {
  const int32_t parties = party_->parties, laneBytes = party_->laneBytes;
  lanes_.clear();
  for (int32_t from = 0; from < parties; from++) {
    const int32_t made =
        load(*reinterpret_cast<int32_t*>(memory_.inbox + sizeof(layout::Party) + size_t(from) * layout::kLineBytes));
    for (int32_t lane = 0; lane < layout::kLanesPerPeer; lane++) {
      if (!(made & (1 << lane))) continue;
      const auto* queue = reinterpret_cast<const layout::Queue*>(
          memory_.inbox + layout::laneOffset(size_t(parties), size_t(laneBytes), size_t(from), size_t(lane)));
      lanes_.push_back({&queue->producerCursor, &queue->consumerCursor, reinterpret_cast<const char*>(queue + 1),
          from * layout::kLanesPerPeer + lane});
    }
  }
}

// ---- Idle strategy -----------------------------------------------------------------------------------------------

// How long after the last lane work to spin. A wake for libuv's sake does not restart it.
int64_t Turn::spinWindowNs() {
  // Another thread that works has this CPU too: a spin would only keep it from what is waited for.
  if (glance(party_->isCpuShared) != 0) return 0;
  const int64_t limit = glance(party_->spinNs);
  switch (IdleStrategy(glance(party_->idleStrategy))) {
    case IdleStrategy::kSpin: return INT64_MAX;
    case IdleStrategy::kPark: return 0;
    case IdleStrategy::kBackoff: return limit * 2;
    case IdleStrategy::kAdaptive: break;
  }
  // Spin only where the next record is expected before the spin would end.
  if (gapNs_ < limit) return limit;
  return parksSinceProbe_ >= kProbeEvery ? limit : 0;
}

// Until when to look for arrivals after the last ones; 0: not at all. As long as looks mostly find something, and once
// in a while, to find out whether they would: two that answer each other at once then need not sleep in between. It is
// so short that it may be done on a CPU that others share as well: there it finds nothing, and ends by that.
int64_t Turn::lookUntilNs() {
  if (lastIoWorkNs_ == 0 || IdleStrategy(glance(party_->idleStrategy)) == IdleStrategy::kPark) return 0;
  if (looks_ <= 0 && parksSinceLook_ < kProbeEvery) return 0;
  if (gathers_ > 0 && glance(party_->gatherNs) != 0) return 0;
  return lastIoWorkNs_ + std::min<int64_t>(kIoLookNs, glance(party_->spinNs));
}

void Turn::noteLook(int worth) {
  isLooking_ = false;
  parksSinceLook_ = 0;
  looks_ = std::clamp(looks_ + worth, -kVainLook, kMostLooks);
}

// Learns the expected gap between lane work: a moving average over 8, each gap capped, so that one long silence does
// not count for ever.
void Turn::noteGap(int64_t now) {
  if (memory_.delivery->lanes == 0) return;
  const int64_t limit = glance(party_->spinNs);
  const int64_t gap = std::min(std::max<int64_t>(now - lastLaneWorkNs_, 0), limit * 4);
  // A probe that found work within its window is worth more than the silence before it.
  if (parksSinceProbe_ >= kProbeEvery) {
    parksSinceProbe_ = 0;
    if (gap < limit) gapNs_ = gap;
  }
  gapNs_ += (gap - gapNs_) / 8;
}

// ---- The one call into JavaScript ---------------------------------------------------------------------------------

// Calls JavaScript for a turn and, as long as it asks for the next one by itself, for those that follow in this pass of
// libuv. If this leaves the turn dead, nothing but libuv may be touched again (closed, or the environment is being
// terminated).
void Turn::deliver(JavaScript& javascript) {
  beginTurn();
  function_ = javascript.deliver();
  // The function is its own receiver: any object will do, and this one is at hand.
  const bool isAlive =
      function_ && settleCall(env_, napi_call_function(env_, function_, function_, 0, nullptr, nullptr));
  // It did not ask for the next one, or has thrown.
  if (isInTurn_) endTurn(isAlive);
  else if (!isAlive) isDead_ = isPassOver_ = true;
}

bool Turn::next() {
  if (!isInTurn_) return false;
  endTurn(true);
  if (isPassOver_ || !findWork()) return false;
  beginTurn();
  return true;
}

void Turn::beginTurn() {
  isInTurn_ = true;
  hadLanes_ = memory_.delivery->lanes != 0;
  hadIo_ = io_ && io_->hasEvents();
  passOver();
  party_->turns += 1;
  party_->beforeNs = party_->turnNs;
  party_->turnNs = double(now_);
}

// Says whether figures of tasks need the turn before this one: see src/reactor/watch.ts.
void Turn::passOver() {
  layout::Delivery* delivery = memory_.delivery;
  const bool isTold = isTurnUntold_ || delivery->tellNext != 0 || delivery->hasMore != 0;
  isTurnUntold_ = false;
  delivery->tellNext = 0;
  closeTurns_ = now_ - endedNs_ < kApartNs ? std::min(closeTurns_ + 1, kCloseTurns) : 0;
  hasPassedOver_ =
      !isTold && closeTurns_ == kCloseTurns && delivery->mayPassOver > 0 && delivery->tellLongNs != 0;
  if (hasPassedOver_) delivery->mayPassOver--;
  delivery->isPassedOver = hasPassedOver_;
}

// Something is counted and not told, and no turn has come for so long that none may.
bool Turn::mustTell() const { return hasPassedOver_ && now_ - endedNs_ >= kTellAfterNs; }

// `isAlive`: JavaScript may still be called. Leaves the time after the turn in `now_`.
void Turn::endTurn(bool isAlive) {
  layout::Delivery* delivery = memory_.delivery;
  const int64_t from = now_;
  isInTurn_ = false;
  // What the turn wrote is sent before anything else runs, and what promises and ticks wrote after them.
  if (io_ && io_->hasRequests()) io_->drain();
  // Promises and ticks run after the turn, in an empty callback scope, not in one around it: a peer that waits for what
  // the turn has published need not wait for the scope to be opened.
  napi_callback_scope callbackScope = nullptr;
  if (isAlive) isAlive = settleCall(env_, napi_open_callback_scope(env_, function_, context_, &callbackScope));
  if (callbackScope) isAlive = settleCall(env_, napi_close_callback_scope(env_, callbackScope)) && isAlive;
  if (io_ && io_->hasRequests()) io_->drain();
  if (!isAlive) isDead_ = true;
  if (isDead_) isPassOver_ = true;
  delivery->lanes = delivery->timers = 0;
  hasRun_ = true;
  now_ = nowNs();
  party_->busyNs += double(now_ - from);
  party_->endedNs = double(endedNs_ = now_);
  if (++turns_ == kBusyTurns) endNs_ = busyEndNs_;
  if (delivery->tellLongNs != 0 && now_ - from >= delivery->tellLongNs) isTurnUntold_ = true;
  if (hadLanes_) lastLaneWorkNs_ = now_;
  if (hadIo_) {
    if (isLooking_) noteLook(1);
    lastIoWorkNs_ = now_;
  }
}

// ---- Beginning and end -------------------------------------------------------------------------------------------

Turn::Turn(int64_t originNs) : originNs_(originNs), lastLaneWorkNs_(nowNs()) {}

Turn* Turn::create(napi_env env, TurnMemory memory, const napi_value (&views)[kViews], napi_value deliver, int eventFd,
    int64_t originNs) {
  std::unique_ptr<Turn> turn(new Turn(originNs));
  if (napi_get_uv_event_loop(env, &turn->loop_) != napi_ok) return errno = EINVAL, nullptr;
  if (!turn->epoll_.open(eventFd, turn->loop_)) return nullptr;
  turn->env_ = env;
  turn->memory_ = memory;
  turn->party_ = reinterpret_cast<layout::Party*>(memory.inbox);
  auto* counters = reinterpret_cast<layout::TimerCounters*>(turn->party_->timers);
  turn->timers_.attach(memory.delivery, memory.timerRequests, &counters->live);
  turn->state_ = stateOf(env);
  turn->gapNs_ = turn->party_->spinNs * 2;
  // The one handle of libuv that can be refused (no memory, no room in the kernel's limit of watches) comes first:
  // there is nothing to undo.
  if (const int code = uv_poll_init(turn->loop_, &turn->pollHandle_, turn->epoll_.fd()); code != 0)
    return errno = -code, nullptr;
  Turn* const made = turn.release();
  const int error = made->join(views, deliver);
  if (error == 0) return made;
  made->shutDown();
  return errno = error, nullptr;
}

// Everything after the first handle is in the loop: from here on the end of a turn is its close callbacks. 0 or errno.
int Turn::join(const napi_value (&views)[kViews], napi_value deliver) {
  uv_prepare_init(loop_, &prepare_);  // these three always succeed
  uv_check_init(loop_, &check_);
  uv_idle_init(loop_, &idle_);
  prepare_.data = check_.data = idle_.data = pollHandle_.data = this;
  // The prepare handle alone keeps the thread alive; an idle handle, though unreferenced, still prevents sleep.
  for (uv_handle_t* handle : {reinterpret_cast<uv_handle_t*>(&check_), reinterpret_cast<uv_handle_t*>(&idle_),
           reinterpret_cast<uv_handle_t*>(&pollHandle_)})
    uv_unref(handle);
  // Asynchronous: Node turns the loop until the hook is removed, so the close callbacks run on terminate() and
  // process.exit() too.
  if (napi_add_async_cleanup_hook(
          env_, [](napi_async_cleanup_hook_handle, void* data) { static_cast<Turn*>(data)->shutDown(); }, this,
          &hook_) != napi_ok)
    return ENOMEM;
  for (int i = 0; i < kViews; i++)
    if (napi_create_reference(env_, views[i], 1, &views_[i]) != napi_ok) return EINVAL;
  napi_value name = nullptr;
  if (napi_create_reference(env_, deliver, 1, &deliver_) != napi_ok) return EINVAL;
  if (napi_create_string_utf8(env_, "percore:turn", NAPI_AUTO_LENGTH, &name) != napi_ok ||
      napi_async_init(env_, nullptr, name, &context_) != napi_ok)
    return ENOMEM;
  int code = uv_prepare_start(&prepare_, [](uv_prepare_t* handle) { static_cast<Turn*>(handle->data)->onPrepare(); });
  if (code == 0)
    code = uv_check_start(&check_, [](uv_check_t* handle) { static_cast<Turn*>(handle->data)->onCheck(); });
  if (code == 0) code = watchInLibuv();
  return -code;
}

IoSource* Turn::openIo(bool isUring, const IoMemory& memory, const napi_value (&views)[kIoViews], int* error) {
  if (io_ || isDead_) return *error = EBUSY, nullptr;
  io_ = isUring ? openUringIo(memory, state_, epoll_.fd(), error) : openEpollIo(memory, state_, epoll_.fd());
  if (!io_) return nullptr;
  for (int i = 0; i < kIoViews; i++) {
    if (napi_create_reference(env_, views[i], 1, &ioViews_[i]) == napi_ok) continue;
    io_.reset();
    return *error = EINVAL, nullptr;
  }
  return io_.get();
}

void Turn::setRef(bool isReferenced) {
  auto* handle = reinterpret_cast<uv_handle_t*>(&prepare_);
  if (isReferenced) uv_ref(handle);
  else uv_unref(handle);
}

void Turn::shutDown() {
  if (openHandles_ != 0) return;  // stop and teardown may both come
  isDead_ = true;
  store(party_->attention, int32_t(Attention::kAwake));
  if (isInside_) epoll_.unwatchLoop(uv_backend_fd(loop_));
  isInside_ = false;
  endBell();
  for (uv_handle_t* handle : {reinterpret_cast<uv_handle_t*>(&prepare_), reinterpret_cast<uv_handle_t*>(&check_),
           reinterpret_cast<uv_handle_t*>(&idle_), reinterpret_cast<uv_handle_t*>(&pollHandle_)}) {
    openHandles_++;
    uv_close(handle, onClosed);
  }
  epoll_.leaveLoop();
}

void Turn::onClosed(uv_handle_t* handle) {
  Turn* turn = static_cast<Turn*>(handle->data);
  if (--turn->openHandles_ == 0) turn->close();
}

// After the last close callback: libuv's epoll no longer holds the nested one, and nothing points here.
void Turn::close() {
  io_.reset();
  reinterpret_cast<layout::TimerCounters*>(party_->timers)->live = 0;
  epoll_.close();
  state_->closeAllOwned();
  napi_handle_scope scope = nullptr;
  napi_open_handle_scope(env_, &scope);
  if (deliver_) napi_delete_reference(env_, deliver_);
  for (napi_ref reference : views_)
    if (reference) napi_delete_reference(env_, reference);
  for (napi_ref reference : ioViews_)
    if (reference) napi_delete_reference(env_, reference);
  timerRecords_.release(env_);
  if (context_) napi_async_destroy(env_, context_);
  if (scope) napi_close_handle_scope(env_, scope);
  if (handle) *handle = nullptr;
  if (hook_) napi_remove_async_cleanup_hook(hook_);  // from here on Node may tear the loop down
  delete this;
}

}  // namespace percore
