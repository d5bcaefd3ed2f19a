// Reads and writes of files on io_uring: one ring for all files of a thread.
//
//   push, push, ... ──submit──> kernel ──completion──> fd() readable ──reap──> pairs of (id, result)
//
// A submit is one io_uring_enter. What lies in the page cache is copied inside of it, and can be reaped at once.
//
// Buffers belong to JavaScript and are held here by a reference until they are released, since the kernel writes into
// them at any time. The same holds at a thread's death: the ring is emptied, by cancelling and waiting, before anything
// is let go.
//
// IORING_SETUP_DEFER_TASKRUN is not asked for: the descriptor then never becomes readable by itself. Why not Node's
// pool alone: two changes of thread a chunk cost as much as its copy. Sources: those of uring_ring.h.
#pragma once
#include <node_api.h>

#include <cstdint>
#include <memory>
#include <vector>

#include "uring_ring.h"

namespace percore {

class FileRing {
 public:
  // Operations in flight at most; JavaScript keeps to it.
  static constexpr unsigned kInFlight = 1024;

  // Null, with errno set, when the kernel refuses or is older than 5.6.
  static std::unique_ptr<FileRing> open();
  ~FileRing();

  int fd() const { return ring_.fd(); }
  // Holds a typed array; its number, or -EINVAL.
  int hold(napi_env env, napi_value array);
  // Only when nothing that uses it is in flight.
  void release(napi_env env, int buffer);
  // 0, -EINVAL for what is not within the buffer, or the -errno of a submission that a full queue made necessary.
  int push(bool isWrite, int fd, int buffer, uint32_t offset, uint32_t length, int64_t position, uint32_t id);
  // 0 or -errno; what could not be submitted stays queued.
  int submit() { return ring_.submit(); }
  // Writes pairs of (id, bytes or -errno), at most `most`; returns how many.
  int reap(int32_t* pairs, int most);

 private:
  struct Held {
    char* data = nullptr;
    size_t bytes = 0;
    napi_ref reference = nullptr;
  };

  FileRing() = default;

  UringRing ring_;
  unsigned inFlight_ = 0;
  std::vector<Held> held_;
};

}  // namespace percore
