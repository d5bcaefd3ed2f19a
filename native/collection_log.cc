// The functions of the group `collections`: a log of this thread's garbage collections, which V8 tells of as they begin
// and end. Node's own way, an observer of performance entries, costs 0.1 ms for each collection: it makes an entry, an
// immediate and two calls of JavaScript. This costs two readings of the clock.
#include "bindings.h"
#include "clock.h"
#include "handle.h"
#include "isolate_stack.h"
#include "napi_args.h"

namespace percore {

namespace {

// The Float64Array that both sides know; the other is src/scheduling/collection-log.ts. It begins with the number of
// collections so far; each has a place of kWords after it: when it began and ended, relative to originNs, and its kind.
enum Place { kBeganNs, kEndedNs, kKind, kWords };

class CollectionLog {
 public:
  CollectionLog(napi_env env, void* isolate, double* numbers, size_t places, int64_t originNs)
      : env_(env), isolate_(isolate), numbers_(numbers), places_(places), originNs_(originNs) {}
  ~CollectionLog() {
    if (view_) {
      unwatchCollections(isolate_, onBegin, onEnd, this);
      napi_remove_env_cleanup_hook(env_, onEnvironmentEnd, this);
      napi_delete_reference(env_, view_);
    }
    if (handle) *handle = nullptr;
  }

  bool start(napi_value view) {
    if (napi_create_reference(env_, view, 1, &view_) != napi_ok) return false;
    napi_add_env_cleanup_hook(env_, onEnvironmentEnd, this);
    watchCollections(isolate_, kAllCollections, onBegin, onEnd, this);
    return true;
  }
  void whenCollected() { delete this; }
  // Where the JavaScript handle keeps its pointer here.
  CollectionLog** handle = nullptr;

 private:
  static void onEnvironmentEnd(void* data) { delete static_cast<CollectionLog*>(data); }

  static void onBegin(void*, int, int, void* data) {
    CollectionLog& log = *static_cast<CollectionLog*>(data);
    // Some contain others, which count as one.
    if (log.depth_++ == 0) log.beganNs_ = monotonicNs();
  }

  static void onEnd(void*, int kind, int, void* data) {
    CollectionLog& log = *static_cast<CollectionLog*>(data);
    // The log may have been begun amid one.
    if (log.depth_ == 0 || --log.depth_ != 0) return;
    double& count = log.numbers_[0];
    double* place = log.numbers_ + 1 + size_t(count) % log.places_ * kWords;
    place[kBeganNs] = double(log.beganNs_ - log.originNs_);
    place[kEndedNs] = double(monotonicNs() - log.originNs_);
    place[kKind] = kind;
    count += 1;
  }

  napi_env env_;
  void* isolate_;
  double* numbers_;
  size_t places_;
  int64_t originNs_;
  napi_ref view_ = nullptr;
  int depth_ = 0;
  int64_t beganNs_ = 0;
};

// collections.open(numbers, originNs) -> a handle, or -errno
napi_value openLog(napi_env env, napi_callback_info info) {
  const RawArgs<2> args(env, info);
  double* numbers = nullptr;
  size_t length = 0;
  if (!args.numbers(0, &numbers, &length) || length < 1 + kWords) return args.integer(-EINVAL);
  void* const isolate = currentIsolate();
  if (!isolate) return args.integer(-ENOSYS);
  auto* log = new CollectionLog(env, isolate, numbers, (length - 1) / kWords, args.int64(1, 0));
  napi_value handle = makeHandle(env, log);
  if (handle && log->start(args.value[0])) return handle;
  delete log;
  return args.integer(-ENOMEM);
}

// collections.close(handle)
napi_value closeLog(napi_env env, napi_callback_info info) {
  const RawArgs<1> args(env, info);
  delete ofHandle<CollectionLog>(env, args.value[0]);
  return nullptr;
}

}  // namespace

void exportCollections(Napi::Env env, Napi::Object exports) {
  Group collections(env, exports, "collections");
  collections.addRaw("open", openLog);
  collections.addRaw("close", closeLog);
}

}  // namespace percore
