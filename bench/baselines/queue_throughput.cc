// Baselines `C++ release`, `C++ release batch64` and `C++ seq_cst`: messages a second from one core to another over the
// ring that the best public SPSC queues use.
//
//     producing thread, cpuA                                              consuming thread, cpuB
//       claim, write, publish ──▶ [ ring of fixed or framed records ] ──▶ check every message, release
//
// Cursors of two writers lie 128 bytes apart, each side keeps a stale copy of the other's cursor and looks again only
// when the copy says full or empty, the capacity is a power of two, nothing is prefetched. With `release` a publish is
// a plain store on x86; with `seq_cst`, the only order that JavaScript has, each is a locked exchange. All else is the
// same code.
//
// patterns, as in the TypeScript rows:
//   single    one record is written, published, read and released at a time
//   lazy      one claim a record, published by `batch`; read and released by up to `batch`
//   batch     one claim, one publish, one release for `batch` records
//   variable  as lazy, with records of 16 to 256 bytes, each behind a header and padded to 8 bytes; recordBytes is 0
//
// A side that finds the ring full or empty pauses `pauses` times before it looks again. That matters more than all
// else: whoever looks all the time takes the line of the cursor from the one who writes it. README.md says which
// settings are the best ones here.
//
// Usage: queue_throughput <release|seq_cst> <pattern> <recordBytes> <batch> <capacity> <pauses> <cpuA> <cpuB>
//                         <warmupMs> <measureMs>
// The capacity is in records, with pattern `variable` in bytes. Exit code: 0, 1 when a message is wrong, 2 for bad
// arguments.
//
// Ordering table, the same two pairs in both orders.
//
// | pair           | write side | read side   | carries      | needs             |
// |----------------|------------|-------------|--------------|-------------------|
// | `ring.publish` | `publish`  | `available` | record bytes | release → acquire |
// | `ring.free`    | `release`  | `claim`     | slot reuse   | release → acquire |
//
// Source: rigtorp/SPSCQueue (cached cursors), FastForward (Giacomoni 2008).

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

// Messages between two looks at the clock and at the stop word. A multiple of every batch.
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

// Prefetchers fetch lines in pairs, so cells of different writers sit 128 bytes apart.
struct Shared {
  alignas(128) std::atomic<u32> producerCursor{0};
  alignas(128) std::atomic<u32> consumerCursor{0};
  // Messages that the producer will send at least; it stops behind them once isEnough is set.
  alignas(128) std::atomic<u64> promised{0};
  std::atomic<bool> isOver{false};
  alignas(128) std::atomic<bool> isEnough{false};
};

template <bool IsSeqCst>
struct Order {
  static constexpr std::memory_order store = IsSeqCst ? std::memory_order_seq_cst : std::memory_order_release;
  static constexpr std::memory_order load = IsSeqCst ? std::memory_order_seq_cst : std::memory_order_acquire;
};

// The private half of a producer. Units are records, or bytes of framed records.
template <bool IsSeqCst>
class Producer {
 public:
  Producer(Shared& shared, const Plan& plan) : shared_(&shared), capacity_(plan.capacity), pauses_(plan.pauses) {}

  u32 next = 0;

  // Waits until `units` beyond `next` are free.
  void claim(u32 units) {
    while (next + units - cachedConsumerCursor_ > capacity_) {
      // ring.free: pairs with the store in release(). The consumer is done with the slots before this load shows them
      // free.
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

  // Waits until there is something to read, and returns how many units.
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

// What a message is. Every word depends on the sequence, so that neither a lost nor a torn nor a stale one goes
// unnoticed.
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
      // A large record is made elsewhere and copied; a word of each cache line says which it is.
      for (u32 k = 0; k < Bytes / 4; k += 16) source.words[k] = sequence + k;
      std::memcpy(words, source.words, Bytes);
    }
  }

  // 0 when it is the message that was sent.
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

// The ring of fixed records, and how both sides go over `kSlice` messages of it. Each works on a copy of its private
// half, which the compiler can keep in registers: to it, an atomic store may change whatever others can reach.
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
      // Batches divide the ring, so a batch never wraps.
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
      // Published by `batch_`, so what is available is whole batches and never wraps within one.
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

  // Each side's own line.
  alignas(128) Producer<IsSeqCst> producer_;
  alignas(128) Consumer<IsSeqCst> consumer_;
  alignas(128) const u32 mask_;
  const u32 batch_;
  const bool isBatch_;
  alignas(128) Record<Bytes> source_{};
  alignas(128) std::vector<Record<Bytes>> records_;
};

// The ring of framed records: a header of length and type, then the payload, padded to 8 bytes; never broken at the
// wrap.
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

// Pins the calling thread and reads the mask back, since the kernel may grant less than was asked.
bool pinTo(int cpu) {
  cpu_set_t asked;
  CPU_ZERO(&asked);
  CPU_SET(cpu, &asked);
  cpu_set_t granted;
  if (pthread_setaffinity_np(pthread_self(), sizeof asked, &asked) == 0 &&
      pthread_getaffinity_np(pthread_self(), sizeof granted, &granted) == 0 && CPU_EQUAL(&asked, &granted)) {
    return true;
  }
  std::fprintf(stderr, "queue_throughput: CPU %d was not granted\n", cpu);
  return false;
}

