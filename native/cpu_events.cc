#include "cpu_events.h"

#include <unistd.h>

#include <cerrno>
#include <cstring>

namespace percore {

namespace {

constexpr uint64_t kLengthMask = 0xfffff, kHasLost = uint64_t(1) << 31;

}  // namespace

bool TracePlaces::isSound() const {
  const int32_t words[] = {prevPid, prevPriority, prevName, prevState, nextPid, nextPriority, nextName, wakingPid,
      wakingCpu, exitPid, forkParent, forkChild, entryIrq, exitIrq};
  // An event is at most as long as its type can say.
  for (const int32_t word : words)
    if (word < 2 || word > 1024) return false;
  const int32_t least = dataAt + 8;
  return pageBytes >= least && pageBytes <= (1 << 20) && pageBytes % 8 == 0 && timeAt >= 0 && timeAt % 8 == 0 &&
         timeAt + 8 <= dataAt && commitAt >= 0 && commitAt % 4 == 0 && commitAt + 4 <= dataAt && dataAt % 4 == 0;
}

void CpuEvents::advance() {
  isHole = false;
  for (;;) {
    if (isHoleDue_) {
      isHoleDue_ = false;
      isHole = true;
      timeNs = clockNs_;
      clockNs_ = holeUntilNs;
      return;
    }
    if (!has(1)) {
      if (open()) continue;
      timeNs = kNever;
      return;
    }
    const uint32_t type = *at_ & kTypeMask, delta = *at_ >> kTypeBits;
    const bool hasSecond = type == kLong || type >= kPadding;
    // Cut short, as below, which no kernel does.
    if (hasSecond && !has(2)) {
      at_ = end_;
      continue;
    }
    const uint64_t second = hasSecond ? at_[1] : 0;
    if (type == kTimeExtend) {
      clockNs_ += int64_t(delta) + int64_t(second << 27);
      at_ += 2;
    } else if (type == kTimeStamp) {
      // Its upper five bits are those of the page's own time.
      const uint64_t upper = uint64_t(clockNs_ + zeroNs_) & (uint64_t(0x1f) << 59);
      clockNs_ = int64_t(upper | (second << 27) | delta) - zeroNs_;
      at_ += 2;
    } else if (type == kPadding) {
      clockNs_ += delta;
      skip(delta == 0 ? size_t(places_.pageBytes) / 4 : 1 + size_t(second / 4));
    } else {
      clockNs_ += delta;
      // The length counts its own word.
      const size_t head = type == kLong ? 2 : 1, length = type == kLong ? size_t(second / 4) : size_t(type) + 1;
      const size_t words = head + length - 1;
      if (length < head || !has(words)) {
        at_ = end_;
        continue;
      }
      event = reinterpret_cast<const int32_t*>(at_ + head);
      eventWords = uint32_t(length - 1);
      timeNs = clockNs_;
      at_ += words;
      return;
    }
  }
}

void CpuEvents::skip(size_t words) {
  const size_t here = std::min(words, size_t(end_ - at_));
  at_ += here;
  if (mapped_) mapped_->skip(4 * (words - here));
}

void CpuEvents::beginPage(int64_t startNs, bool isAfterHole) {
  pages_++;
  isHoleDue_ = isAfterHole;
  // The clock moves on when the hole has been taken.
  if (isAfterHole) holeUntilNs = startNs;
  else clockNs_ = startNs;
}

bool CpuEvents::openRead() {
  if (isDry_) return false;
  ssize_t length;
  do {
    length = read(fd, page_.data(), page_.size() * 4);
  } while (length < 0 && errno == EINTR);
  if (length < places_.dataAt) {
    isDry_ = true;
    error_ = length < 0 && errno != EAGAIN ? errno : 0;
    return false;
  }
  const auto* bytes = reinterpret_cast<const char*>(page_.data());
  uint32_t commit;
  int64_t startNs;
  memcpy(&commit, bytes + places_.commitAt, sizeof commit);
  memcpy(&startNs, bytes + places_.timeAt, sizeof startNs);
  const size_t begin = size_t(places_.dataAt) / 4;
  at_ = page_.data() + begin;
  end_ = page_.data() + std::min(begin + size_t(commit & kLengthMask) / 4, size_t(length) / 4);
  beginPage(startNs - zeroNs_, (commit & kHasLost) != 0);
  return true;
}

bool CpuEvents::openMapped() {
  if (isDry_) return false;
  const MappedPages::Step step = mapped_->step();
  isDry_ = step == MappedPages::Step::kNothing;
  if (isDry_) return false;
  if (step != MappedPages::Step::kMore) beginPage(mapped_->startNs() - zeroNs_, step == MappedPages::Step::kHole);
  fetch(0);
  return true;
}

bool CpuEvents::fetch(size_t againWords) {
  const size_t bytes = mapped_->copy(page_.data(), 4 * againWords);
  at_ = page_.data();
  end_ = at_ + bytes / 4;
  return bytes > 0;
}

}  // namespace percore
