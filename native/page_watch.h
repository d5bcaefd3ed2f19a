// Waits, in the thread's loop, until pages of the kernel's events are worth reading. The kernel says when that is: as
// soon as the part of a buffer is full that `buffer_percent` of its instance names, or, for 0, with each event.
//
//   arm() ──a buffer is as full as that──> deliver(), once ──read, and arm() again──> ...
//
// Silent from then on until it is armed again, so that whoever reads may rest meanwhile although there is more. The
// kernel looks at how full a buffer is only where somebody waits for that, so arming has to ask it anew.
// Source: Documentation/trace/ftrace.rst, "buffer_percent".
#pragma once
#include <node_api.h>

#include <cstddef>
#include <cstdint>
#include <vector>

#include "loop_guest.h"
#include "unique_fd.h"

namespace percore {

class PageWatch final : public LoopGuest {
 public:
  // Of these descriptors, which are armed. Null, with `error` set to -errno, when the kernel refuses.
  static PageWatch* open(napi_env env, const int32_t* fds, size_t count, napi_value deliver, int* error);

  // 0 or -errno.
  int arm();
  void shutDown() override;

 private:
  using LoopGuest::LoopGuest;
  void onPrepare() override {}
  void onReadable() override;

  UniqueFd epoll_;
  // Those that have been told of since they were armed.
  std::vector<int32_t> told_;
};

}  // namespace percore
