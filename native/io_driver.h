// The I/O of a thread that is not a reactor: its source, which is a guest of the thread's libuv loop unless the user
// polls it by hand.
#pragma once
#include <node_api.h>

#include <memory>

#include "addon_state.h"
#include "thread_epoll.h"
#include "io_source.h"
#include "loop_guest.h"

namespace percore {

class IoDriver final : public LoopGuest {
 public:
  static constexpr int kViews = 4;

  // Null, with `error` set, when the kernel refuses. `views` are the typed arrays that `memory` points into. Without
  // `deliver` the source is polled by hand.
  static std::unique_ptr<IoDriver> create(napi_env env, bool isUring, const IoMemory& memory, AddonState* state,
      const napi_value (&views)[kViews], napi_value deliver, int* error);
  ~IoDriver() override { io_.reset(); }

  IoSource* source() { return isDead_ ? nullptr : io_.get(); }
  // Collects what has happened. Waits for at most `timeoutMs` milliseconds until something has, -1 for ever; a signal
  // ends the wait early.
  void poll(int timeoutMs);
  void shutDown() override;

 private:
  using LoopGuest::LoopGuest;
  void onPrepare() override;
  void onReadable() override;
  bool run();
  void collect();

  ThreadEpoll epoll_;
  layout::IoBlock* block_ = nullptr;
  std::unique_ptr<IoSource> io_;
};

}  // namespace percore
