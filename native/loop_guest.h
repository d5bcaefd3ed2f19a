// A guest of the thread's libuv loop, such as the timers and the I/O of a thread without a reactor: it looks before
// each sleep, watches one descriptor, and calls one JavaScript function for everything that has happened.
//
//   libuv's pass:  ... -> onPrepare (do what is due; may libuv sleep?) -> libuv's epoll -> onReadable -> ...
//
//   create ──start──> in the loop ──shutDown──> leaving ──libuv's close callbacks──> gone
//     └── never started: for a caller that polls by hand; gone with its handle
//
// A reactor's turn is not such a guest: it spins, parks and has a check of its own (turn.h). Source: libuv's design
// overview, "The I/O loop".
#pragma once
#include <node_api.h>
#include <uv.h>

#include <vector>

namespace percore {

class LoopGuest {
 public:
  LoopGuest(const LoopGuest&) = delete;
  LoopGuest& operator=(const LoopGuest&) = delete;
  virtual ~LoopGuest();

  // Says whether to keep the thread's loop alive (at first: no).
  void setRef(bool isReferenced);
  // Leaves the loop; everything is freed after libuv's close callbacks. May be called from inside `deliver`, and twice.
  virtual void shutDown();

  // See handle.h: one that is in the loop lives until its close callbacks.
  void whenCollected() {
    if (!isStarted()) delete this;
  }
  LoopGuest** handle = nullptr;

 protected:
  explicit LoopGuest(napi_env env) : env_(env) {}
  // Keeps a typed array alive as long as this lives.
  void hold(napi_value view);
  // Joins the thread's loop; `name` is what async hooks see. 0, or -errno with nothing left in the loop.
  int start(const char* name, int fd, napi_value deliver);
  bool isStarted() const { return hook_ != nullptr; }

  // Before libuv sleeps.
  virtual void onPrepare() = 0;
  // The descriptor is readable.
  virtual void onReadable() = 0;
  // The one call into JavaScript. False: touch nothing any more (it is closed, or the environment is being terminated).
  bool deliver();
  // Whether libuv passes without sleeping, until told otherwise.
  void keepAwake(bool isBusy);

  const napi_env env_;
  bool isDead_ = false;

 private:
  template <class Do>
  void forEachHandle(Do what);
  static void onClosed(uv_handle_t* handle);

  napi_ref deliver_ = nullptr;
  std::vector<napi_ref> views_;
  napi_async_context context_ = nullptr;
  napi_async_cleanup_hook_handle hook_ = nullptr;
  uv_poll_t poll_{};
  uv_prepare_t prepare_{};
  uv_idle_t idle_{};
  int openHandles_ = 0;
};

}  // namespace percore
