// One turn of a reactor, as a guest of libuv. Read `onPrepare` first: it is the whole loop.
//
//   a pass of libuv:   timers -> prepare -> libuv's epoll -> check -> ...
//                                  |                          └ unpark, deliver
//                                  └ poll, deliver, spin; or say "parked"
//
// libuv stays in charge, so fetch, fs, promises and the inspector work unchanged. The reactor's own epoll is nested in
// libuv's by one uv_poll, or libuv's in the reactor's, which then sleeps in prepare: nesting.h says when. Nothing
// here runs JavaScript except `deliver`, once a turn.
//
// | pair           | write side          | read side              | carries              | needs                     |
// |----------------|---------------------|------------------------|----------------------|---------------------------|
// | park.attention | `announce` here     | notify() in parking.ts | "I may sleep"        | sequential, both ends     |
// | park.publish   | flush() of the ring | `poll` here            | "there is a record"  | sequential, both ends     |
// | park.yield     | notify(), summon()  | `poll` here            | "look at everything" | a hint; relaxed would do  |
// | ring.publish   | flush() of the ring | look() in JavaScript   | the record's bytes   | acquired there, not here  |
// | stop.word      | the runtime         | `poll` here            | "drain", "leave"     | sequential with park      |
//
// "Sequential" is sequentially consistent.
//
// Why promises run after the turn: docs/decisions/2026-11-21-promises-after-the-turn.md.
// Sources: the idle strategies of Agrona; Dekker's algorithm for the handshake; libuv's design overview, "The I/O
// loop".
#pragma once
#include <node_api.h>
#include <uv.h>

#include <cstdint>
#include <memory>
#include <vector>

#include "addon_state.h"
#include "thread_epoll.h"
#include "io_source.h"
#include "layout.h"
#include "level_rest.h"
#include "loop_bell.h"
#include "nesting.h"
#include "timer_records.h"
#include "timer_exchange.h"

namespace percore {

// What JavaScript hands over. Views are kept alive by references as long as the pointers are used.
struct TurnMemory {
  char* inbox = nullptr;  // a Party block first
  layout::Delivery* delivery = nullptr;
  double* timerRequests = nullptr;
};

class Turn {
 public:
  static constexpr int kViews = 3, kIoViews = 4;

  // Null, with errno set, when a descriptor or something of libuv is refused. `views` are the typed arrays behind
  // `memory`.
  static Turn* create(napi_env env, TurnMemory memory, const napi_value (&views)[kViews], napi_value deliver,
      int eventFd, int64_t originNs);

  // Ends the turn; all is freed after libuv's close callbacks. May be called from inside `deliver`, and twice.
  void shutDown();
  // For JavaScript within `deliver`, once it has run a turn: waits for the next one, so that it need not be called
  // anew. A call into JavaScript takes five times as long as a return to it. False: `deliver` must return.
  bool next();
  // Keeps the thread's loop alive (true, at first) or not.
  void setRef(bool isReferenced);
  // Hands the wheel what JavaScript asked for; for a caller whose request array is full.
  void drainTimerRequests() { timers_.drain(); }
  void shareTimerRecords(int32_t index, napi_value view) { timerRecords_.share(env_, timers_, index, view); }
  // Gives the turn its I/O source; it lives as long as the turn does.
  IoSource* openIo(bool isUring, const IoMemory& memory, const napi_value (&views)[kIoViews], int* error);
  AddonState* state() { return state_; }
  // Where the turn's JavaScript handle keeps its pointer here; cleared when the turn is gone.
  Turn** handle = nullptr;

 private:
  struct Lane {
    const int32_t* producerCursor;
    const int32_t* consumerCursor;
    const char* records;
    int32_t number;
  };

  // Handles for calls into JavaScript, opened with the first of a pass of libuv: a pass may hold dozens of turns.
  class JavaScript {
   public:
    explicit JavaScript(const Turn& turn) : turn_(turn) {}
    ~JavaScript() {
      if (scope_) napi_close_handle_scope(turn_.env_, scope_);
    }
    // The function to call; null when the environment is being terminated.
    napi_value deliver() {
      if (!scope_ && napi_open_handle_scope(turn_.env_, &scope_) == napi_ok)
        napi_get_reference_value(turn_.env_, turn_.deliver_, &function_);
      return function_;
    }

   private:
    const Turn& turn_;
    napi_handle_scope scope_ = nullptr;
    napi_value function_ = nullptr;
  };

