// One io_uring of one thread, by raw system calls: its two queues in shared memory, and the call that moves them
// (io_uring_enter). Plain C++, without Node.
//
//   push, push, ... ──enter──> kernel ──completions──> reap
//
// | pair      | write side                | read side                    | carries              | needs              |
// |-----------|---------------------------|------------------------------|----------------------|--------------------|
// | ring.sq   | `enter` stores the sq tail| kernel, in that enter        | the entries pushed   | release -> acquire |
// | ring.cq   | kernel stores the cq tail | `reap`, `hasCompletions`     | the completion entry | release -> acquire |
// | ring.free | `reap` stores the cq head | kernel                       | the entry's reuse    | release -> acquire |
//
// There is no SQPOLL thread, so the kernel takes entries only during an enter. The call returns how many it took, and
// the kernel's head of the submission queue need not be read. liburing is not used, because for these few lines it
// would be one more library to find on every machine. Sources: io_uring_setup(2), io_uring_enter(2),
// io_uring_register(2).
#pragma once
#include <linux/io_uring.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <cstring>

#include "memory_mapping.h"
#include "unique_fd.h"

namespace percore {

class UringRing {
 public:
  // To be called once. `setup` holds the flags and the number of completions; `features` are those that the caller
  // cannot do without. 0 or errno, ENOSYS for a kernel that is too old; `refused()` then names the call that failed.
  // The descriptor is closed on exec.
  int open(unsigned entries, io_uring_params setup, unsigned features) {
    refused_ = "io_uring_setup";
    fd_.reset(int(syscall(__NR_io_uring_setup, entries, &setup)));
    if (!fd_) return errno;
    // Since Linux 5.4 one mapping holds both rings.
    features |= IORING_FEAT_SINGLE_MMAP;
    if ((setup.features & features) != features) return ENOSYS;
    refused_ = "mmap";
    const size_t sqBytes = setup.sq_off.array + setup.sq_entries * sizeof(unsigned),
                 cqBytes = setup.cq_off.cqes + setup.cq_entries * sizeof(io_uring_cqe);
    if (!rings_.map(fd_.get(), std::max(sqBytes, cqBytes), IORING_OFF_SQ_RING)) return errno;
    if (!entriesMap_.map(fd_.get(), setup.sq_entries * sizeof(io_uring_sqe), IORING_OFF_SQES)) return errno;
    sqTail_ = rings_.at<unsigned>(setup.sq_off.tail);
    sqFlags_ = rings_.at<unsigned>(setup.sq_off.flags);
    sqMask_ = setup.sq_entries - 1;
    cqHead_ = rings_.at<unsigned>(setup.cq_off.head);
    cqTail_ = rings_.at<unsigned>(setup.cq_off.tail);
    cqMask_ = setup.cq_entries - 1;
    entries_ = entriesMap_.at<io_uring_sqe>(0);
    completions_ = rings_.at<io_uring_cqe>(setup.cq_off.cqes);
    // The queue holds the numbers of entries. Each place keeps the number of its own entry for good.
    unsigned* array = rings_.at<unsigned>(setup.sq_off.array);
    for (unsigned i = 0; i < setup.sq_entries; i++) array[i] = i;
    // A filter of system calls may let the ring be made and refuse the call that moves it: nothing would ever come.
    refused_ = "io_uring_enter";
    const int error = -enter();
    return error == EAGAIN || error == EBUSY ? 0 : error;
  }

  int fd() const { return fd_.get(); }
  explicit operator bool() const { return bool(fd_); }
  const char* refused() const { return refused_; }

  // Entries that were pushed and that the kernel has not taken yet.
  unsigned pending() const { return pending_; }
  bool isFull() const { return pending_ > sqMask_; }

  // Returns an entry that is zero but for these arguments; the caller fills in the rest before the next enter. Only
  // when the queue is not full.
  io_uring_sqe* push(uint8_t opcode, int fd, uint64_t data) {
    io_uring_sqe* entry = &entries_[tail_++ & sqMask_];
    pending_++;
    memset(entry, 0, sizeof *entry);
    entry->opcode = opcode;
    entry->fd = fd;
    entry->user_data = data;
    return entry;
  }

  // Submits what is pending. With IORING_ENTER_GETEVENTS in `flags` the kernel also makes the completions that are due,
  // and waits for `wait` of them. 0 or -errno. What the kernel has not taken stays pending (EBUSY, EAGAIN: too many
  // completions have not been reaped yet).
  int enter(unsigned flags = 0, unsigned wait = 0) {
    // ring.sq: the call that follows makes the kernel read the entries below the tail.
    __atomic_store_n(sqTail_, tail_, __ATOMIC_RELEASE);
    for (;;) {
      const long taken = syscall(__NR_io_uring_enter, fd_.get(), pending_, wait, flags, nullptr, 0);
      if (taken >= 0) {
        pending_ -= unsigned(taken);
        if (pending_ == 0) return 0;
        if (taken == 0) return -EBUSY;
      } else if (errno != EINTR) {
        return -errno;
      }
    }
  }

  // The same, but only when there is something to submit.
  int submit() { return pending_ == 0 ? 0 : enter(); }

  // ring.cq: the entries below the tail are complete.
  bool hasCompletions() const { return *cqHead_ != __atomic_load_n(cqTail_, __ATOMIC_ACQUIRE); }

  // Calls `take(const io_uring_cqe&)` for each completion, also for those that come meanwhile, until it returns false.
  // `take` may push and enter, but not reap.
  template <class Take>
  void reap(Take take) {
    unsigned head = *cqHead_;  // only this thread writes it
    bool goesOn = true;
    // ring.cq: the entries below the tail are complete.
    for (unsigned tail = __atomic_load_n(cqTail_, __ATOMIC_ACQUIRE); goesOn && head != tail;) {
      const io_uring_cqe done = completions_[head++ & cqMask_];
      goesOn = take(done);
      // ring.cq: as above.
      if (head == tail) tail = __atomic_load_n(cqTail_, __ATOMIC_ACQUIRE);
    }
    // ring.free: the kernel may use these entries again.
    __atomic_store_n(cqHead_, head, __ATOMIC_RELEASE);
  }

  // True when the kernel has set one of these IORING_SQ_ flags. It is only a hint, since the enter that follows is what
  // counts; so no order is needed.
  bool hasFlags(unsigned flags) const { return (__atomic_load_n(sqFlags_, __ATOMIC_RELAXED) & flags) != 0; }

  // Calls io_uring_register: 0 or more, or -1 with errno set.
  long set(unsigned what, void* argument, unsigned count) const {
    return syscall(__NR_io_uring_register, fd_.get(), what, argument, count);
  }

 private:
  UniqueFd fd_;
  MemoryMapping rings_, entriesMap_;
  unsigned *sqTail_ = nullptr, *sqFlags_ = nullptr, *cqHead_ = nullptr, *cqTail_ = nullptr;
  unsigned sqMask_ = 0, cqMask_ = 0;
  unsigned tail_ = 0,
           pending_ = 0;  // both of the submissions; only this thread writes them, the kernel sees them in `enter`
  io_uring_sqe* entries_ = nullptr;
  io_uring_cqe* completions_ = nullptr;
  const char* refused_ = "";
};

}  // namespace percore
