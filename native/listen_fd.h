// Bound sockets that wait until a listener of Node's own takes them.
//
// Node's `server.listen({ fd })` calls listen(2), and from then on closes the number itself, without telling anybody.
// So a number is handed out bound and not yet listening, and the kernel is asked what it is now. If it is still the
// same socket (the kernel never gives its cookie to another one) and still does not listen, nobody has taken it, and it
// is ours to close. Otherwise it belongs to somebody else. Source: socket(7), SO_COOKIE and SO_ACCEPTCONN.
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
  // Returns an id for `close`; 0, with errno set, when the kernel gives no cookie: without one the socket could never
  // be told apart from the next owner of its number.
  int32_t add(int fd) {
    Untaken untaken{fd, 0};
    socklen_t length = sizeof untaken.cookie;
    if (getsockopt(fd, SOL_SOCKET, SO_COOKIE, &untaken.cookie, &length) != 0) return 0;
    untaken_[++lastId_] = untaken;
    return lastId_;
  }
  // Closes the socket if nobody has taken it. True when it did.
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

  // Nobody can take it between the question and the close, since only this thread could.
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
