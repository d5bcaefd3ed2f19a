// Tells a thread that spins, without a system call, whether a descriptor has become readable: an io_uring polls it and
// writes a completion into memory that is looked at. The kernel interrupts the thread for that, but only when it
// happens.
//
//   closed --open--> armed --something has happened--> has rung, and armed again --close--> closed
//
// What was there before `open`, or was left after it has rung, rings no more: who was told, or has just opened it, asks
// the descriptor itself, by poll(2), before it relies on silence. Each event costs more with it than without, so it is
// for threads that seldom have any. Source: io_uring_enter(2), IORING_POLL_ADD_MULTI (Linux 5.13).
#pragma once
#include <poll.h>

#include <optional>

#include "uring_ring.h"

namespace percore {

class LoopBell {
 public:
  // Where io_uring, or this way of it, is refused, it stays closed and does not ask again.
  void open(int fd) {
    if (isRefused_) return;
    io_uring_params setup{};
    setup.flags = IORING_SETUP_CQSIZE;
    setup.cq_entries = kCompletions;
    isRefused_ = ring_.emplace().open(1, setup, 0) != 0;
    if (isRefused_) return close();
    io_uring_sqe* entry = ring_->push(IORING_OP_POLL_ADD, fd, 0);
    entry->len = IORING_POLL_ADD_MULTI;
    entry->poll32_events = POLLIN;
    isRefused_ = ring_->enter() != 0;
    if (isRefused_) close();
  }
  void close() { ring_.reset(); }
  bool isOpen() const { return ring_.has_value(); }

  // Whether it has rung since the last call. It may close by that.
  bool hasRung() {
    if (!ring_->hasCompletions()) return false;
    bool isArmed = !ring_->hasFlags(IORING_SQ_CQ_OVERFLOW);
    ring_->reap([&](const io_uring_cqe& done) {
      isArmed = isArmed && (done.flags & IORING_CQE_F_MORE) != 0;
      return true;
    });
    if (!isArmed) close();
    return true;
  }

 private:
  // So many events between two looks; beyond, it is closed.
  static constexpr unsigned kCompletions = 64;
  std::optional<UringRing> ring_;
  bool isRefused_ = false;
};

}  // namespace percore
