// The turn, for JavaScript. Typed in src/native/.
#include "bindings.h"
#include "handle.h"
#include "io_binding.h"
#include "napi_args.h"
#include "turn.h"
#include "waker.h"

namespace percore {

static Turn* turnOf(napi_env env, napi_value handle) { return ofHandle<Turn>(env, handle); }

// turns.create({ inbox, delivery, timerRequests, deliver, eventFd, originNs }) -> handle
static Napi::Value createTurn(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  if (!info[0].IsObject()) return throwSystemError(env, EINVAL, "createTurn", "options");
  Napi::Object options = info[0].As<Napi::Object>();
  const char* names[Turn::kViews] = {"inbox", "delivery", "timerRequests"};
  const size_t least[Turn::kViews] = {sizeof(layout::Party), sizeof(layout::Delivery), sizeof(layout::TimerRequests)};
  napi_value views[Turn::kViews] = {};
  void* data[Turn::kViews] = {};
  for (int i = 0; i < Turn::kViews; i++) {
    views[i] = options.Get(names[i]);
    napi_typedarray_type type;
    size_t length = 0;
    if (!views[i] || napi_get_typedarray_info(env, views[i], &type, &length, &data[i], nullptr, nullptr) != napi_ok)
      return throwSystemError(env, EINVAL, "createTurn", names[i]);
    const size_t width = type == napi_float64_array ? 8 : type == napi_int32_array ? 4 : 1;
    if (length * width < least[i]) return throwSystemError(env, EINVAL, "createTurn", names[i]);
  }
  Napi::Value deliver = options.Get("deliver");
  const double eventFd = options.Get("eventFd").ToNumber().DoubleValue();
  const int64_t originNs = int64Of(env, options.Get("originNs"));
  if (!deliver.IsFunction()) return throwSystemError(env, EINVAL, "createTurn", "deliver");
  // A number that is no eventfd of ours, NaN or 0 say, would have somebody else's file watched.
  if (!(eventFd >= 0 && eventFd <= INT32_MAX) || !isWaker(int(eventFd)))
    return throwSystemError(env, EBADF, "createTurn", "eventFd");
  // Not bounded by 2^53: a machine that has run for 105 days, or a time namespace, is beyond it. Deadlines are added,
  // up to 2^62 of them.
  if (originNs < 0 || originNs > int64_t(1) << 62) return throwSystemError(env, EINVAL, "createTurn", "originNs");
  TurnMemory memory{
      static_cast<char*>(data[0]), static_cast<layout::Delivery*>(data[1]), static_cast<double*>(data[2])};
  Turn* turn = Turn::create(env, memory, views, deliver, int(eventFd), originNs);
  if (!turn) return throwSystemError(env, errno, "createTurn");
  return Napi::Value(env, makeHandle(env, turn));
}

// turns.next(turn) -> whether to run another turn; for `deliver` alone
static napi_value nextTurn(napi_env env, napi_callback_info info) {
  RawArgs<1> args(env, info);
  Turn* turn = turnOf(env, args.value[0]);
  return args.truth(turn && turn->next());
}

static napi_value stopTurn(napi_env env, napi_callback_info info) {
  if (Turn* turn = turnOf(env, RawArgs<1>(env, info).value[0])) turn->shutDown();
  return nullptr;
}

static napi_value setTurnRef(napi_env env, napi_callback_info info) {
  RawArgs<2> args(env, info);
  if (Turn* turn = turnOf(env, args.value[0])) turn->setRef(args.boolean(1));
  return nullptr;
}

// threads.isLoopAlive() -> whether something referenced keeps this thread's loop going
static napi_value isLoopAlive(napi_env env, napi_callback_info) {
  uv_loop_t* loop = nullptr;
  napi_value result = nullptr;
  napi_get_boolean(env, napi_get_uv_event_loop(env, &loop) != napi_ok || uv_loop_alive(loop) != 0, &result);
  return result;
}

static napi_value drainTimerRequests(napi_env env, napi_callback_info info) {
  if (Turn* turn = turnOf(env, RawArgs<1>(env, info).value[0])) turn->drainTimerRequests();
  return nullptr;
}

// turns.shareTimers(turn, index, records)
static napi_value shareTimerRecords(napi_env env, napi_callback_info info) {
  RawArgs<3> args(env, info);
  if (Turn* turn = turnOf(env, args.value[0])) turn->shareTimerRecords(args.int32(1), args.value[2]);
  return nullptr;
}

// turns.openSource(turn, isUring, block, pool, outbox, counters) -> handle, or -errno
static napi_value openIo(napi_env env, napi_callback_info info) {
  RawArgs<6> args(env, info);
  Turn* turn = turnOf(env, args.value[0]);
  IoMemory memory;
  if (!turn || !readIoMemory(args, 2, &memory)) return args.integer(-EINVAL);
  int error = 0;
  IoSource* io =
      turn->openIo(args.boolean(1), memory, {args.value[2], args.value[3], args.value[4], args.value[5]}, &error);
  return io ? makeHandle(env, io) : args.integer(-error);
}

void exportTurn(Napi::Env env, Napi::Object exports) {
  Group turns(env, exports, "turns");
  Group threads(env, exports, "threads");
  turns.add("create", Napi::Function::New(env, createTurn));
  turns.addRaw("next", nextTurn);
  turns.addRaw("stop", stopTurn);
  turns.addRaw("setReferenced", setTurnRef);
  threads.addRaw("isLoopAlive", isLoopAlive);
  turns.addRaw("drainTimers", drainTimerRequests);
  turns.addRaw("shareTimers", shareTimerRecords);
  turns.addRaw("openSource", openIo);
}

}  // namespace percore
