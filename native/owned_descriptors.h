// The descriptors of one thread that JavaScript holds by number: sockets, pipes, and whatever else was opened or taken
// over for it. Plain C++, because the tests of the I/O sources link with it too.
#pragma once
#include <sys/stat.h>
#include <unistd.h>

#include <string>
#include <unordered_map>
#include <unordered_set>

namespace percore {

// The file of a bound Unix socket. It is removed together with its socket, unless another file has that name by then.
struct SocketFile {
  std::string path;
  dev_t device = 0;
  ino_t inode = 0;

  void remove() const {
    struct stat now{};
    if (lstat(path.c_str(), &now) == 0 && now.st_ino == inode && now.st_dev == device) unlink(path.c_str());
  }
};

class OwnedDescriptors {
 public:
  OwnedDescriptors() = default;
  OwnedDescriptors(const OwnedDescriptors&) = delete;
  OwnedDescriptors& operator=(const OwnedDescriptors&) = delete;
  ~OwnedDescriptors() { closeAllOwned(); }

  // The descriptors that are owned are closed with this object, since the system closes none when a thread dies. A
  // listener that stayed open would go on receiving its share of connections, and nobody would accept them.
  void own(int fd) {
    if (fd >= 0) descriptors_.insert(fd);
  }
  // False when it belongs to this thread already.
  bool tryOwn(int fd) { return fd >= 0 && descriptors_.insert(fd).second; }
  // The same for a bound Unix socket. `file` may have an empty path.
  void ownSocketFile(int fd, const SocketFile& file) {
    own(fd);
    if (!file.path.empty()) socketFiles_[fd] = file;
  }
  void closeOwned(int fd) {
    if (descriptors_.erase(fd) != 1) return;
    removeSocketFile(fd);
    close(fd);
  }
  bool owns(int fd) const { return descriptors_.contains(fd); }
  void disown(int fd) { descriptors_.erase(fd); }
  void closeAllOwned() {
    for (int fd : descriptors_) {
      removeSocketFile(fd);
      close(fd);
    }
    descriptors_.clear();
  }

 private:
  void removeSocketFile(int fd) {
    const auto found = socketFiles_.find(fd);
    if (found == socketFiles_.end()) return;
    found->second.remove();
    socketFiles_.erase(found);
  }

  std::unordered_set<int> descriptors_;
  std::unordered_map<int, SocketFile> socketFiles_;
};

}  // namespace percore