  explicit Turn(int64_t originNs);
  int join(const napi_value (&views)[kViews], napi_value deliver);
  void onPrepare();
  void onCheck();
  bool poll(int64_t now);
  bool isLibuvIdle();
  bool isNothingReady();
  void listenToBell();
  void endBell();
  bool pollIo();
  bool scanLanes();
  void findLanes();
  void beginInterval(int64_t now);
  bool goOn();
  bool findWork();
  void deliver(JavaScript& javascript);
  void beginTurn();
  void passOver();
  bool mustTell() const;
  void endTurn(bool isAlive);
  bool announce(int64_t now);
  bool park(int64_t now);
  bool sleepInside(int64_t now);
  bool mayBeInside() const;
  bool gather(int64_t now);
  void noteGathered();
  void goInside();
  void goOutside();
  int watchInLibuv();
  bool sleepHere();
  void restIfDue(int64_t* now);
  bool restOnce(int64_t* now);
  int64_t spinWindowNs();
  int64_t awaitedNs(int64_t now);
  int64_t leadNs() const;
  void learnLead(int64_t lateNs);
  void noteGap(int64_t now);
  int64_t lookUntilNs();
  void noteLook(int worth);
  int64_t nowNs() const;
  void close();
  static void onClosed(uv_handle_t* handle);

  napi_env env_ = nullptr;
  napi_ref deliver_ = nullptr, views_[kViews] = {}, ioViews_[kIoViews] = {};
  napi_value function_ = nullptr;  // what `deliver_` refers to, while it is being called
  napi_async_context context_ = nullptr;
  napi_async_cleanup_hook_handle hook_ = nullptr;
  uv_loop_t* loop_ = nullptr;
  uv_poll_t pollHandle_{};
  uv_prepare_t prepare_{};
  uv_check_t check_{};
  uv_idle_t idle_{};
  int openHandles_ = 0;

  layout::Party* party_ = nullptr;
  TurnMemory memory_;
  AddonState* state_ = nullptr;
  ThreadEpoll epoll_;
  std::unique_ptr<IoSource> io_;
  std::vector<Lane> lanes_;
  int32_t lanesVersion_ = 0;
  int64_t originNs_;
  TimerExchange timers_;
  TimerRecords timerRecords_;
  // Of this pass of libuv: the time of the last look; when its interval ends if it spins, and if it is busy; turns in
  // this interval, intervals in which libuv would have found nothing, and sleeps of a level.
  int64_t now_ = 0, endNs_ = 0, busyEndNs_ = 0;
  int turns_ = 0, spared_ = 0, sleeps_ = 0;
  bool isPassOver_ = true;
  bool hasRun_ = false;  // a turn since the last look for work
  bool isInTurn_ = false, hadLanes_ = false, hadIo_ = false;
  int64_t lastLaneWorkNs_;
  int64_t lookedNs_ = 0;
  bool isTurnUntold_ = false;
  // Of turns that figures pass over: when the last turn ended, how many have begun soon after the one before, and
  // whether there is something that is not told.
  int64_t endedNs_ = 0;
  int closeTurns_ = 0;
  bool hasPassedOver_ = false;
  int64_t wakeAtNs_ = INT64_MAX;  // when the sleep should end for a timer
  int64_t leadNs_ = 0;            // so long before its deadline, and for a level earlier still
  int64_t gapNs_ = 0;             // expected nanoseconds from the end of lane work to the next
  uint32_t parksSinceProbe_ = 0;
  int64_t lastIoWorkNs_ = 0;     // the end of the last turn with arrivals; 0: there was none
  uint32_t parksSinceLook_ = 0;  // since a look at arrivals has ended
  int looks_ = 0;                // above 0: the last looks have mostly found something
  int32_t seenStop_ = 0;
  uint32_t parksSinceGather_ = 0;  // since a sleep in which arrivals gathered
  int gathers_ = 0;                // above 0: the last such sleeps have mostly brought several
  bool isLooking_ = false;
  bool isSignalled_ = false, isSleeping_ = false, isDead_ = false;
  LevelRest rest_;
  Nesting nesting_;
  LoopBell bell_;
  bool isQuiet_ = false;  // libuv's epoll had nothing, and the bell has not rung since
  int vainLooks_ = 0;     // at libuv, since the last sleep
  bool isInside_ = false;
  int64_t sleepFromNs_ = 0;
  bool isCold_ = false;  // a level has woken for a timer and not yet run a turn
  bool isRung_ = false;  // a level was woken by its eventfd, which still says so
};

}  // namespace percore
