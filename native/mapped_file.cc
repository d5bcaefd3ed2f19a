#include "mapped_file.h"

#include <dlfcn.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <mutex>

namespace percore {

namespace {

std::atomic<MappedFile*> first{nullptr};
struct sigaction before;

size_t pageBytes() {
  static const size_t bytes = size_t(sysconf(_SC_PAGESIZE));
  return bytes;
}

// Pages of ones over [from, to) of the mapping, whole pages. Called by the handler: system calls and memset alone.
bool spoil(uintptr_t from, uintptr_t to) {
  const uintptr_t page = pageBytes();
  from = from / page * page;
  to = (to + page - 1) / page * page;
  void* made = mmap(reinterpret_cast<void*>(from), to - from, PROT_READ | PROT_WRITE,
      MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
  if (made == MAP_FAILED) return false;
  memset(made, 0xff, to - from);
  return true;
}

void onBusError(int number, siginfo_t* info, void* context) {
  const int saved = errno;
  const auto address = reinterpret_cast<uintptr_t>(info->si_addr);
  MappedFile* const file = MappedFile::of(info->si_addr);
  if (file && spoil(address, address + 1)) {
    // Only once: the pages of the headers are our own from then on.
    if (!file->isCut.exchange(true)) {
      const uintptr_t start = file->start, end = file->end;
      const Headers& headers = file->headers;
      if (headers.first) spoil(start, std::min(end, start + headers.first));
      for (size_t i = 0; i < headers.count; i++) {
        const uintptr_t at = start + headers.first + i * headers.stride;
        if (at < end) spoil(at, std::min(end, at + headers.bytes));
      }
    }
    errno = saved;
    return;
  }
  if (before.sa_flags & SA_SIGINFO) {
    before.sa_sigaction(number, info, context);
  } else if (before.sa_handler == SIG_DFL || before.sa_handler == SIG_IGN) {
    // The access is repeated, and ends the process as it would have done.
    signal(number, SIG_DFL);
  } else {
    before.sa_handler(number);
  }
  errno = saved;
}

void guard() {
  static std::once_flag once;
  std::call_once(once, [] {
    pageBytes();
    // The end of a worker unloads a library that no other thread has loaded, and the handler would be gone.
    Dl_info info;
    if (dladdr(reinterpret_cast<void*>(onBusError), &info)) dlopen(info.dli_fname, RTLD_NOW | RTLD_NODELETE);
    struct sigaction action = {};
    action.sa_sigaction = onBusError;
    action.sa_flags = SA_SIGINFO | SA_ONSTACK;
    sigemptyset(&action.sa_mask);
    sigaction(SIGBUS, &action, &before);
  });
}

MappedFile* take() {
  for (MappedFile* file = first; file; file = file->next) {
    // Pairs with the store in unmap(): whoever had it is done with it.
    if (!file->isUsed.exchange(true)) return file;
  }
  auto* made = new MappedFile();
  made->isUsed = true;
  made->next = first;
  while (!first.compare_exchange_weak(made->next, made)) {
  }
  return made;
}

}  // namespace

MappedFile* MappedFile::map(int fd, size_t bytes) {
  guard();
  const int own = fcntl(fd, F_DUPFD_CLOEXEC, 3);
  if (own < 0) return nullptr;
  void* start = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, own, 0);
  if (start == MAP_FAILED) {
    const int error = errno;
    close(own);
    errno = error;
    return nullptr;
  }
  MappedFile* file = take();
  file->fd = own;
  file->isCut = false;
  file->headers.first = file->headers.count = 0;
  file->end = uintptr_t(start) + bytes;
  // Stored last: the handler finds the mapping by its start.
  file->start = uintptr_t(start);
  return file;
}

MappedFile* MappedFile::of(const void* address) {
  const auto at = reinterpret_cast<uintptr_t>(address);
  for (MappedFile* file = first; file; file = file->next) {
    const uintptr_t start = file->start;
    if (start && at >= start && at < file->end) return file;
  }
  return nullptr;
}

bool MappedFile::isWhole() {
  struct stat status;
  return !isCut && fstat(fd, &status) == 0 && uintptr_t(status.st_size) >= end - start;
}

void MappedFile::unmap() {
  const uintptr_t from = start.exchange(0);
  munmap(reinterpret_cast<void*>(from), end - from);
  close(fd);
  fd = -1;
  // Pairs with the exchange in take().
  isUsed = false;
}

}  // namespace percore
