// Events of the scheduler, from the pages of the kernel's ring buffers as `trace_pipe_raw` gives them to the threads
// that are followed: read in place, one page of each CPU at a time, taken from all CPUs in the order of time.
//
//      page   | time u64 | length and flags | data ...                              |
//      data   | type:5 delta:27 | [length or high time] | event | type:5 delta:27 | ...
//
// Types 1 to 28 are events of that many words, 0 has its length in the next word, 29 is nothing, 30 moves the time on,
// 31 sets it. A flag in the length says that events were overwritten before this page was read; how many is told where
// there is room for it, so that is for `stats` to say. All platforms of the addon are little-endian, and so is this.
//
// A page is read when the one before is used up, so that what was read is still in the core's cache, and a CPU is asked
// once a round whether there is more. A hole in one stream is a hole in all that is known, since a thread may have been
// there meanwhile, so nothing is recorded until it is over. Knows nothing of Node.
//
// Rare events that must be told soon have buffers of their own, so a CPU can have two streams: see `addCpu`.
//
// Source: `events/header_event` of tracefs, kbuffer of libtraceevent.
#pragma once
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <unordered_set>
#include <vector>

#include "followed_thread.h"
#include "threads_by_number.h"

namespace percore {

// What `format` files and `header_page` say, in this order in `TraceOptions` of src/native/traces.ts. Places of fields
// are words of 32 bits from the beginning of the event, those of a page bytes.
struct TracePlaces {
  int32_t pageBytes, timeAt, commitAt, dataAt;
  int32_t switchId, wakingId, exitId, forkId, irqEntryId, irqExitId;
  int32_t prevPid, prevPriority, prevName, prevState, nextPid, nextPriority, nextName;
  int32_t wakingPid, wakingCpu, exitPid, forkParent, forkChild, entryIrq, exitIrq;
  // The bit of prev_state that says: it did not sleep, the core was taken from it.
  int32_t preempted;

  static constexpr size_t kCount = 25;
  // What an event of each kind must have at least, so that no field lies outside of it.
  bool isSound() const;
};
static_assert(sizeof(TracePlaces) == TracePlaces::kCount * sizeof(int32_t));

// The events of one CPU in their order, or some kinds of them.
class CpuEvents {
 public:
  static constexpr int64_t kNever = std::numeric_limits<int64_t>::max();

  const int32_t cpu;
  // Somebody waits for what these events tell.
  const bool isUrgent;
  // When the event at hand was, in nanoseconds since `zero`; kNever when none is.
  int64_t timeNs = kNever;
  // The event at hand: its words, and how many.
  const int32_t* event = nullptr;
  uint32_t eventWords = 0;
  // At hand is no event but a hole: what happened from `timeNs` until then was overwritten.
  bool isHole = false;
  int64_t holeUntilNs = 0;

  CpuEvents(int32_t number, int fd, bool urgent, const TracePlaces& places, int64_t zeroNs)
      : cpu(number), isUrgent(urgent), fd_(fd), places_(places), zeroNs_(zeroNs),
        page_(size_t(places.pageBytes) / 4) {}

  // A new round: it may be asked again whether there is more.
  void beginRound() {
    isDry_ = false;
    pages_ = 0;
    if (timeNs == kNever) advance();
  }
  // Goes to the next event, or hole. Nearly always that is an event whose type says how long it is.
  void advance() {
    const uint32_t head = at_ < end_ ? *at_ : 0, words = head & kTypeMask;
    if (words - 1 >= kPadding - 1 || words >= size_t(end_ - at_)) return advanceSlowly();
    isHole = false;
    clockNs_ += head >> kTypeBits;
    timeNs = clockNs_;
    event = reinterpret_cast<const int32_t*>(at_ + 1);
    eventWords = words;
    at_ += 1 + words;
  }
  int32_t pages() const { return pages_; }
  // Of the last read that failed, or 0.
  int error() const { return error_; }

 private:
  static constexpr int kTypeBits = 5;
  static constexpr uint32_t kTypeMask = (1 << kTypeBits) - 1;
  enum Type : uint32_t { kLong = 0, kPadding = 29, kTimeExtend = 30, kTimeStamp = 31 };

  void advanceSlowly();
  // No further than to the end, whatever a head says.
  void skip(size_t words) { at_ += std::min(words, size_t(end_ - at_)); }
  bool open();

  const int fd_;
  const TracePlaces& places_;
  const int64_t zeroNs_;
  std::vector<uint32_t> page_;
  // What follows of the page: from a head to the end of its data.
  const uint32_t *at_ = nullptr, *end_ = nullptr;
  int64_t clockNs_ = 0;
  bool isHoleDue_ = false, isDry_ = true;
  int32_t pages_ = 0;
  int error_ = 0;
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

  // `isUrgent`: a round says whether it has left an event of this stream for the next one.
  void addCpu(int32_t cpu, int fd, bool isUrgent) {
    streams_.push_back(std::make_unique<CpuEvents>(cpu, fd, isUrgent, places_, zeroNs_));
  }
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

  // Events of any kind, also of threads that are not followed.
  uint64_t count = 0;

 private:
  // Takes what this CPU has up to `untilNs`, and stops where there is no room for a note.
  void takeUntil(int64_t untilNs, CpuEvents& stream, Round& round, int32_t* notes, size_t mostWords);
  void takeHole(const CpuEvents& stream, Round& round);
  void takeSwitch(const CpuEvents& stream);
  void takeWaking(const CpuEvents& stream);
  void takeInterrupt(const CpuEvents& stream, bool isEntry);
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
  int64_t blindUntilNs_ = std::numeric_limits<int64_t>::min();
};

}  // namespace percore
