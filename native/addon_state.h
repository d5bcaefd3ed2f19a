// Everything one environment (the main thread, or one worker) owns. Every worker loads the addon again, so there are no
// mutable globals: this is the instance data, destroyed with its environment.
#pragma once
#include <fcntl.h>
#include <node_api.h>
#include <time.h>

#include <memory>
#include <unordered_map>
#include <vector>

#include "file_io.h"
#include "listen_fd.h"
#include "pipe.h"
#include "owned_descriptors.h"
#include "unique_fd.h"
#include "waker.h"

namespace percore {

class BellWatch;

// Where a thread's clock writes the time. The reference keeps `out` alive and goes with the environment.
struct Clock {
  double* out = nullptr;
  int64_t originNs = 0;
  clockid_t id = CLOCK_MONOTONIC;
  napi_ref view = nullptr;
};

class AddonState : public OwnedDescriptors {
 public:
  std::vector<std::unique_ptr<Clock>> clocks;
  // Given up for a moment when there is no other descriptor left.
  UniqueFd reserve;
  // For whoever listens.
  void holdReserve() {
    if (!reserve) reserve.reset(open("/dev/null", O_RDONLY | O_CLOEXEC));
  }
  PipeState pipes;
  UntakenFds untakenFds;
  WakerSet wakers;
  std::unordered_map<int, std::unique_ptr<FileRing>> fileRings;
  // Guests of this thread's libuv (loop_guest.h), which look before each of its sleeps: a reactor beside them passes
  // it.
  int loopGuests = 0;
  // Ends with the environment by a hook of its own.
  BellWatch* bells = nullptr;
  // What says to other processes, by a lock, that this thread has ends of a queue's file.
  std::vector<UniqueFd> held;
};

// This environment's.
inline AddonState* stateOf(napi_env env) {
  void* state = nullptr;
  napi_get_instance_data(env, &state);
  return static_cast<AddonState*>(state);
}

}  // namespace percore
