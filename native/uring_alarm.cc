// An alarm on io_uring: a ring of its own that holds at most one timeout, by raw system calls.
//
//   arm: reap ──> [timeout_remove of the old one] + timeout of the new one ──io_uring_enter──> kernel ──completion──> fd() readable
//
// Each timeout carries a generation as its user data, so that the completion of one that was replaced (ECANCELED, or ETIME when the
// removal came too late) is not taken for the present one. Completions are taken from shared memory, without a system call.
//
// | pair      | write side                 | read side             | carries               | needs              |
// |-----------|----------------------------|-----------------------|-----------------------|--------------------|
// | ring.sq   | `push` stores the sq tail  | kernel, in the enter  | the submission entry  | release -> acquire |
// | ring.cq   | kernel stores the cq tail  | `reap`                | the completion entry  | release -> acquire |
// | ring.free | `reap` stores the cq head  | kernel                | the entry's reuse     | release -> acquire |
//
// Refusals are ordinary: Docker and others filter io_uring_setup (EPERM, ENOSYS), a sysctl forbids it (EPERM), locked memory runs
// out (ENOMEM). IORING_SETUP_DEFER_TASKRUN is not asked for: the descriptor then never becomes readable by itself. Without it a
// completion interrupts the sleep (EINTR), and the sleep that follows finds the descriptor readable: which is why this alarm is not
// earlier than a timerfd. Source: io_uring_setup(2), io_uring_enter(2).
#include <linux/io_uring.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "alarm.h"
#include "memory_mapping.h"
#include "unique_fd.h"

namespace percore {

namespace {

// Newer (5.15) than some kernel headers that this is built with.
constexpr unsigned kTimeoutBoottime = 1u << 2;
// Two are written a time; the completion queue has twice as many and is emptied before each submission.
constexpr unsigned kEntries = 8;

class UringAlarm final : public Alarm {
 public:
  UringAlarm(clockid_t clock, UniqueFd fd, MemoryMapping rings, MemoryMapping entries, const io_uring_params& setup)
      : Alarm(clock), fd_(std::move(fd)), rings_(std::move(rings)), entries_(std::move(entries)),
        sqTail_(rings_.at<unsigned>(setup.sq_off.tail)), sqMask_(*rings_.at<unsigned>(setup.sq_off.ring_mask)),
        sqArray_(rings_.at<unsigned>(setup.sq_off.array)), sqes_(entries_.at<io_uring_sqe>(0)),
        cqHead_(rings_.at<unsigned>(setup.cq_off.head)), cqTail_(rings_.at<unsigned>(setup.cq_off.tail)),
        cqMask_(*rings_.at<unsigned>(setup.cq_off.ring_mask)), cqes_(rings_.at<io_uring_cqe>(setup.cq_off.cqes)) {}

  int fd() const override { return fd_.get(); }

  int arm(int64_t deadlineNs) override {
    unsigned count = remove();
    deadlineNs_ = deadlineNs;
    // Relative, since kernels up to 6.18 at least take an absolute time-out in a time namespace for one outside of it: it came a year
    // late. The kernel's clock is read after ours, so this cannot be early; and as each delay is taken from an absolute deadline,
    // nothing adds up. The kernel copies it in io_uring_enter.
    const int64_t delayNs = std::max<int64_t>(deadlineNs - nowNs(), 0);
    delay_.tv_sec = delayNs / 1000000000;
    delay_.tv_nsec = delayNs % 1000000000;
    io_uring_sqe* timeout = push(IORING_OP_TIMEOUT, ++generation_);
    timeout->addr = reinterpret_cast<uint64_t>(&delay_);
    timeout->len = 1;
    timeout->timeout_flags = clock_ == CLOCK_BOOTTIME ? kTimeoutBoottime : 0;
    isPending_ = true;
    return submit(count + 1);
  }

  int disarm() override {
    const unsigned count = remove();
    deadlineNs_ = INT64_MAX;
    isPending_ = false;
    if (count == 0) return 0;
    const int result = submit(count);
    // A removal is answered at once: taken now, it wakes nobody. (Not so in arm(), where a timeout that is over is answered at once too,
    // and must make the descriptor readable.)
    reap();
    return result;
  }

  // 0 or errno.
  int tryOut() {
    const int refused = arm(nowNs() + 1000000000);
    reap();
    if (refused != 0 || !isPending_) return refused != 0 ? -refused : EINVAL;
    return -disarm();
  }

