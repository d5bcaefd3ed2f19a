// The functions of the group `traces`: events of the scheduler, taken by threads. Typed in src/native/traces.ts.
#include <cstring>
#include <string>

#include "bindings.h"
#include "handle.h"
#include "kernel_trace.h"
#include "napi_args.h"
#include "page_watch.h"

namespace percore {

// What a round answers in front of its notes.
constexpr size_t kRoundWords = 5;

static std::string textOf(const ThreadName& name) {
  const auto* bytes = reinterpret_cast<const char*>(name.words);
  return {bytes, strnlen(bytes, sizeof name.words)};
}

// traces.create(places, zeroHigh, zeroLow) -> handle, or -errno
static napi_value createTrace(napi_env env, napi_callback_info info) {
  RawArgs<3> args(env, info);
  int32_t* words = nullptr;
  size_t length = 0;
  const int64_t high = args.int64(1), low = args.int64(2);
  TracePlaces places;
  if (!args.words(0, &words, &length) || length != TracePlaces::kCount || high < 0 || high > INT32_MAX || low < 0 ||
      low > UINT32_MAX)
    return args.integer(-EINVAL);
  memcpy(&places, words, sizeof places);
  if (!places.isSound()) return args.integer(-EINVAL);
  return makeHandle(env, new KernelTrace(places, (high << 32) | low));
}

// traces.addCpu(trace, cpu, fd, isUrgent, isMapped) -> 1 when its pages are mapped, 0 when they are read, or -errno
static napi_value addCpu(napi_env env, napi_callback_info info) {
  RawArgs<5> args(env, info);
  KernelTrace* const trace = ofHandle<KernelTrace>(env, args.value[0]);
  if (!trace) return args.integer(-EBADF);
  if (args.int32(1) < 0 || args.int32(2) < 0) return args.integer(-EINVAL);
  return args.integer(trace->addCpu(args.int32(1), args.int32(2), args.boolean(3), args.boolean(4)));
}

// traces.close(trace)
static napi_value closeTrace(napi_env env, napi_callback_info info) {
  RawArgs<1> args(env, info);
  if (KernelTrace* const trace = ofHandle<KernelTrace>(env, args.value[0])) trace->close();
  return nullptr;
}

// traces.follow(trace, tid, name) -> its slot, or -errno
static napi_value followThread(napi_env env, napi_callback_info info) {
  RawArgs<3> args(env, info);
  KernelTrace* const trace = ofHandle<KernelTrace>(env, args.value[0]);
  if (!trace) return args.integer(-EBADF);
  if (args.int32(1) < 1) return args.integer(-EINVAL);
  char name[16] = {};
  const std::string text = textOf(env, args.value[2]);
  memcpy(name, text.data(), std::min(text.size(), sizeof name - 1));
  return args.integer(trace->follow(args.int32(1), ThreadName::at(name)));
}

// traces.drop(trace, slot)
static napi_value dropThread(napi_env env, napi_callback_info info) {
  RawArgs<2> args(env, info);
  if (KernelTrace* const trace = ofHandle<KernelTrace>(env, args.value[0])) trace->drop(args.int32(1));
  return nullptr;
}

static FigureRecord* figureOf(napi_env env, napi_value handle, int32_t slot, int32_t figure) {
  KernelTrace* const trace = ofHandle<KernelTrace>(env, handle);
  FollowedThread* const thread = trace ? trace->threadAt(slot) : nullptr;
  return thread && figure >= 0 && figure < kFigures ? &thread->figures[figure] : nullptr;
}

// traces.setBound(trace, slot, figure, ns) -> 0 or -errno
static napi_value setBound(napi_env env, napi_callback_info info) {
  RawArgs<4> args(env, info);
  FigureRecord* const record = figureOf(env, args.value[0], args.int32(1), args.int32(2));
  if (!record) return args.integer(-EBADF);
  const double ns = args.number(3, NAN);
  if (!(ns >= 0)) return args.integer(-EINVAL);
  record->setBound(ns < double(int64_t(1) << 53) ? int64_t(ns) : FigureRecord::kNoBound);
  return args.integer(0);
}

// traces.round(trace, untilNs, isMore, words) -> 0, 1 when it is to go on, or -errno
static napi_value takeRound(napi_env env, napi_callback_info info) {
  RawArgs<4> args(env, info);
  KernelTrace* const trace = ofHandle<KernelTrace>(env, args.value[0]);
  if (!trace) return args.integer(-EBADF);
  int32_t* words = nullptr;
  size_t length = 0;
  const double untilNs = args.number(1, NAN);
  if (!args.words(3, &words, &length) || length < kRoundWords + 3 || !(untilNs >= -double(int64_t(1) << 53)))
    return args.integer(-EINVAL);
  // Infinity: all that there is.
  const int64_t until = untilNs < double(int64_t(1) << 53) ? int64_t(untilNs) : CpuEvents::kNever;
  const KernelTrace::Round round =
      trace->round(until, words + kRoundWords, length - kRoundWords, args.boolean(2));
  words[0] = int32_t(round.notes);
  words[1] = round.pages;
  words[2] = round.hadHole;
  words[3] = round.error;
  words[4] = round.isUrgent;
  return args.integer(round.isCut ? 1 : 0);
}

static PageWatch* pageWatchOf(napi_env env, napi_value handle) {
  return static_cast<PageWatch*>(ofHandle<LoopGuest, PageWatch>(env, handle));
}

// traces.watch(fds, onReady) -> handle, or -errno
static napi_value watchPages(napi_env env, napi_callback_info info) {
  RawArgs<2> args(env, info);
  int32_t* fds = nullptr;
  size_t count = 0;
  napi_valuetype type = napi_undefined;
  napi_typeof(env, args.value[1], &type);
  if (!args.words(0, &fds, &count) || type != napi_function) return args.integer(-EINVAL);
  int error = 0;
  PageWatch* const watch = PageWatch::open(env, fds, count, args.value[1], &error);
  return watch ? makeHandle<LoopGuest, PageWatch>(env, watch) : args.integer(error);
}

// traces.takeRounds(watch, trace, leastPages, restNs, settledNs, lookEachNs) -> 0 or -errno
static napi_value takeRounds(napi_env env, napi_callback_info info) {
  RawArgs<6> args(env, info);
  PageWatch* const watch = pageWatchOf(env, args.value[0]);
  KernelTrace* const trace = ofHandle<KernelTrace>(env, args.value[1]);
  if (!watch || !trace) return args.integer(-EBADF);
  const AloneRounds limits = {args.int32(2), args.int64(3), args.int64(4)};
  if (limits.leastPages < 1 || limits.restNs < 0 || limits.settledNs < 0) return args.integer(-EINVAL);
  const int64_t lookEachNs = args.int64(5);
  return args.integer(lookEachNs < 0 ? -EINVAL : watch->takeRoundsOf(trace, args.value[1], limits, lookEachNs));
}

// traces.arm(watch, isAlone) -> 0 or -errno
static napi_value armWatch(napi_env env, napi_callback_info info) {
  RawArgs<2> args(env, info);
  PageWatch* const watch = pageWatchOf(env, args.value[0]);
  return args.integer(watch ? watch->arm(args.boolean(1)) : -EBADF);
}

// traces.unwatch(watch)
static napi_value unwatchPages(napi_env env, napi_callback_info info) {
  RawArgs<1> args(env, info);
  if (PageWatch* const watch = pageWatchOf(env, args.value[0])) watch->shutDown();
  return nullptr;
}

// traces.roundAt(trace) -> when the last round ended, since zero
static napi_value roundAt(napi_env env, napi_callback_info info) {
  RawArgs<1> args(env, info);
  const KernelTrace* const trace = ofHandle<KernelTrace>(env, args.value[0]);
  return args.real(trace ? double(trace->roundAtNs) : 0);
}

// traces.count(trace) -> events taken so far
static napi_value countEvents(napi_env env, napi_callback_info info) {
  RawArgs<1> args(env, info);
  const KernelTrace* const trace = ofHandle<KernelTrace>(env, args.value[0]);
  return args.real(trace ? double(trace->count) : 0);
}

// traces.mappedCount(trace) -> of these, those of mapped pages
static napi_value countMapped(napi_env env, napi_callback_info info) {
  RawArgs<1> args(env, info);
  const KernelTrace* const trace = ofHandle<KernelTrace>(env, args.value[0]);
  return args.real(trace ? double(trace->mappedCount()) : 0);
}

// traces.nameOf(trace, slot) -> the thread's name as it was last seen
static napi_value nameOfThread(napi_env env, napi_callback_info info) {
  RawArgs<2> args(env, info);
  KernelTrace* const trace = ofHandle<KernelTrace>(env, args.value[0]);
  const FollowedThread* const thread = trace ? trace->threadAt(args.int32(1)) : nullptr;
  const std::string name = thread ? textOf(thread->name) : "";
  napi_value out = nullptr;
  napi_create_string_utf8(env, name.data(), name.size(), &out);
  return out;
}

static Napi::Value eventOf(Napi::Env env, const Worst::Event& event) {
  static constexpr const char* kNames[] = {
      "sched_waking", "sched_switch", "irq_handler_entry", "irq_handler_exit"};
  Napi::Object made = Napi::Object::New(env);
  const auto number = [&made](const char* name, double value) { made.Set(name, value); };
  made.Set("event", kNames[int(event.kind)]);
  number("ns", double(event.ns));
  number("cpu", event.cpu);
  const bool isWaking = event.kind == TraceEventKind::kWaking, isSwitch = event.kind == TraceEventKind::kSwitch;
  number("wakeCpu", isWaking ? event.target : -1);
  number("prevPid", event.prev.pid);
  number("prevPriority", event.prev.priority);
  made.Set("prevName", textOf(event.prev.name));
  made.Set("isPreemption", (event.leaving & kPreemption) != 0);
  made.Set("isVoluntary", (event.leaving & kVoluntary) != 0);
  number("nextPid", event.next.pid);
  number("nextPriority", event.next.priority);
  made.Set("nextName", textOf(event.next.name));
  number("irq", isWaking || isSwitch ? -1 : event.target);
  return made;
}

// traces.figure(trace, slot, figure, histogram) -> { count, violations, worst? }, or undefined
static Napi::Value readFigure(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  const FigureRecord* const record = figureOf(env, info[0], int32Of(env, info[1]), int32Of(env, info[2]));
  void* numbers = nullptr;
  size_t length = 0;
  if (!record || !arrayOf(env, info[3], napi_float64_array, &numbers, &length) || length != FigureRecord::kNumbers)
    return env.Undefined();
  Napi::Object figure = Napi::Object::New(env);
  figure.Set("count", double(record->read(static_cast<double*>(numbers))));
  figure.Set("violations", double(record->violations()));
  if (const Worst* const worst = record->worst()) {
    Napi::Object told = Napi::Object::New(env);
    Napi::Array events = Napi::Array::New(env, worst->count);
    for (uint32_t i = 0; i < worst->count; i++) events.Set(i, eventOf(env, worst->events[i]));
    told.Set("beganNs", double(worst->beganNs));
    told.Set("events", events);
    told.Set("leftOut", double(worst->leftOut));
    figure.Set("worst", told);
  }
  return figure;
}

void exportTraces(Napi::Env env, Napi::Object exports) {
  Group traces(env, exports, "traces");
  traces.addRaw("create", createTrace);
  traces.addRaw("addCpu", addCpu);
  traces.addRaw("close", closeTrace);
  traces.addRaw("follow", followThread);
  traces.addRaw("drop", dropThread);
  traces.addRaw("setBound", setBound);
  traces.addRaw("round", takeRound);
  traces.addRaw("watch", watchPages);
  traces.addRaw("takeRounds", takeRounds);
  traces.addRaw("arm", armWatch);
  traces.addRaw("unwatch", unwatchPages);
  traces.addRaw("roundAt", roundAt);
  traces.addRaw("count", countEvents);
  traces.addRaw("mappedCount", countMapped);
  traces.addRaw("nameOf", nameOfThread);
  traces.add("figure", Napi::Function::New(env, readFigure));
}

}  // namespace percore