// Runs both sides until the consumer has measured long enough, and all that was promised has been checked.
template <typename Ring>
int run(const Plan& plan) {
  const auto shared = std::make_unique<Shared>();
  const auto ring = std::make_unique<Ring>(*shared, plan);

  // A thread inherits its creator's mask: the producer never runs anywhere but on cpuA.
  if (!pinTo(plan.cpuA)) return 2;
  std::thread producing([&] {
    u64 sent = 0;
    while (!shared->isEnough.load()) {
      shared->promised.store(sent + kSlice);
      ring->produce(static_cast<u32>(sent));
      sent += kSlice;
    }
    shared->isOver.store(true);
  });
  if (!pinTo(plan.cpuB)) std::_Exit(2);

  u64 received = 0;
  u32 wrong = 0;
  // False when the producer has ended and all is read.
  const auto consumeSlice = [&] {
    while (shared->promised.load() == received) {
      if (shared->isOver.load() && shared->promised.load() == received) return false;
      pauseCpu();
    }
    wrong |= ring->consume(static_cast<u32>(received));
    received += kSlice;
    return true;
  };

  for (const double endMs = nowMs() + plan.warmupMs; nowMs() < endMs;) consumeSlice();
  const u64 before = received;
  const double startMs = nowMs();
  double elapsedMs = 0;
  do {
    consumeSlice();
    elapsedMs = nowMs() - startMs;
  } while (elapsedMs < plan.measureMs);
  const u64 messages = received - before;
  shared->isEnough.store(true);
  while (consumeSlice()) continue;
  producing.join();

  if (wrong != 0) {
    std::fprintf(stderr, "queue_throughput: a message was lost, repeated or torn\n");
    return 1;
  }
  std::printf("{\"messages\":%llu,\"seconds\":%.6f,\"rate\":%.0f,\"verified\":true}\n",
              static_cast<unsigned long long>(messages), elapsedMs / 1e3,
              static_cast<double>(messages) / elapsedMs * 1e3);
  return 0;
}

template <bool IsSeqCst>
int runOrder(const Plan& plan) {
  if (plan.pattern == "variable") return run<VariableRing<IsSeqCst>>(plan);
  switch (plan.recordBytes) {
    case 8: return run<FixedRing<IsSeqCst, 8>>(plan);
    case 64: return run<FixedRing<IsSeqCst, 64>>(plan);
    default: return run<FixedRing<IsSeqCst, 1024>>(plan);
  }
}

bool parseArgument(const char* name, const char* text, long long lowest, long long highest, long long& value) {
  char* end = nullptr;
  errno = 0;
  value = std::strtoll(text, &end, 10);
  if (errno == 0 && end != text && *end == '\0' && value >= lowest && value <= highest) return true;
  std::fprintf(stderr, "queue_throughput: %s is '%s', not a number from %lld to %lld\n", name, text, lowest, highest);
  return false;
}

bool isPowerOfTwo(long long value) { return (value & (value - 1)) == 0; }

bool refuse(const char* what) {
  std::fprintf(stderr, "queue_throughput: %s\n", what);
  return false;
}

bool parse(char** argv, Plan& plan) {
  const std::string order = argv[1];
  plan.pattern = argv[2];
  if (order != "release" && order != "seq_cst") return refuse("order is release or seq_cst");
  if (plan.pattern != "single" && plan.pattern != "lazy" && plan.pattern != "batch" && plan.pattern != "variable")
    return refuse("pattern is single, lazy, batch or variable");
  long long recordBytes, batch, capacity, pauses, cpuA, cpuB, warmupMs, measureMs;
  if (!parseArgument("recordBytes", argv[3], 0, 1024, recordBytes) ||
      !parseArgument("batch", argv[4], 1, 1 << 12, batch) ||
      !parseArgument("capacity", argv[5], 64, 1 << 26, capacity) ||
      !parseArgument("pauses", argv[6], 0, 1 << 20, pauses) ||
      !parseArgument("cpuA", argv[7], 0, CPU_SETSIZE - 1, cpuA) ||
      !parseArgument("cpuB", argv[8], 0, CPU_SETSIZE - 1, cpuB) ||
      !parseArgument("warmupMs", argv[9], 0, 60000, warmupMs) ||
      !parseArgument("measureMs", argv[10], 1, 60000, measureMs)) {
    return false;
  }
  const bool isVariable = plan.pattern == "variable";
  if (isVariable ? recordBytes != 0 : recordBytes != 8 && recordBytes != 64 && recordBytes != 1024)
    return refuse("recordBytes is 8, 64 or 1024, and 0 with pattern variable");
  if (!isPowerOfTwo(capacity) || !isPowerOfTwo(batch) || batch > capacity || (isVariable && capacity < 65536))
    return refuse("capacity and batch are powers of two, capacity the larger, with pattern variable 65536 or more");
  if ((plan.pattern == "single") != (batch == 1))
    return refuse("batch is 1 with pattern single, and above 1 with the others");
  if (cpuA == cpuB) return refuse("two spinning threads need two CPUs");
  plan = {order == "seq_cst",
          plan.pattern,
          static_cast<u32>(recordBytes),
          static_cast<u32>(batch),
          static_cast<u32>(capacity),
          static_cast<int>(pauses),
          static_cast<int>(cpuA),
          static_cast<int>(cpuB),
          static_cast<double>(warmupMs),
          static_cast<double>(measureMs)};
  return true;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 11) {
    std::fprintf(stderr,
                 "usage: queue_throughput <release|seq_cst> <single|lazy|batch|variable> <recordBytes> <batch> "
                 "<capacity> <pauses> <cpuA> <cpuB> <warmupMs> <measureMs>\n");
    return 2;
  }
  Plan plan;
  if (!parse(argv, plan)) return 2;
  return plan.isSeqCst ? runOrder<true>(plan) : runOrder<false>(plan);
}
