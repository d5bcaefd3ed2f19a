// Waits, in the thread's loop, until pages of the kernel's events are worth reading. The kernel says when that is: as
// soon as the part of a buffer is full that `buffer_percent` of its instance names, or, for 0, with each event.
//
//   arm() ──a buffer is as full as that──> a round of the trace ──it has to be told──> deliver(), once ──arm()──> ...
//     ^                                                        │
//     └────────────────────── nobody has to be told ───────────┘
//
// Silent from then on until it is armed again, so that whoever reads may rest meanwhile although there is more. The
// kernel looks at how full a buffer is only where somebody waits for that, so arming has to ask it anew. Nearly all
// rounds only count, and the way into JavaScript and back, through code that has grown cold, takes ten times as long as
// such a round does; so it is left out.
// Source: Documentation/trace/ftrace.rst, "buffer_percent".
#pragma once
#include <node_api.h>

#include <cstddef>
#include <cstdint>
#include <vector>

#include "kernel_trace.h"
#include "loop_guest.h"
#include "unique_fd.h"

namespace percore {

class PageWatch final : public LoopGuest {
 public:
  // Of these descriptors, which are armed. Null, with `error` set to -errno, when the kernel refuses.
  static PageWatch* open(napi_env env, const int32_t* fds, size_t count, napi_value deliver, int* error);
  // From now on it takes rounds of `trace`, whose handle this is, by itself. Of mapped pages the kernel tells once:
  // then it looks each `lookEachNs`, or less often while there are few, whether there are twice as many as a round must
  // have; 0 for none. 0 or -errno.
  int takeRoundsOf(KernelTrace* trace, napi_value handle, const AloneRounds& limits, int64_t lookEachNs);

  // `isAlone`: it may take rounds by itself. 0 or -errno.
  int arm(bool isAlone);
  void shutDown() override;

 private:
  static constexpr int64_t kQuietLookNs = 100000000;

  using LoopGuest::LoopGuest;
  void onPrepare() override {}
  void onReadable() override;

  bool takesRound();
  void lookEach(int64_t ns);
  bool looks();

  UniqueFd epoll_, timer_;
  KernelTrace* trace_ = nullptr;
  AloneRounds limits_;
  bool isAlone_ = true, isArmed_ = true;
  int64_t lookEachNs_ = 0;
  // Mapped pages that waited at the last look, and whether hardly any had come.
  int32_t seen_ = 0;
  bool isQuiet_ = false;
  // Those that have been told of since they were armed.
  std::vector<int32_t> told_;
};

}  // namespace percore
