// Events of the scheduler, taken from all CPUs in the order of time to the threads that are followed: see cpu_events.h
// and followed_thread.h.
//
// A hole in one stream is a hole in all that is known, since a thread may have been there meanwhile, so nothing is
// recorded until it is over. Rare events that must be told soon have buffers of their own, so a CPU can have two
// streams: see `addCpu`. Knows nothing of Node.
#pragma once
#include <cstddef>
#include <cstdint>
#include <memory>
#include <unordered_set>
#include <vector>

#include "cpu_events.h"
#include "followed_thread.h"
#include "threads_by_number.h"

namespace percore {

// What a round must be so that nobody has to be told of it.
struct AloneRounds {
  // Of one CPU: with fewer it came too early.
  int32_t leastPages = 0;
  // Since the round before.
  int64_t restNs = 0;
  // How old an event must be to be taken.
  int64_t settledNs = 0;
};

class KernelTrace {
 public:
  // For makeHandle.
  KernelTrace** handle = nullptr;
  void whenCollected() { delete this; }

  KernelTrace(const TracePlaces& places, int64_t zeroNs)
      : places_(places), zeroNs_(zeroNs), least_(places) {}
  ~KernelTrace() {
    if (handle) *handle = nullptr;
  }

  // `isUrgent`: a round says whether it has left an event of this stream for the next one. `isMapped`: its pages are to
  // be mapped; answers whether they are.
  bool addCpu(int32_t cpu, int fd, bool isUrgent, bool isMapped = false) {
    auto mapped = isMapped ? MappedPages::map(fd, places_) : nullptr;
    const bool is = mapped != nullptr;
    streams_.push_back(std::make_unique<CpuEvents>(cpu, fd, isUrgent, std::move(mapped), places_, zeroNs_));
    return is;
  }
  // Reads nothing any more, and unmaps what was mapped.
  void close() { streams_.clear(); }
  bool isMapped(int fd) const;
  // The most pages of one CPU that are mapped and have not been taken.
  int32_t waiting() const;
  // Of CPUs whose pages are mapped: events that were taken.
  uint64_t mappedCount() const;
  // The number of a thread that is followed from now on, until it is dropped.
  int32_t follow(int32_t tid, ThreadName name);
  void drop(int32_t slot);
  // Null for a number that nobody has.
  FollowedThread* threadAt(int32_t slot) {
    return slot >= 0 && size_t(slot) < threads_.size() ? threads_[size_t(slot)].get() : nullptr;
  }

  // What a round tells besides the threads' own figures, three words each.
  enum class Note : int32_t { kExit, kFork };
  struct Round {
    // Words of `notes` that were written, and whether there was no room for more: then the round is to go on.
    size_t notes = 0;
    bool isCut = false;
    // Most pages of one CPU, and whether there was a hole.
    int32_t pages = 0;
    bool hadHole = false;
    // An urgent event is at hand that is younger than this round.
    bool isUrgent = false;
    // 0, or -errno of a read.
    int error = 0;
  };
  // Takes the events up to `untilNs`. `isMore`: goes on with a round that was cut.
  Round round(int64_t untilNs, int32_t* notes, size_t mostWords, bool isMore);
  // Takes a round of which nobody has to be told. False if somebody has, or if it is too early for one; what is to be
  // told is told by the next round.
  bool roundAlone(const AloneRounds& limits);
  // When the last one ended, since zero.
  int64_t roundAtNs = 0;

  // Events of any kind, also of threads that are not followed.
  uint64_t count = 0;

 private:
  // Takes what this CPU has up to `untilNs`, and stops where there is no room for a note.
  void takeUntil(int64_t untilNs, CpuEvents& stream, Round& round, int32_t* notes, size_t mostWords);
  void takeHole(const CpuEvents& stream, Round& round);
  void takeSwitch(const int32_t* event, int64_t timeNs, int32_t cpu);
  void takeWaking(const int32_t* event, int64_t timeNs, int32_t cpu);
  void takeInterrupt(const int32_t* event, int64_t timeNs, int32_t cpu, bool isEntry);
  bool takeRare(const int32_t* event, uint32_t words, Round& round, int32_t* notes, size_t mostWords);
  void note(Round& round, int32_t* notes, Note kind, int32_t first, int32_t second);
  void index();
  // How many words an event of each kind has at least, so that all fields that are read lie in it.
  struct Least {
    explicit Least(const TracePlaces& places);
    uint32_t exit, fork, switches, waking, irq;
  };

  const TracePlaces places_;
  const int64_t zeroNs_;
  const Least least_;
  std::vector<std::unique_ptr<CpuEvents>> streams_;
  std::vector<std::unique_ptr<FollowedThread>> threads_;
  ThreadsByNumber all_;
  // CPUs in the handler of a device's interrupt, as far as that is seen.
  std::unordered_set<int32_t> inHandler_;
  // Of rounds that nobody was told of, and of whom somebody has to be.
  Round untold_;
  int64_t blindUntilNs_ = std::numeric_limits<int64_t>::min();
};

}  // namespace percore
