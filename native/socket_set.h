// The sockets of one thread. Plain C++: also what the tests of the I/O sources link with.
#pragma once
#include <sys/stat.h>
#include <unistd.h>

#include <string>
#include <unordered_map>
#include <unordered_set>

namespace percore {

// The file of a bound Unix socket. It is removed with its socket, unless another file has its name by then, and by
// nobody else.
struct SocketFile {
  std::string path;
  dev_t device = 0;
  ino_t inode = 0;

  void remove() const {
    struct stat now{};
    if (lstat(path.c_str(), &now) == 0 && now.st_ino == inode && now.st_dev == device) unlink(path.c_str());
  }
};

class SocketSet {
 public:
  SocketSet() = default;
  SocketSet(const SocketSet&) = delete;
  SocketSet& operator=(const SocketSet&) = delete;
  ~SocketSet() { closeSockets(); }

  // Sockets that JavaScript holds by number. A thread's death closes no descriptor by itself: a listener left open
  // would go on receiving its share of connections, and nobody would accept them.
  void ownSocket(int fd) {
    if (fd >= 0) sockets_.insert(fd);
  }
  // False: it is this thread's already.
  bool tryOwnSocket(int fd) { return fd >= 0 && sockets_.insert(fd).second; }
  // The same for a bound Unix socket; `file` may have no path.
  void ownSocketFile(int fd, const SocketFile& file) {
    ownSocket(fd);
    if (!file.path.empty()) socketFiles_[fd] = file;
  }
  void closeSocket(int fd) {
    if (sockets_.erase(fd) != 1) return;
    removeSocketFile(fd);
    close(fd);
  }
  bool owns(int fd) const { return sockets_.contains(fd); }
  void disownSocket(int fd) { sockets_.erase(fd); }
  void closeSockets() {
    for (int fd : sockets_) {
      removeSocketFile(fd);
      close(fd);
    }
    sockets_.clear();
  }

 private:
  void removeSocketFile(int fd) {
    const auto found = socketFiles_.find(fd);
    if (found == socketFiles_.end()) return;
    found->second.remove();
    socketFiles_.erase(found);
  }

  std::unordered_set<int> sockets_;
  std::unordered_map<int, SocketFile> socketFiles_;
};

}  // namespace percore
