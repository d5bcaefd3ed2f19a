// The I/O of a thread that is not a reactor: its source and, unless somebody polls it by hand, a guest of the thread's libuv loop.
//
//   libuv's pass:  ... -> prepare (do what was requested; run what is ready; may libuv sleep?) -> libuv's epoll -> signalled (collect; run)
//
// One call into JavaScript for all that has happened. Source: libuv's design overview, "The I/O loop"; the driver of timers alone.
#pragma once
#include <node_api.h>
#include <uv.h>

#include <memory>

#include "addon_state.h"
#include "epoll_source.h"
#include "io_source.h"

namespace percore {

class IoDriver {
 public:
  static constexpr int kViews = 3;

  // Null, with `error` set, when the kernel refuses. `views` are the typed arrays behind `memory`. Without `deliver` it is polled by hand.
  static std::unique_ptr<IoDriver> create(napi_env env, bool isUring, const IoMemory& memory, AddonState* state, const napi_value (&views)[kViews], napi_value deliver, int* error);
  IoDriver(const IoDriver&) = delete;
  IoDriver& operator=(const IoDriver&) = delete;
  // For the handle's finalizer, of one that no loop drives.
  ~IoDriver();

  IoSource* source() { return isDead_ ? nullptr : io_.get(); }
  bool isStarted() const { return hook_ != nullptr; }
  // Takes what has happened, waiting at most so long for the first of it: milliseconds, -1 for ever.
  void poll(int timeoutMs);
  // Keeps the thread's loop alive or not (at first).
  void setRef(bool isReferenced);
  // Leaves the loop; all is freed after libuv's close callbacks. May be called from inside `deliver`, and twice.
  void shutDown();
  // Where JavaScript's handle keeps its pointer here; cleared when this is gone.
  IoDriver** handle = nullptr;

 private:
  explicit IoDriver(napi_env env) : env_(env) {}
  void start(napi_value deliver);
  void onPrepare();
  void onSignalled();
  bool deliver();
  static void onClosed(uv_handle_t* handle);

  napi_env env_;
  napi_ref deliver_ = nullptr, views_[kViews] = {};
  napi_async_context context_ = nullptr;
  napi_async_cleanup_hook_handle hook_ = nullptr;
  uv_poll_t pollHandle_{};
  uv_prepare_t prepare_{};
  uv_idle_t idle_{};
  int openHandles_ = 0;
  EpollSource epoll_;
  layout::IoBlock* block_ = nullptr;
  std::unique_ptr<IoSource> io_;
  bool isDead_ = false;
};

}  // namespace percore
