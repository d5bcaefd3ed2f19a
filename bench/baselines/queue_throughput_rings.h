// The two rings of queue_throughput.cc, for fixed and for framed records, and the loops of both sides.
#ifndef PERCORE_BENCH_QUEUE_THROUGHPUT_RINGS_H
#define PERCORE_BENCH_QUEUE_THROUGHPUT_RINGS_H

#include "queue_throughput_sides.h"

namespace {

// The ring of fixed records, and the loops of both sides over `kSlice` messages. Each side works on a copy of its
// private half, which the compiler can keep in registers. It could not if others could reach that half, since for the
// compiler an atomic store may change everything that others can reach.
template <bool IsSeqCst, u32 Bytes>
class FixedRing {
 public:
  FixedRing(Shared& shared, const Plan& plan)
      : producer_(shared, plan),
        consumer_(shared, plan),
        mask_(plan.capacity - 1),
        batch_(plan.batch),
        isBatch_(plan.pattern == "batch"),
        records_(plan.capacity) {}

  void produce(u32 first) {
    if (isBatch_) produceBatches(first);
    else produceEach(first);
  }

  u32 consume(u32 first) { return batch_ == 1 ? consumeEach(first) : consumeBatches(first); }

 private:
  void produceEach(u32 first) {
    Producer<IsSeqCst> producer = producer_;
    Record<Bytes>* const records = records_.data();
    u32 unpublished = 0;
    for (u32 i = 0; i < kSlice; ++i) {
      producer.claim(1);
      records[producer.next & mask_].write(first + i, source_);
      ++producer.next;
      if (++unpublished < batch_) continue;
      unpublished = 0;
      producer.publish();
    }
    producer_ = producer;
  }

  void produceBatches(u32 first) {
    Producer<IsSeqCst> producer = producer_;
    Record<Bytes>* const records = records_.data();
    for (u32 i = 0; i < kSlice; i += batch_) {
      producer.claim(batch_);
      // The size of the ring is a multiple of the batch, so a batch never wraps.
      Record<Bytes>* const claimed = &records[producer.next & mask_];
      for (u32 j = 0; j < batch_; ++j) claimed[j].write(first + i + j, source_);
      producer.next += batch_;
      producer.publish();
    }
    producer_ = producer;
  }

  u32 consumeEach(u32 first) {
    Consumer<IsSeqCst> consumer = consumer_;
    const Record<Bytes>* const records = records_.data();
    u32 wrong = 0;
    for (u32 i = 0; i < kSlice; ++i) {
      consumer.available();
      wrong |= records[consumer.next & mask_].check(first + i);
      ++consumer.next;
      consumer.release();
    }
    consumer_ = consumer;
    return wrong;
  }

  u32 consumeBatches(u32 first) {
    Consumer<IsSeqCst> consumer = consumer_;
    const Record<Bytes>* const records = records_.data();
    u32 wrong = 0;
    for (u32 i = 0; i < kSlice;) {
      // The producer publishes by `batch_`, so what is available are whole batches, which never wrap.
      const u32 available = consumer.available();
      const u32 count = available < batch_ ? available : batch_;
      const Record<Bytes>* const ready = &records[consumer.next & mask_];
      for (u32 j = 0; j < count; ++j) wrong |= ready[j].check(first + i + j);
      i += count;
      consumer.next += count;
      consumer.release();
    }
    consumer_ = consumer;
    return wrong;
  }

  // Each side has a line of its own.
  alignas(128) Producer<IsSeqCst> producer_;
  alignas(128) Consumer<IsSeqCst> consumer_;
  alignas(128) const u32 mask_;
  const u32 batch_;
  const bool isBatch_;
  alignas(128) Record<Bytes> source_{};
  alignas(128) std::vector<Record<Bytes>> records_;
};

// The ring of framed records: a header with length and type, then the payload, padded to 8 bytes. A record is never
// split at the wrap.
template <bool IsSeqCst>
class VariableRing {
 public:
  VariableRing(Shared& shared, const Plan& plan)
      : producer_(shared, plan),
        consumer_(shared, plan),
        capacity_(plan.capacity),
        batch_(plan.batch),
        words_(plan.capacity / 4) {
    for (u32 i = 0; i < kLengths; ++i) lengths_[i] = 16 + 4 * (((i * 0x9e3779b1u) >> 16) % 61);
  }

  void produce(u32 first) {
    Producer<IsSeqCst> producer = producer_;
    u32* const words = words_.data();
    u32 unpublished = 0;
    for (u32 i = 0; i < kSlice; ++i) {
      const u32 sequence = first + i;
      const u32 length = lengths_[sequence % kLengths];
      const u32 framed = (kHeaderBytes + length + 7) & ~7u;
      u32 at = producer.next & (capacity_ - 1);
      const u32 toEnd = capacity_ - at;
      if (framed > toEnd) {
        producer.claim(toEnd + framed);
        words[at / 4] = toEnd;
        words[at / 4 + 1] = kPadding;
        producer.next += toEnd;
        at = 0;
      } else {
        producer.claim(framed);
      }
      words[at / 4] = length;
      words[at / 4 + 1] = 1;
      u32* const payload = &words[at / 4 + 2];
      for (u32 k = 0; k < length / 4; ++k) payload[k] = sequence + k;
      producer.next += framed;
      if (++unpublished < batch_) continue;
      unpublished = 0;
      producer.publish();
    }
    producer_ = producer;
  }

  u32 consume(u32 first) {
    Consumer<IsSeqCst> consumer = consumer_;
    const u32* const words = words_.data();
    u32 wrong = 0;
    for (u32 i = 0; i < kSlice;) {
      const u32 end = consumer.next + consumer.available();
      for (u32 read = 0; read < batch_ && i < kSlice && consumer.next != end;) {
        const u32 at = consumer.next & (capacity_ - 1);
        const u32 length = words[at / 4];
        if (words[at / 4 + 1] == kPadding) {
          consumer.next += length;
          continue;
        }
        const u32 sequence = first + i;
        const u32* const payload = &words[at / 4 + 2];
        u32 sum = 0, of = 0;
        for (u32 k = 0; k < length / 4; ++k) {
          sum += payload[k];
          of += sequence + k;
        }
        wrong |= (payload[0] ^ sequence) | (sum ^ of) | (length ^ lengths_[sequence % kLengths]);
        consumer.next += (kHeaderBytes + length + 7) & ~7u;
        ++i;
        ++read;
      }
      consumer.release();
    }
    consumer_ = consumer;
    return wrong;
  }

 private:
  alignas(128) Producer<IsSeqCst> producer_;
  alignas(128) Consumer<IsSeqCst> consumer_;
  alignas(128) const u32 capacity_;
  const u32 batch_;
  u32 lengths_[kLengths];
  std::vector<u32> words_;
};

double nowMs() {
  timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return static_cast<double>(now.tv_sec) * 1e3 + static_cast<double>(now.tv_nsec) / 1e6;
}

}  // namespace

#endif
