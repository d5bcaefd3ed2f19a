// Both sides of a C++ peer: the contents of messages, how a side waits, and how it is timed. A program has a queue with
//
//   bool offer(const Record&)             false if the queue is full
//   u32 offerMany(const Record*, u32)     returns how many had room
//   u32 take(Record*, u32)                returns how many there were
//   bool wait(Record&)                    sleeps until the next one comes; for `wake`, if the queue can do that
//
// and calls `raceOrTrip`. See ../README.md for the arguments and the output.
#ifndef PERCORE_BENCH_PEERS_PEER_H
#define PERCORE_BENCH_PEERS_PEER_H

#include <immintrin.h>
#include <pthread.h>
#include <sched.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <thread>
#include <type_traits>
#include <vector>

using u32 = std::uint32_t;
using u64 = std::uint64_t;

constexpr u32 kSalt = 0x5bd1e995;
constexpr u32 kMost = 64;

struct Plan {
  std::string queue, pattern;
  u32 bytes, batch, capacity, producers;
  int cpuA, cpuB;
  double warmupMs, measureMs;
};

inline Plan parsePlan(int argc, char** argv) {
  if (argc != 11) {
    std::fprintf(stderr, "usage: %s queue each|batch|broadcast|round-trip|wake bytes batch capacity producers cpuA "
                 "cpuB warmupMs measureMs\n", argv[0]);
    std::exit(2);
  }
  const auto number = [&](int at) { return static_cast<u32>(std::atoi(argv[at])); };
  return {argv[1],   argv[2],   number(3), number(4), number(5), number(6), std::atoi(argv[7]), std::atoi(argv[8]),
          std::atof(argv[9]), std::atof(argv[10])};
}

inline void pin(int cpu) {
  cpu_set_t set;
  CPU_ZERO(&set);
  CPU_SET(cpu, &set);
  if (pthread_setaffinity_np(pthread_self(), sizeof set, &set) == 0) return;
  std::fprintf(stderr, "CPU %d was not granted\n", cpu);
  std::_Exit(2);
}

