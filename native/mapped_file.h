// Files that are mapped so that other processes write in them too, and what can go wrong with those: somebody cuts one
// short. The next access to what is gone is SIGBUS, which ends a process. Here the handler of that signal puts pages of
// 0xff in the place of what is gone, and of every header of a ring in this file, and the access goes on: a header of
// ones is damaged to whoever reads it, so the ends of the queue throw where they would have crashed.
//
// A fault anywhere else goes to whoever handled the signal before. The handler stays, and so does this library.
//
// Source: mmap(2), sigaction(2); wl_shm of Wayland, which guards its buffers in the same way.
#pragma once
#include <atomic>
#include <cstddef>
#include <cstdint>

namespace percore {

// Where the headers lie that a cut spoils: `count` of `bytes` each, `stride` apart, and all that is before the first.
struct Headers {
  std::atomic<size_t> first{0}, bytes{0}, stride{0}, count{0};
};

// One mapping of this process. Never freed, since a handler may look at it at any time, but used again.
struct MappedFile {
  std::atomic<uintptr_t> start{0}, end{0};
  std::atomic<bool> isUsed{false}, isCut{false};
  Headers headers;
  int fd = -1;
  MappedFile* next = nullptr;

  // Null with errno set. Keeps a descriptor of its own.
  static MappedFile* map(int fd, size_t bytes);
  // That which `address` lies in; null for memory of no mapped file.
  static MappedFile* of(const void* address);
  // False once something was missing, and where the file is shorter now than what was mapped.
  bool isWhole();
  void unmap();
};

}  // namespace percore