  bool isDue() override {
    reap();
    if (isPending_ || deadlineNs_ == INT64_MAX) return false;
    if (nowNs() >= deadlineNs_) return true;
    // The kernel's clock is not ours: sleep again.
    arm(deadlineNs_);
    return false;
  }

 private:
  // Takes out what is armed, if anything is; returns how many entries were written.
  unsigned remove() {
    reap();
    if (!isPending_) return 0;
    io_uring_sqe* removal = push(IORING_OP_TIMEOUT_REMOVE, kNobody);
    removal->addr = generation_;
    return 1;
  }

  io_uring_sqe* push(uint8_t operation, uint64_t userData) {
    // Only this thread writes the tail; the kernel has taken all before it, since each enter submits all there is.
    const unsigned tail = *sqTail_, at = tail & sqMask_;
    io_uring_sqe* entry = &sqes_[at];
    memset(entry, 0, sizeof *entry);
    entry->opcode = operation;
    entry->fd = -1;
    entry->user_data = userData;
    sqArray_[at] = at;
    // ring.sq: the kernel reads the entry in the enter that follows, after the fields above and those the caller still fills in.
    __atomic_store_n(sqTail_, tail + 1, __ATOMIC_RELEASE);
    return entry;
  }

  int submit(unsigned count) {
    while (count != 0) {
      const long taken = syscall(__NR_io_uring_enter, fd_.get(), count, 0, 0, nullptr, 0);
      if (taken > 0) count -= unsigned(taken);
      else if (taken == 0) return -EBUSY;
      else if (errno == EINTR) continue;
      else return -errno;
    }
    return 0;
  }

  // Takes all completions; the one of the present generation ends `isPending_`.
  void reap() {
    unsigned head = *cqHead_;  // only this thread writes it
    // ring.cq: the entries below the tail are whole.
    const unsigned tail = __atomic_load_n(cqTail_, __ATOMIC_ACQUIRE);
    for (; head != tail; head++) {
      if (cqes_[head & cqMask_].user_data == generation_) isPending_ = false;
    }
    // ring.free: the kernel may use them again.
    __atomic_store_n(cqHead_, head, __ATOMIC_RELEASE);
  }

  static constexpr uint64_t kNobody = 0;

  UniqueFd fd_;
  MemoryMapping rings_, entries_;
  unsigned* sqTail_;
  unsigned sqMask_;
  unsigned* sqArray_;
  io_uring_sqe* sqes_;
  unsigned* cqHead_;
  unsigned* cqTail_;
  unsigned cqMask_;
  io_uring_cqe* cqes_;
  __kernel_timespec delay_{};
  int64_t deadlineNs_ = INT64_MAX;
  uint64_t generation_ = kNobody;
  bool isPending_ = false;
};

}  // namespace

OpenedAlarm openUringAlarm(clockid_t clock) {
  io_uring_params setup{};
  UniqueFd fd(int(syscall(__NR_io_uring_setup, kEntries, &setup)));
  if (!fd) return {nullptr, errno, "io_uring_setup"};
  // One mapping for both rings since Linux 5.4; timeouts can be removed since 5.5.
  if (!(setup.features & IORING_FEAT_SINGLE_MMAP)) return {nullptr, ENOSYS, "io_uring_setup"};
  const size_t sqBytes = setup.sq_off.array + setup.sq_entries * sizeof(unsigned);
  const size_t cqBytes = setup.cq_off.cqes + setup.cq_entries * sizeof(io_uring_cqe);
  MemoryMapping rings, entries;
  if (!rings.map(fd.get(), sqBytes > cqBytes ? sqBytes : cqBytes, IORING_OFF_SQ_RING)) return {nullptr, errno, "mmap"};
  if (!entries.map(fd.get(), setup.sq_entries * sizeof(io_uring_sqe), IORING_OFF_SQES)) return {nullptr, errno, "mmap"};
  auto alarm = std::make_unique<UringAlarm>(clock, std::move(fd), std::move(rings), std::move(entries), setup);
  // A kernel that does not know the operation, or the clock, says so only now, and at once.
  if (const int error = alarm->tryOut()) return {nullptr, error, "io_uring_enter"};
  return {std::move(alarm), 0, ""};
}

}  // namespace percore
