// What wakes a reactor: one epoll descriptor, which libuv's own epoll watches. It holds the eventfd, the timerfd and
// whatever the I/O source puts into it. The eventfd and the timerfd are edge-triggered, so nobody has to read them.
// Source: epoll(7), timerfd_create(2).
#pragma once
#include <cstdint>

#include "io_source.h"
#include "loop_timer.h"
#include "unique_fd.h"

namespace percore {

class ThreadEpoll {
 public:
  // False, with errno set, when the kernel refuses. An eventFd of -1 means that there is none. Where a timerfd is
  // forbidden, a timer of `loop` stands in; without a loop nothing is ever armed.
  bool open(int eventFd, uv_loop_s* loop);
  int fd() const { return epoll_.get(); }
  // Wakes the sleeper at an absolute CLOCK_MONOTONIC time; INT64_MAX means never. It makes a system call only if the
  // time differs from the last one.
  void armTimer(int64_t monotonicNs);
  // Hands what is ready to `io` for as long as `io` has room, and waits up to `waitMs` for the first of it. Counts
  // wake-ups by the eventfd in `wakes`. Returns how many events there were.
  int collect(IoSource* io, double* wakes, int waitMs = 0);
  // Sleeps for `ns`, or until the eventfd, the timer or libuv's epoll wants the thread, while arrivals gather:
  // `collect` takes all of it afterwards. False if the kernel refuses, and then nothing has slept.
  bool sleepBesideArrivals(int loopFd, int64_t ns, const int32_t* attention);
  // Watches libuv's epoll as well, or no longer; that one must not watch this one meanwhile. False if it is refused.
  bool watchLoop(int backendFd);
  void unwatchLoop(int backendFd);
  // Whether the last `collect` has seen that libuv has something to do.
  bool isLoopReady() const { return isLoopReady_; }
  // Whether `armTimer` has a descriptor for it, and not a timer of libuv.
  bool hasTimer() const { return bool(timer_); }
  // Takes the eventfd out of the epoll, for a thread that polls it beside: so two epolls are spared at each wake. Its
  // number, or -1 when it stays where it is; it is then level-triggered, so `silenceWaker` comes before the next poll.
  int takeWaker();
  void silenceWaker();
  bool hasTakenWaker() const { return bool(waker_); }
  // To be called when the other handles of the loop are closed.
  void leaveLoop() { standIn_.close(); }
  void close();

 private:
  bool watchBeside(int loopFd);

  UniqueFd epoll_, timer_, waker_;
  UniqueFd beside_;  // an epoll with all but arrivals
  int eventFd_ = -1;  // in the epoll
  LoopTimer standIn_;
  int64_t armedNs_ = INT64_MAX;
  bool isLoopReady_ = false;
};

}  // namespace percore