inline double nowMs() {
  return std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

// Word 0 is the sequence. In a message of 8 bytes the other word also says whose it is; one of 64 bytes has words
// sequence + k.
template <u32 Bytes>
struct Record {
  u32 words[Bytes / 4];

  void write(u32 sequence, u32 producer) {
    words[0] = sequence;
    if constexpr (Bytes == 8) words[1] = sequence ^ kSalt ^ producer;
    else for (u32 k = 1; k < Bytes / 4; ++k) words[k] = sequence + k;
  }

  u32 producer() const { return Bytes == 8 ? words[0] ^ words[1] ^ kSalt : 0; }

  bool is(u32 sequence) const {
    if constexpr (Bytes == 8) return words[0] == sequence;
    u32 differences = 0;
    for (u32 k = 0; k < Bytes / 4; ++k) differences |= words[k] ^ (sequence + k);
    return differences == 0;
  }
};

// Waits for about as long as both sides of queue_throughput.cc do. Producers that share a CPU let the others run.
inline void rest(bool isShared) {
  if (isShared) sched_yield();
  else for (int i = 0; i < 64; ++i) _mm_pause();
}

template <typename R, typename Queue>
int race(Queue& queue, const Plan& plan) {
  alignas(128) static std::atomic<bool> isEnough{false};
  alignas(128) static std::atomic<u64> sent{0};
  alignas(128) static std::atomic<u32> over{0};
  const bool isBatch = plan.pattern == "batch";
  std::vector<std::thread> producing;
  for (u32 part = 0; part < plan.producers; ++part) {
    producing.emplace_back([&, part] {
      pin(plan.cpuA);
      u32 sequence = 0;
      R records[kMost];
      while (!isEnough.load(std::memory_order_relaxed)) {
        for (u32 slice = 0; slice < 4096; slice += plan.batch) {
          const u32 count = isBatch ? plan.batch : 1;
          for (u32 i = 0; i < (isBatch ? 1 : plan.batch); ++i) {
            for (u32 j = 0; j < count; ++j) records[j].write(sequence++, part);
            if (!isBatch) {
              while (!queue.offer(records[0])) rest(plan.producers > 1);
              continue;
            }
            for (u32 done = 0; done < count;) {
              const u32 now = queue.offerMany(records + done, count - done);
              if (now == 0) rest(plan.producers > 1);
              done += now;
            }
          }
        }
      }
      sent.fetch_add(sequence);
      over.fetch_add(1);
    });
  }
  pin(plan.cpuB);
  std::vector<u32> expected(plan.producers, 0);
  R records[kMost];
  u64 received = 0, before = 0, next = 4096;
  u32 wrong = 0;
  const double bornMs = nowMs();
  double startMs = 0, elapsedMs = 0;
  for (;;) {
    const u32 count = queue.take(records, kMost);
    if (count == 0) {
      if (over.load() == plan.producers && received == sent.load()) break;
      rest(false);
      continue;
    }
    for (u32 i = 0; i < count; ++i) {
      const u32 part = records[i].producer();
      if (part >= plan.producers) ++wrong;
      else wrong += !records[i].is(expected[part]++);
    }
    received += count;
    if (received < next) continue;
    next = received + 4096;
    const double ms = nowMs();
    if (startMs == 0) {
      if (ms - bornMs >= plan.warmupMs) startMs = ms, before = received;
    } else if (elapsedMs == 0 && ms - startMs >= plan.measureMs) {
      elapsedMs = ms - startMs;
      before = received - before;
      isEnough.store(true);
    }
  }
  for (auto& thread : producing) thread.join();
  if (wrong != 0) {
    std::fprintf(stderr, "%u messages were lost, repeated or torn\n", wrong);
    return 1;
  }
  std::printf("{\"rate\":%.0f,\"verified\":true}\n", static_cast<double>(before) / elapsedMs * 1e3);
  return 0;
}

// Two queues, one for each of two readers in the consuming thread. Every message goes into both.
template <typename R, typename Queue>
int broadcast(Queue& one, Queue& other, const Plan& plan) {
  alignas(128) static std::atomic<bool> isEnough{false};
  alignas(128) static std::atomic<u64> sent{~0ull};
  std::thread producing([&] {
    pin(plan.cpuA);
    u64 sequence = 0;
    R record;
    while (!isEnough.load(std::memory_order_relaxed)) {
      for (u32 i = 0; i < 4096; ++i) {
        record.write(static_cast<u32>(sequence++), 0);
        while (!one.offer(record)) rest(false);
        while (!other.offer(record)) rest(false);
      }
    }
    sent.store(sequence);
  });
  pin(plan.cpuB);
  R records[kMost];
  u64 received[2] = {0, 0}, before = 0, next = 4096;
  u32 wrong = 0;
  const double bornMs = nowMs();
  double startMs = 0, elapsedMs = 0;
  while (received[0] != sent.load() || received[1] != sent.load()) {
    u32 both = 0;
    for (u32 side = 0; side < 2; ++side) {
      const u32 count = (side == 0 ? one : other).take(records, kMost);
      for (u32 i = 0; i < count; ++i) wrong += !records[i].is(static_cast<u32>(received[side]++));
      both += count;
    }
    if (both == 0) rest(false);
    if (received[0] < next) continue;
    next = received[0] + 4096;
    const double ms = nowMs();
    if (startMs == 0) {
      if (ms - bornMs >= plan.warmupMs) startMs = ms, before = received[0];
    } else if (elapsedMs == 0 && ms - startMs >= plan.measureMs) {
      elapsedMs = ms - startMs;
      before = received[0] - before;
      isEnough.store(true);
    }
  }
  producing.join();
  if (wrong != 0) {
    std::fprintf(stderr, "%u messages were lost, repeated or torn\n", wrong);
    return 1;
  }
  std::printf("{\"rate\":%.0f,\"verified\":true}\n", static_cast<double>(before) / elapsedMs * 1e3);
  return 0;
}

// With `IsWake` both sides sleep in `wait`, and the asking side rests before it asks, so that the other one is asleep.
template <typename R, bool IsWake, typename Queue>
int trip(Queue& questions, Queue& answers, const Plan& plan) {
  static std::atomic<bool> isOver{false};
  const auto hear = [](Queue& queue) {
    R record{};
    if constexpr (IsWake) queue.wait(record);
    else while (queue.take(&record, 1) == 0 && !isOver.load(std::memory_order_relaxed)) _mm_pause();
    return record;
  };
  std::thread answering([&] {
    pin(plan.cpuB);
    while (!isOver.load(std::memory_order_relaxed)) {
      const u32 asked = hear(questions).words[0];
      R record;
      record.write(~asked, 0);
      answers.offer(record);
    }
  });
  pin(plan.cpuA);
  std::vector<u32> ns;
  ns.reserve(1 << 24);
  u32 wrong = 0, round = 0;
  const auto now = [] { return static_cast<u64>(std::chrono::steady_clock::now().time_since_epoch().count()); };
  const u64 bornNs = now(), warmNs = bornNs + static_cast<u64>(plan.warmupMs * 1e6);
  const u64 endNs = warmNs + static_cast<u64>(plan.measureMs * 1e6);
  for (u64 lastNs = bornNs; lastNs < endNs;) {
    R record{};
    if constexpr (IsWake) {
      std::this_thread::sleep_for(std::chrono::microseconds(200));
      lastNs = now();
    }
    record.write(++round, 0);
    questions.offer(record);
    wrong += hear(answers).words[0] != ~round;
    const u64 atNs = now();
    if (lastNs >= warmNs) ns.push_back(static_cast<u32>(atNs - lastNs));
    lastNs = atNs;
  }
  isOver.store(true);
  // If the other side sleeps, a last question wakes it.
  if constexpr (IsWake) questions.offer(R{});
  answering.join();
  std::sort(ns.begin(), ns.end());
  const auto percentile = [&](double part) { return ns[static_cast<size_t>(part * static_cast<double>(ns.size()))]; };
  std::printf("{\"p50\":%u,\"p99\":%u,\"verified\":%s}\n", percentile(0.5), percentile(0.99),
              wrong == 0 ? "true" : "false");
  return wrong == 0 ? 0 : 1;
}

template <typename Queue, typename R>
concept CanWait = requires(Queue queue, R record) { queue.wait(record); };

// `make` returns a pointer to a new queue.
template <typename R, typename Make>
int raceOrTrip(const Plan& plan, Make make) {
  auto questions = make();
  if (plan.pattern == "each" || plan.pattern == "batch") return race<R>(*questions, plan);
  auto answers = make();
  if (plan.pattern == "broadcast") return broadcast<R>(*questions, *answers, plan);
  if (plan.pattern == "round-trip") return trip<R, false>(*questions, *answers, plan);
  if constexpr (CanWait<std::remove_reference_t<decltype(*questions)>, R>) {
    return trip<R, true>(*questions, *answers, plan);
  }
  std::fprintf(stderr, "%s does not know the pattern %s\n", plan.queue.c_str(), plan.pattern.c_str());
  return 2;
}

#endif
