// The pages of one CPU as the kernel writes them, seen where they are, and copied from there in pieces.
//
//      about them | 0: unused | 1 | 2 | ... | n     written in this order, and then from 1 on again
//
// Nothing is marked as read: for that the kernel goes over every event (TRACE_MMAP_IOCTL_GET_READER), which takes
// longer than to have it copy them. So it overwrites what is oldest, whether it was taken or not, and whoever reads has
// to see that. A page that is begun anew has first nothing in it, then another time, and only then other events. So a
// piece is what it seems to be if its page still has the same time and as much in it after it was copied.
//
// Nor does the kernel tell when there is something to read, once it has gone round: see `waiting`. Knows nothing of
// Node. Source: Documentation/trace/ring-buffer-map.rst, kernel/trace/ring_buffer.c.
#pragma once
#include <cstddef>
#include <cstdint>
#include <memory>

namespace percore {

struct TracePlaces;

class MappedPages {
 public:
  // A piece stays in the core's first cache while its events are taken.
  static constexpr size_t kPieceBytes = 4096;

  // Null where the kernel does not have it, which is before Linux 6.10, or lays it out in another way.
  static std::unique_ptr<MappedPages> map(int fd, const TracePlaces& places);
  ~MappedPages();
  MappedPages(const MappedPages&) = delete;
  MappedPages& operator=(const MappedPages&) = delete;

  // kMore: the page at hand has more than before. kPage: the next one is at hand. kHole: it is, and what was between
  // has been overwritten.
  enum class Step { kNothing, kMore, kPage, kHole };
  Step step();
  // The time at which the page at hand begins.
  int64_t startNs() const { return startNs_; }
  // Copies what follows of the page at hand, as far as `step` has seen it, at most kPieceBytes; `again`: from so many
  // bytes before that. Answers how many bytes; 0 when there are none left, or they have been overwritten.
  size_t copy(void* into, size_t again);
  // Leaves out what follows.
  void skip(size_t bytes);
  // Of the pages, how many the kernel has written since that at hand.
  int32_t waiting();

 private:
  MappedPages(char* all, size_t bytes, const char* first, uint32_t count, const TracePlaces& places)
      : all_(all), bytes_(bytes), first_(first), count_(count), places_(places) {}

  const char* at(uint32_t page) const;
  int64_t timeOf(uint32_t page) const;
  uint32_t lengthOf(uint32_t page) const;
  // Whether what was seen of the page at hand so far is still there.
  bool isIntact() const;
  uint32_t after(uint32_t page) const { return page == count_ ? 1 : page + 1; }
  bool isNewer(uint32_t page, int64_t timeNs) const { return timeOf(page) > timeNs && lengthOf(page) > 0; }
  void goTo(uint32_t page);
  Step goToOldest();

  char* const all_;
  const size_t bytes_;
  // Of page 0.
  const char* const first_;
  const uint32_t count_;
  const TracePlaces& places_;
  // The page at hand, 0 at first: its number, its time, how much of it was seen and how much was copied.
  uint32_t page_ = 0;
  int64_t startNs_ = 0;
  size_t length_ = 0, copied_ = 0;
  // The newest page that was seen, and its time.
  uint32_t newest_ = 1;
  int64_t newestNs_ = 0;
};

}  // namespace percore
