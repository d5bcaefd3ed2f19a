// Files that are mapped so that other processes can write into them too, and what can go wrong: somebody truncates one.
// The next access to the missing part raises SIGBUS, which ends a process. Here the handler of that signal replaces the
// missing pages, and every header of a ring in this file, by pages of 0xff, and the access goes on. Whoever reads a
// header of ones sees that it is damaged, so the ends of the queue throw where they would have crashed.
//
// A fault anywhere else goes to the previous handler of the signal. The handler stays installed, and so this library
// stays loaded.
//
// Source: mmap(2), sigaction(2); wl_shm of Wayland, which guards its buffers in the same way.
#pragma once
#include <atomic>
#include <cstddef>
#include <cstdint>

namespace percore {

// Where the headers lie that a truncation spoils: `count` of `bytes` each, `stride` apart, and everything before the
// first.
struct Headers {
  std::atomic<size_t> first{0}, bytes{0}, stride{0}, count{0};
};

// One mapping of this process. It is never freed, since a handler may look at it at any time, but it is used again.
struct MappedFile {
  std::atomic<uintptr_t> start{0}, end{0};
  std::atomic<bool> isUsed{false}, isCut{false};
  Headers headers;
  int fd = -1;
  MappedFile* next = nullptr;

  // Null with errno set. Keeps a descriptor of its own.
  static MappedFile* map(int fd, size_t bytes);
  // The mapping in which `address` lies; null for memory that is not in a mapped file.
  static MappedFile* of(const void* address);
  // False once something was missing, and if the file is now shorter than what was mapped.
  bool isWhole();
  void unmap();
};

}  // namespace percore
