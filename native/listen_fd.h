// Bound sockets that wait for a listener of Node's own to take them.
//
// Node's `server.listen({ fd })` calls listen(2) and closes the number itself from then on, without telling anybody. So
// a number is handed out bound and not yet listening, and what it is now is asked of the kernel: still the same socket
// (its cookie, which is never given twice) and still not listening, then nobody has taken it, and it is ours to close.
// Anything else is somebody else's. Source: socket(7) SO_COOKIE, SO_ACCEPTCONN.
#pragma once
#include <sys/socket.h>
#include <unistd.h>

#include <cstdint>
#include <unordered_map>

namespace percore {

class UntakenFds {
 public:
  ~UntakenFds() {
    for (const auto& [id, untaken] : untaken_) closeIfUntaken(untaken);
  }
  // An id for `close`; 0, with errno set, when there is no cookie: without one the socket could never be told apart
  // from the next owner of its number.
  int32_t add(int fd) {
    Untaken untaken{fd, 0};
    socklen_t length = sizeof untaken.cookie;
    if (getsockopt(fd, SOL_SOCKET, SO_COOKIE, &untaken.cookie, &length) != 0) return 0;
    untaken_[++lastId_] = untaken;
    return lastId_;
  }
  // True when it was still ours, and is closed now.
  bool close(int32_t id) {
    const auto found = untaken_.find(id);
    if (found == untaken_.end()) return false;
    const Untaken untaken = found->second;
    untaken_.erase(found);
    return closeIfUntaken(untaken);
  }

 private:
  struct Untaken {
    int fd;
    uint64_t cookie;
  };

  // Nobody can take it between the question and the close: whoever could is this thread.
  static bool closeIfUntaken(const Untaken& untaken) {
    const auto [fd, cookie] = untaken;
    uint64_t now = 0;
    int isListening = 0;
    socklen_t length = sizeof now, flagLength = sizeof isListening;
    if (getsockopt(fd, SOL_SOCKET, SO_COOKIE, &now, &length) != 0 || now != cookie) return false;
    if (getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &isListening, &flagLength) != 0 || isListening != 0) return false;
    ::close(fd);
    return true;
  }

  std::unordered_map<int32_t, Untaken> untaken_;
  int32_t lastId_ = 0;
};

}  // namespace percore
