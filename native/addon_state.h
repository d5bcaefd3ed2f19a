// Everything one environment (the main thread, or one worker) owns. Every worker loads the addon again, so there are no
// mutable globals: this is the instance data, destroyed with its environment.
#pragma once
#include <node_api.h>
#include <time.h>
#include <unistd.h>

#include <memory>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "file_io.h"
#include "listen_fd.h"
#include "pipe.h"
#include "unique_fd.h"

namespace percore {

// Where a thread's clock writes the time. The reference keeps `out` alive and goes with the environment.
struct Clock {
  double* out = nullptr;
  int64_t originNs = 0;
  clockid_t id = CLOCK_MONOTONIC;
  napi_ref view = nullptr;
};

class AddonState {
 public:
  ~AddonState() { closeSockets(); }

  // Sockets that JavaScript holds by number. A thread's death closes no descriptor by itself: a listener left open would go
  // on receiving its share of connections, and nobody would accept them.
  void ownSocket(int fd) { sockets_.insert(fd); }
  void closeSocket(int fd) {
    if (sockets_.erase(fd) == 1) close(fd);
  }
  void disownSocket(int fd) { sockets_.erase(fd); }
  void closeSockets() {
    for (int fd : sockets_) close(fd);
    sockets_.clear();
  }

  std::vector<std::unique_ptr<Clock>> clocks;
  // Given up for a moment when there is no other descriptor left.
  UniqueFd reserve;
  PipeState pipes;
  UntakenFds untakenFds;
  std::unordered_map<int, std::unique_ptr<FileRing>> fileRings;

 private:
  std::unordered_set<int> sockets_;
};

}  // namespace percore
