// Baseline `C++ seq_cst`: how long a message takes to the other core and back if two plain threads do nothing else.
//
//     asking thread, cpuA                                   echoing thread, cpuB
//       offer(question) ──▶ [ ring of 8-byte records ] ──▶ poll
//       poll            ◀── [ ring of 8-byte records ] ◀── offer(~question)
//
// Both sides spin. The ring is the one that a JavaScript program would have, and not the best one that C++ can build:
// every access to a cursor is sequentially consistent because `Atomics` offers nothing weaker, so each publish is a
// locked exchange. So the difference to a reactor comes from the reactor, and not from the memory model.
//
// A round is timed with two calls of clock_gettime, so each figure includes one of them (about 20 ns).
//
// Usage: ring_round_trip <cpuA> <cpuB> <rounds> <warmup>
// Exit code: 0; 1 if a payload is wrong or a side stops answering; 2 for bad arguments.
//
// Ordering table.
//
// | pair           | write side    | read side     | carries      | needs             | has     |
// |----------------|---------------|---------------|--------------|-------------------|---------|
// | `ring.publish` | `offer`       | `poll`        | record bytes | release → acquire | seq_cst |
// | `ring.free`    | `poll`        | `offer`       | slot reuse   | release → acquire | seq_cst |

#include <pthread.h>
#include <sched.h>
#include <time.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <memory>
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

constexpr std::uint32_t kCapacityRecords = 1024;
constexpr std::uint32_t kMask = kCapacityRecords - 1;
static_assert((kCapacityRecords & kMask) == 0, "an index is a sequence masked, so the capacity is a power of two");

// The bound of every wait: some seconds of pauses on any processor.
constexpr std::uint64_t kSpinLimit = std::uint64_t{1} << 28;

// Prefetchers fetch lines in pairs, so words with different writers lie 128 bytes apart.
struct Ring {
  alignas(128) std::atomic<std::uint32_t> producerCursor{0};
  alignas(128) std::atomic<std::uint32_t> consumerCursor{0};
  alignas(128) std::uint64_t records[kCapacityRecords] = {};
};

class Producer {
 public:
  explicit Producer(Ring& ring) : ring_(ring) {}

  bool offer(std::uint64_t record) {
    if (sequence_ - cachedConsumerCursor_ == kCapacityRecords) {
      // ring.free: pairs with the store in poll(). The consumer has finished with the slot before this load shows it
      // free.
      cachedConsumerCursor_ = ring_.consumerCursor.load(std::memory_order_seq_cst);
      if (sequence_ - cachedConsumerCursor_ == kCapacityRecords) return false;
    }
    ring_.records[sequence_ & kMask] = record;
    // ring.publish: pairs with the load in poll(). The record above must be visible before this cursor is.
    ring_.producerCursor.store(++sequence_, std::memory_order_seq_cst);
    return true;
  }

 private:
  Ring& ring_;
  std::uint32_t sequence_ = 0;
  std::uint32_t cachedConsumerCursor_ = 0;
};

class Consumer {
 public:
  explicit Consumer(Ring& ring) : ring_(ring) {}

  bool poll(std::uint64_t& record) {
    if (sequence_ == cachedProducerCursor_) {
      // ring.publish: pairs with the store in offer(). The record is read only after the cursor that covers it.
      cachedProducerCursor_ = ring_.producerCursor.load(std::memory_order_seq_cst);
      if (sequence_ == cachedProducerCursor_) return false;
    }
    record = ring_.records[sequence_ & kMask];
    // ring.free: pairs with the load in offer(). The copy above is finished before the slot is given back.
    ring_.consumerCursor.store(++sequence_, std::memory_order_seq_cst);
    return true;
  }

 private:
  Ring& ring_;
  std::uint32_t sequence_ = 0;
  std::uint32_t cachedProducerCursor_ = 0;
};

template <typename Attempt>
bool spinUntil(Attempt attempt) {
  for (std::uint64_t spins = 0; spins < kSpinLimit; ++spins) {
    if (attempt()) return true;
    pauseCpu();
  }
  return false;
}

// A record that no earlier round can have left in a slot, because an odd multiplier makes all of them differ.
std::uint64_t questionOf(std::uint64_t round) { return (round + 1) * 0x9e3779b97f4a7c15u; }

