// What queue_throughput.cc needs to measure: the plan of a run, what both sides share, the private half of each side,
// and the contents of messages.
#ifndef PERCORE_BENCH_QUEUE_THROUGHPUT_SIDES_H
#define PERCORE_BENCH_QUEUE_THROUGHPUT_SIDES_H

#include <pthread.h>
#include <sched.h>
#include <time.h>

#include <atomic>
#include <cerrno>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#if defined(__x86_64__) || defined(__i386__)
#include <immintrin.h>
static inline void pauseCpu() { _mm_pause(); }
#elif defined(__aarch64__)
static inline void pauseCpu() { asm volatile("yield" ::: "memory"); }
#else
static inline void pauseCpu() { asm volatile("" ::: "memory"); }
#endif

namespace {

using u32 = std::uint32_t;
using u64 = std::uint64_t;

// The messages between two looks at the clock and at the stop word. A multiple of every batch.
constexpr u32 kSlice = 1 << 16;
constexpr u32 kSalt = 0x5bd1e995u;
constexpr u32 kLengths = 4096;
constexpr u32 kHeaderBytes = 8;
constexpr u32 kPadding = 0xffffffffu;

struct Plan {
  bool isSeqCst;
  std::string pattern;
  u32 recordBytes, batch, capacity;
  int pauses, cpuA, cpuB;
  double warmupMs, measureMs;
};

// Prefetchers fetch lines in pairs, so words with different writers lie 128 bytes apart.
struct Shared {
  alignas(128) std::atomic<u32> producerCursor{0};
  alignas(128) std::atomic<u32> consumerCursor{0};
  // The producer sends at least so many messages; once isEnough is set, it stops after them.
  alignas(128) std::atomic<u64> promised{0};
  std::atomic<bool> isOver{false};
  alignas(128) std::atomic<bool> isEnough{false};
};

template <bool IsSeqCst>
struct Order {
  static constexpr std::memory_order store = IsSeqCst ? std::memory_order_seq_cst : std::memory_order_release;
  static constexpr std::memory_order load = IsSeqCst ? std::memory_order_seq_cst : std::memory_order_acquire;
};

// The private half of a producer. Units are records, or bytes in the case of framed records.
template <bool IsSeqCst>
class Producer {
 public:
  Producer(Shared& shared, const Plan& plan) : shared_(&shared), capacity_(plan.capacity), pauses_(plan.pauses) {}

  u32 next = 0;

  // Waits until `units` after `next` are free.
  void claim(u32 units) {
    while (next + units - cachedConsumerCursor_ > capacity_) {
      // ring.free: pairs with the store in release(). The consumer has finished with the slots before this load shows
      // that they are free.
      cachedConsumerCursor_ = shared_->consumerCursor.load(Order<IsSeqCst>::load);
      if (next + units - cachedConsumerCursor_ <= capacity_) return;
      for (int i = 0; i < pauses_; ++i) pauseCpu();
    }
  }

  void publish() {
    // ring.publish: pairs with the load in available(). The records must be visible before this cursor is.
    shared_->producerCursor.store(next, Order<IsSeqCst>::store);
  }

 private:
  Shared* shared_;
  u32 capacity_;
  int pauses_;
  u32 cachedConsumerCursor_ = 0;
};

template <bool IsSeqCst>
class Consumer {
 public:
  Consumer(Shared& shared, const Plan& plan) : shared_(&shared), pauses_(plan.pauses) {}

  u32 next = 0;

  // Waits until there is something to read, and returns how many units there are.
  u32 available() {
    while (next == cachedProducerCursor_) {
      // ring.publish: pairs with the store in publish(). Records are read only after the cursor that covers them.
      cachedProducerCursor_ = shared_->producerCursor.load(Order<IsSeqCst>::load);
      if (next != cachedProducerCursor_) break;
      for (int i = 0; i < pauses_; ++i) pauseCpu();
    }
    return cachedProducerCursor_ - next;
  }

  void release() {
    // ring.free: pairs with the load in claim(). All reads of the records are finished before the slots are given back.
    shared_->consumerCursor.store(next, Order<IsSeqCst>::store);
  }

 private:
  Shared* shared_;
  int pauses_;
  u32 cachedProducerCursor_ = 0;
};

// The contents of messages. Every word depends on the sequence, so that a message that is lost, torn or stale is
// noticed.
template <u32 Bytes>
struct Record {
  u32 words[Bytes / 4];

  void write(u32 sequence, Record& source) {
    if constexpr (Bytes == 8) {
      words[0] = sequence;
      words[1] = sequence ^ kSalt;
    } else if constexpr (Bytes <= 64) {
      for (u32 k = 0; k < Bytes / 4; ++k) words[k] = sequence + k;
    } else {
      // A large record is made elsewhere and copied; one word in each cache line says which message it is.
      for (u32 k = 0; k < Bytes / 4; k += 16) source.words[k] = sequence + k;
      std::memcpy(words, source.words, Bytes);
    }
  }

  // 0 if this is the message that was sent.
  u32 check(u32 sequence) const {
    if constexpr (Bytes == 8) return (words[0] ^ sequence) | (words[1] ^ sequence ^ kSalt);
    constexpr u32 step = Bytes <= 64 ? 1 : 16;
    u32 sum = 0, of = 0;
    for (u32 k = 0; k < Bytes / 4; k += step) {
      sum += words[k];
      of += sequence + k;
    }
    return (words[0] ^ sequence) | (sum ^ of);
  }
};

}  // namespace

#endif
