// Owns one mapping from the line that makes it. Source: mmap(2).
#pragma once
#include <sys/mman.h>

#include <cstddef>
#include <utility>

namespace percore {

class MemoryMapping {
 public:
  MemoryMapping() = default;
  MemoryMapping(MemoryMapping&& other) noexcept : start_(std::exchange(other.start_, nullptr)), bytes_(other.bytes_) {}
  MemoryMapping& operator=(MemoryMapping&&) = delete;
  ~MemoryMapping() {
    if (start_) munmap(start_, bytes_);
  }

  // Maps a part of what `fd` offers, shared; where `fd` is -1, memory of no file. False, with errno set, when the
  // kernel refuses.
  bool map(int fd, size_t bytes, off_t what) {
    void* start = mmap(nullptr, bytes, PROT_READ | PROT_WRITE,
        fd < 0 ? MAP_PRIVATE | MAP_ANONYMOUS : MAP_SHARED | MAP_POPULATE, fd, what);
    if (start == MAP_FAILED) return false;
    start_ = start;
    bytes_ = bytes;
    return true;
  }
  template <class T>
  T* at(size_t offset) const {
    return reinterpret_cast<T*>(static_cast<char*>(start_) + offset);
  }

 private:
  void* start_ = nullptr;
  size_t bytes_ = 0;
};

}  // namespace percore
