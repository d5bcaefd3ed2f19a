#include "mapped_pages.h"

#include <sys/mman.h>

#include <algorithm>
#include <atomic>
#include <cstring>

#include "cpu_events.h"

namespace percore {

namespace {

// What the kernel says of the pages, in front of them.
struct AboutPages {
  uint32_t metaBytes, structBytes, pageBytes, pages;
};

constexpr uint32_t kLeastPages = 8;

void* mapShared(int fd, size_t bytes) {
  void* const at = mmap(nullptr, bytes, PROT_READ, MAP_SHARED, fd, 0);
  return at == MAP_FAILED ? nullptr : at;
}

}  // namespace

std::unique_ptr<MappedPages> MappedPages::map(int fd, const TracePlaces& places) {
  constexpr size_t kSystemPage = 4096;
  AboutPages about;
  void* const meta = mapShared(fd, kSystemPage);
  if (!meta) return nullptr;
  memcpy(&about, meta, sizeof about);
  munmap(meta, kSystemPage);
  const bool isKnown = about.pageBytes == uint32_t(places.pageBytes) && about.metaBytes >= kSystemPage &&
                       about.metaBytes <= (1 << 20) && about.pages > kLeastPages;
  if (!isKnown) return nullptr;
  const size_t bytes = about.metaBytes + size_t(about.pages) * about.pageBytes;
  auto* const all = static_cast<char*>(mapShared(fd, bytes));
  if (!all) return nullptr;
  return std::unique_ptr<MappedPages>(
      new MappedPages(all, bytes, all + about.metaBytes, about.pages - 1, places));
}

MappedPages::~MappedPages() {
  munmap(all_, bytes_);
}

const char* MappedPages::at(uint32_t page) const {
  return first_ + size_t(page) * size_t(places_.pageBytes);
}

int64_t MappedPages::timeOf(uint32_t page) const {
  return __atomic_load_n(reinterpret_cast<const int64_t*>(at(page) + places_.timeAt), __ATOMIC_ACQUIRE);
}

uint32_t MappedPages::lengthOf(uint32_t page) const {
  const uint32_t length =
      __atomic_load_n(reinterpret_cast<const uint32_t*>(at(page) + places_.commitAt), __ATOMIC_ACQUIRE);
  return std::min(length & 0xfffff, uint32_t(places_.pageBytes - places_.dataAt)) & ~3u;
}

bool MappedPages::isIntact() const {
  std::atomic_thread_fence(std::memory_order_acquire);
  return lengthOf(page_) >= length_ && timeOf(page_) == startNs_;
}

void MappedPages::goTo(uint32_t page) {
  page_ = page;
  startNs_ = timeOf(page);
  length_ = lengthOf(page);
  copied_ = 0;
}

MappedPages::Step MappedPages::goToOldest() {
  uint32_t newest = 1;
  for (uint32_t page = 2; page <= count_; page++)
    if (isNewer(page, timeOf(newest))) newest = page;
  // The very oldest is just about to be overwritten.
  goTo((newest + count_ / 4) % count_ + 1);
  return Step::kHole;
}

MappedPages::Step MappedPages::step() {
  if (page_ == 0) {
    if (lengthOf(1) == 0) return Step::kNothing;
    // It has gone round before anybody looked.
    if (lengthOf(count_) > 0 && timeOf(count_) < timeOf(1)) return goToOldest();
    goTo(1);
    return Step::kPage;
  }
  if (!isIntact()) return goToOldest();
  if (const size_t length = lengthOf(page_); length > length_) {
    length_ = length;
    return isIntact() ? Step::kMore : goToOldest();
  }
  const uint32_t next = after(page_);
  if (!isNewer(next, startNs_)) return Step::kNothing;
  // The kernel has left this one, so what it holds now is all. The next one is overwritten after this one.
  const size_t length = lengthOf(page_);
  if (!isIntact()) return goToOldest();
  if (length > length_) {
    length_ = length;
    return Step::kMore;
  }
  goTo(next);
  return Step::kPage;
}

size_t MappedPages::copy(void* into, size_t again) {
  const size_t from = copied_ - std::min(again, copied_), bytes = std::min(kPieceBytes, length_ - from);
  memcpy(into, at(page_) + places_.dataAt + from, bytes);
  if (!isIntact()) return 0;
  copied_ = from + bytes;
  return bytes;
}

void MappedPages::skip(size_t bytes) {
  copied_ += std::min(bytes, length_ - copied_);
}

int32_t MappedPages::waiting() {
  if (page_ != 0 && !isIntact()) return int32_t(count_);
  if (newestNs_ < startNs_) {
    newest_ = page_;
    newestNs_ = startNs_;
  }
  for (uint32_t next = after(newest_); isNewer(next, newestNs_); next = after(newest_)) {
    newest_ = next;
    newestNs_ = timeOf(next);
  }
  const uint32_t from = std::max(page_, 1u);
  return int32_t((newest_ + count_ - from) % count_);
}

}  // namespace percore
