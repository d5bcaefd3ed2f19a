// An alarm on io_uring: a ring of its own that holds at most one timeout.
//
//   arm: reap ──> [timeout_remove of the old one] + timeout of the new one ──enter──> kernel
//                                                             fd() is readable <──completion──┘
//
// Each timeout carries a generation as its user data, so that the completion of one that was replaced (ECANCELED, or
// ETIME when the removal came too late) is not taken for the present one. Completions are taken from shared memory,
// without a system call.
//
// Refusals are ordinary: Docker and others filter io_uring_setup (EPERM, ENOSYS), a sysctl forbids it (EPERM), locked
// memory runs out (ENOMEM). IORING_SETUP_DEFER_TASKRUN is not asked for: the descriptor then never becomes readable by
// itself. Without it a completion interrupts the sleep (EINTR), and the sleep that follows finds the descriptor
// readable: which is why this alarm is not earlier than a timerfd. Sources: those of uring_ring.h.
#include <algorithm>
#include <cerrno>

#include "alarm.h"
#include "uring_ring.h"

namespace percore {

namespace {

// Newer (5.15) than some kernel headers that this is built with.
constexpr unsigned kTimeoutBoottime = 1u << 2;
// Two are written a time; the completion queue has twice as many and is emptied before each submission.
constexpr unsigned kEntries = 8;

class UringAlarm final : public Alarm {
 public:
  explicit UringAlarm(clockid_t clock) : Alarm(clock) {}

  // 0 or errno; `call` is then the system call that refused.
  int open(const char** call) {
    // Timeouts can be removed since 5.5.
    const int error = ring_.open(kEntries, {}, 0);
    *call = ring_.refused();
    if (error != 0) return error;
    // A kernel that does not know the operation, or the clock, says so only now, and at once.
    *call = "io_uring_enter";
    return tryOut();
  }

  int fd() const override { return ring_.fd(); }

  int arm(int64_t deadlineNs) override {
    // What was refused before goes first, so that the queue is never full.
    if (const int refused = ring_.submit()) return refused;
    remove();
    deadlineNs_ = deadlineNs;
    // Relative, since kernels up to 6.18 at least take an absolute time-out in a time namespace for one outside of it:
    // it came a year late. The kernel's clock is read after ours, so this cannot be early; and as each delay is taken
    // from an absolute deadline, nothing adds up. The kernel copies it in io_uring_enter.
    const int64_t delayNs = std::max<int64_t>(deadlineNs - nowNs(), 0);
    delay_.tv_sec = delayNs / 1000000000;
    delay_.tv_nsec = delayNs % 1000000000;
    io_uring_sqe* timeout = ring_.push(IORING_OP_TIMEOUT, -1, ++generation_);
    timeout->addr = reinterpret_cast<uint64_t>(&delay_);
    timeout->len = 1;
    timeout->timeout_flags = clock_ == CLOCK_BOOTTIME ? kTimeoutBoottime : 0;
    isPending_ = true;
    return ring_.submit();
  }

  int disarm() override {
    if (const int refused = ring_.submit()) return refused;
    remove();
    deadlineNs_ = INT64_MAX;
    isPending_ = false;
    const int result = ring_.submit();
    // A removal is answered at once: taken now, it wakes nobody. (Not so in arm(), where a timeout that is over is
    // answered at once too, and must make the descriptor readable.)
    reap();
    return result;
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
  // 0 or errno.
  int tryOut() {
    const int refused = arm(nowNs() + 1000000000);
    reap();
    if (refused != 0 || !isPending_) return refused != 0 ? -refused : EINVAL;
    return -disarm();
  }

  // Takes out what is armed, if anything is, with the enter that follows.
  void remove() {
    reap();
    if (isPending_) ring_.push(IORING_OP_TIMEOUT_REMOVE, -1, kNobody)->addr = generation_;
  }

  // The completion of the present generation ends `isPending_`.
  void reap() {
    ring_.reap([this](const io_uring_cqe& done) {
      if (done.user_data == generation_) isPending_ = false;
      return true;
    });
  }

  static constexpr uint64_t kNobody = 0;

  UringRing ring_;
  __kernel_timespec delay_{};
  int64_t deadlineNs_ = INT64_MAX;
  uint64_t generation_ = kNobody;
  bool isPending_ = false;
};

}  // namespace

OpenedAlarm openUringAlarm(clockid_t clock) {
  auto alarm = std::make_unique<UringAlarm>(clock);
  const char* call = "";
  if (const int error = alarm->open(&call)) return {nullptr, error, call};
  return {std::move(alarm), 0, ""};
}

}  // namespace percore
