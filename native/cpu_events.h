// The events of one CPU, from the pages of the kernel's ring buffer as `trace_pipe_raw` gives them: read, one page at a
// time, or mapped, and then in pieces.
//
//      page   | time u64 | length and flags | data ...                              |
//      data   | type:5 delta:27 | [length or high time] | event | type:5 delta:27 | ...
//
// Types 1 to 28 are events of that many words, 0 has its length in the next word, 29 is nothing, 30 moves the time on,
// 31 sets it. A flag in the length says that events were overwritten before this page was read; how many is told where
// there is room for it, so that is for `stats` to say. All platforms of the addon are little-endian, and so is this.
//
// A page is read when the one before is used up, so that what was read is still in the core's cache, and a CPU is asked
// once a round whether there is more. Knows nothing of Node.
//
// Source: `events/header_event` of tracefs, kbuffer of libtraceevent.
#pragma once
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <memory>
#include <utility>
#include <vector>

#include "mapped_pages.h"

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
  const int fd;
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
  // That were taken.
  uint64_t count = 0;

  // Null for `mapped`: pages are read.
  CpuEvents(int32_t number, int pages, bool urgent, std::unique_ptr<MappedPages> mapped, const TracePlaces& places,
      int64_t zeroNs)
      : cpu(number), fd(pages), isUrgent(urgent), places_(places), zeroNs_(zeroNs), mapped_(std::move(mapped)),
        page_((mapped_ ? MappedPages::kPieceBytes : size_t(places.pageBytes)) / 4) {}

  // A new round: it may be asked again whether there is more.
  void beginRound() {
    isDry_ = false;
    pages_ = 0;
    if (timeNs == kNever) advance();
  }
  // Goes to the next event, or hole.
  void advance();
  // Gives the events from the one at hand on to `take(event, words, timeNs)`, up to `untilNs`, the next hole, or the
  // first that `take` refuses, which stays at hand. Nearly always an event's type says how long it is; then all that
  // moves on stays in registers.
  template <class Take>
  void giveUntil(int64_t untilNs, Take take) {
    while (timeNs <= untilNs && timeNs != kNever && !isHole) {
      const uint32_t* next = at_;
      const uint32_t* const end = end_;
      const int32_t* here = event;
      uint32_t words = eventWords;
      int64_t ns = timeNs;
      bool isNext = false;
      while (ns <= untilNs && take(here, words, ns)) {
        const uint32_t head = next < end ? *next : 0, length = head & kTypeMask;
        isNext = length - 1 >= kPadding - 1 || length >= size_t(end - next);
        if (isNext) break;
        ns += head >> kTypeBits;
        here = reinterpret_cast<const int32_t*>(next + 1);
        words = length;
        next += 1 + length;
      }
      at_ = next;
      clockNs_ = timeNs = ns;
      event = here;
      eventWords = words;
      if (!isNext) return;
      advance();
    }
  }
  int32_t pages() const { return pages_; }
  // Null where they are read.
  MappedPages* mapped() const { return mapped_.get(); }
  // Of the last read that failed, or 0.
  int error() const { return error_; }

 private:
  static constexpr int kTypeBits = 5;
  static constexpr uint32_t kTypeMask = (1 << kTypeBits) - 1;
  enum Type : uint32_t { kLong = 0, kPadding = 29, kTimeExtend = 30, kTimeStamp = 31 };

  // Whether so many words follow; of a mapped page the next piece is fetched for that.
  bool has(size_t words) {
    return words <= size_t(end_ - at_) || (mapped_ && fetch(size_t(end_ - at_)) && words <= size_t(end_ - at_));
  }
  // No further than to the end, whatever a head says.
  void skip(size_t words);
  // Whether something follows on this page or the next one.
  bool open() { return mapped_ ? openMapped() : openRead(); }
  bool openRead();
  bool openMapped();
  bool fetch(size_t againWords);
  void beginPage(int64_t startNs, bool isAfterHole);

  const TracePlaces& places_;
  const int64_t zeroNs_;
  const std::unique_ptr<MappedPages> mapped_;
  // Or a piece of one.
  std::vector<uint32_t> page_;
  // What follows of it: from a head to the end of its data.
  const uint32_t *at_ = nullptr, *end_ = nullptr;
  int64_t clockNs_ = 0;
  bool isHoleDue_ = false, isDry_ = true;
  int32_t pages_ = 0;
  int error_ = 0;
};

}  // namespace percore
