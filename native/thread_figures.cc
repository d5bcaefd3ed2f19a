#include "thread_figures.h"

namespace percore {

void Worst::take(const Episode& episode, const ThreadsByNumber& all) {
  beganNs = episode.beganNs;
  leftOut = episode.leftOut();
  count = episode.keptCount();
  for (uint32_t i = 0; i < count; i++) {
    const TraceEvent& event = episode.kept(i);
    events[i] = {event, all.of(event.prevPid, event.prevPriority), all.of(event.nextPid, event.nextPriority)};
    events[i].ns -= beganNs;
  }
}

uint64_t FigureRecord::read(double* numbers) const {
  std::fill(numbers, numbers + kNumbers, 0);
  if (!counts_) return 0;
  uint64_t sum = 0;
  for (int i = 0; i < kCounts; i++) {
    sum += counts_[i];
    numbers[i] = double(counts_[i]);
  }
  numbers[kCounts] = double(std::clamp(worstNs_, int64_t(0), kMostNs));
  numbers[kCounts + 1] = double(std::clamp(leastNs_, int64_t(0), kMostNs)) + 1;
  return sum;
}

void FigureRecord::begin() {
  counts_.reset(new uint64_t[kCounts]());
}

void FigureRecord::notice(int64_t ns, const Episode& episode, const ThreadsByNumber& all) {
  if (ns > boundNs_) violations_++;
  if (ns <= worstNs_) return;
  worstNs_ = ns;
  noticedNs_ = std::min(boundNs_, worstNs_);
  if (!worst_) worst_.reset(new Worst());
  worst_->take(episode, all);
}

}  // namespace percore
