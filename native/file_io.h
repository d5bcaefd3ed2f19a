// Reads and writes of files on io_uring: one ring for all files of a thread, by raw system calls.
//
//   push, push, ... ──submit (one io_uring_enter)──> kernel ──completion──> fd() readable ──reap──> pairs of (id, result)
//                                                      └─ what lies in the page cache is copied inside the enter, and can be reaped at once
//
// Buffers belong to JavaScript and are held here by a reference until they are released, since the kernel writes into them at any time.
// The same holds at a thread's death: the ring is emptied, by cancelling and waiting, before anything is let go.
//
// | pair      | write side                 | read side             | carries               | needs              |
// |-----------|----------------------------|-----------------------|-----------------------|--------------------|
// | ring.sq   | `push` stores the sq tail  | kernel, in the enter  | the submission entry  | release -> acquire |
// | ring.taken| kernel stores the sq head  | `push`                | the entry's reuse     | release -> acquire |
// | ring.cq   | kernel stores the cq tail  | `reap`                | the completion entry  | release -> acquire |
// | ring.free | `reap` stores the cq head  | kernel                | the entry's reuse     | release -> acquire |
//
// IORING_SETUP_DEFER_TASKRUN is not asked for: the descriptor then never becomes readable by itself. Why not Node's pool alone: two
// changes of thread a chunk cost as much as its copy. Source: io_uring_setup(2), io_uring_enter(2).
#pragma once
#include <linux/io_uring.h>
#include <node_api.h>

#include <cstdint>
#include <memory>
#include <vector>

#include "memory_mapping.h"
#include "unique_fd.h"

namespace percore {

class FileRing {
 public:
  // Operations in flight at most; JavaScript keeps to it.
  static constexpr unsigned kInFlight = 1024;

  // Null, with errno set, when the kernel refuses or is older than 5.6.
  static std::unique_ptr<FileRing> open();
  ~FileRing();

  int fd() const { return fd_.get(); }
  // Holds a typed array; its number, or -EINVAL.
  int hold(napi_env env, napi_value array);
  // Only when nothing that uses it is in flight.
  void release(napi_env env, int buffer);
  // 0, -EINVAL for what is not within the buffer, or the -errno of a submission that a full queue made necessary.
  int push(bool isWrite, int fd, int buffer, uint32_t offset, uint32_t length, int64_t position, uint32_t id);
  // 0 or -errno; what could not be submitted stays queued.
  int submit();
  // Writes pairs of (id, bytes or -errno), at most `most`; returns how many.
  int reap(int32_t* pairs, int most);

 private:
  struct Held {
    char* data = nullptr;
    size_t bytes = 0;
    napi_ref reference = nullptr;
  };

  FileRing() = default;
  io_uring_sqe* nextEntry();
  void publish();

  UniqueFd fd_;
  MemoryMapping rings_, entries_;
  unsigned sqEntries_ = 0, sqMask_ = 0, cqMask_ = 0;
  unsigned *sqHead_ = nullptr, *sqTail_ = nullptr, *sqArray_ = nullptr, *cqHead_ = nullptr, *cqTail_ = nullptr;
  io_uring_sqe* sqes_ = nullptr;
  io_uring_cqe* cqes_ = nullptr;
  unsigned unsubmitted_ = 0, inFlight_ = 0;
  std::vector<Held> held_;
};

}  // namespace percore