void echo(Ring& questions, Ring& answers, std::uint64_t rounds) {
  Consumer consumer(questions);
  Producer producer(answers);
  for (std::uint64_t round = 0; round < rounds; ++round) {
    std::uint64_t question = 0;
    // If nobody asks any longer, this thread ends; the asking one then reports that no answer came.
    if (!spinUntil([&] { return consumer.poll(question); })) return;
    if (!spinUntil([&] { return producer.offer(~question); })) return;
  }
}

std::int64_t nowNs() {
  timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return std::int64_t{now.tv_sec} * 1000000000 + now.tv_nsec;
}

// Pins the calling thread and reads the mask back, since the kernel may grant less than was asked for.
bool pinTo(int cpu) {
  cpu_set_t asked;
  CPU_ZERO(&asked);
  CPU_SET(cpu, &asked);
  cpu_set_t granted;
  if (pthread_setaffinity_np(pthread_self(), sizeof asked, &asked) == 0 &&
      pthread_getaffinity_np(pthread_self(), sizeof granted, &granted) == 0 && CPU_EQUAL(&asked, &granted)) {
    return true;
  }
  std::fprintf(stderr, "ring_round_trip: CPU %d was not granted\n", cpu);
  return false;
}

bool parseArgument(const char* name, const char* text, long long lowest, long long highest, long long& value) {
  char* end = nullptr;
  errno = 0;
  value = std::strtoll(text, &end, 10);
  if (errno == 0 && end != text && *end == '\0' && value >= lowest && value <= highest) return true;
  std::fprintf(stderr, "ring_round_trip: %s is '%s', not a number from %lld to %lld\n", name, text, lowest, highest);
  return false;
}

// Nearest rank: the smallest sample that at least this share of all samples does not exceed.
std::int64_t percentile(const std::vector<std::int64_t>& sorted, std::size_t perMille) {
  return sorted[(sorted.size() * perMille + 999) / 1000 - 1];
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 5) {
    std::fprintf(stderr, "usage: ring_round_trip <cpuA> <cpuB> <rounds> <warmup>\n");
    return 2;
  }
  long long cpuA, cpuB, rounds, warmup;
  if (!parseArgument("cpuA", argv[1], 0, CPU_SETSIZE - 1, cpuA) ||
      !parseArgument("cpuB", argv[2], 0, CPU_SETSIZE - 1, cpuB) ||
      !parseArgument("rounds", argv[3], 1, 10000000, rounds) ||
      !parseArgument("warmup", argv[4], 0, 10000000, warmup)) {
    return 2;
  }
  if (cpuA == cpuB) {
    std::fprintf(stderr, "ring_round_trip: two spinning threads need two CPUs, both are %lld\n", cpuA);
    return 2;
  }

  const auto questions = std::make_unique<Ring>();
  const auto answers = std::make_unique<Ring>();
  std::vector<std::int64_t> samples(static_cast<std::size_t>(rounds));

  // A thread inherits its creator's mask: the echoing thread never runs anywhere but on cpuB.
  if (!pinTo(static_cast<int>(cpuB))) return 2;
  std::thread echoing(echo, std::ref(*questions), std::ref(*answers), static_cast<std::uint64_t>(rounds + warmup));
  if (!pinTo(static_cast<int>(cpuA))) std::_Exit(2);

  Producer producer(*questions);
  Consumer consumer(*answers);
  for (long long round = -warmup; round < rounds; ++round) {
    const std::uint64_t question = questionOf(static_cast<std::uint64_t>(round + warmup));
    std::uint64_t answer = 0;
    const std::int64_t startNs = nowNs();
    const bool isAnswered = producer.offer(question) && spinUntil([&] { return consumer.poll(answer); });
    const std::int64_t endNs = nowNs();
    if (!isAnswered || answer != ~question) {
      std::fprintf(stderr, "ring_round_trip: round %lld %s\n", round + warmup,
                   isAnswered ? "brought a wrong payload" : "got no answer");
      std::_Exit(1);  // The echoing thread may still spin; leave without waiting for it.
    }
    if (round >= 0) samples[static_cast<std::size_t>(round)] = endNs - startNs;
  }
  echoing.join();

  std::sort(samples.begin(), samples.end());
  std::printf("{\"rounds\":%lld,\"p50Ns\":%lld,\"p99Ns\":%lld,\"maxNs\":%lld,\"verified\":true}\n", rounds,
              static_cast<long long>(percentile(samples, 500)), static_cast<long long>(percentile(samples, 990)),
              static_cast<long long>(samples.back()));
  return 0;
}
