// Reads and writes files by io_uring: one ring for all files of a thread.
//
//   push, push, ... ──submit──> kernel ──completion──> fd() readable ──reap──> pairs of (id, result)
//
// A submit is one io_uring_enter. What lies in the page cache is copied within it and can be reaped at once.
//
// Buffers belong to JavaScript. A reference holds each of them here until it is released, since the kernel may write
// into it at any time. The same is true when a thread dies: before anything is let go, the ring is emptied, by
// cancelling what is in flight and waiting for it.
//
// IORING_SETUP_DEFER_TASKRUN is not used, because the descriptor would then never become readable by itself. Node's
// pool alone is not used either: its two changes of thread for each chunk cost as much as the copy. Sources: those of
// uring_ring.h.
#pragma once
#include <node_api.h>

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "uring_ring.h"

namespace percore {

class FileRing {
 public:
  // Most operations in flight at a time. JavaScript keeps to it.
  static constexpr unsigned kInFlight = 1024;

  // Null when the kernel refuses or is older than 5.6; `refusal` then says what and why: "io_uring_setup: EPERM".
  static std::unique_ptr<FileRing> open(std::string* refusal);
  ~FileRing();

  int fd() const { return ring_.fd(); }
  // Holds a typed array. Returns its number, or -EINVAL.
  int hold(napi_env env, napi_value array);
  // Waits for what is in flight, then releases all buffers. Nothing may be called afterwards.
  void close(napi_env env);
  // Only when nothing in flight uses the buffer.
  void release(napi_env env, int buffer);
  // 0; -EINVAL when the span does not lie within the buffer; or, when a full queue had to be submitted, the -errno of
  // that.
  int push(bool isWrite, int fd, int buffer, uint32_t offset, uint32_t length, int64_t position, uint32_t id);
  // 0 or -errno. What could not be submitted stays queued.
  int submit() { return ring_.submit(); }
  // Writes at most `most` pairs of (id, bytes or -errno). Returns how many.
  int reap(int32_t* pairs, int most);

 private:
  struct Held {
    char* data = nullptr;
    size_t bytes = 0;
    napi_ref reference = nullptr;
  };

  FileRing() = default;
  void empty();

  UringRing ring_;
  unsigned inFlight_ = 0;
  std::vector<Held> held_;
};

}  // namespace percore
