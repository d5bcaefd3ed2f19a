// Baselines `C++ release`, `C++ release batch64` and `C++ seq_cst`: messages a second from one core to another over the
// ring that the best public SPSC queues use.
//
//     producing thread, cpuA                                              consuming thread, cpuB
//       claim, write, publish ──▶ [ ring of fixed or framed records ] ──▶ check every message, release
//
// Cursors with different writers lie 128 bytes apart. Each side keeps a stale copy of the other's cursor and looks
// again only if the copy says full or empty. The capacity is a power of two, and nothing is prefetched. With `release`
// a publish is a plain store on x86; with `seq_cst`, the only order that JavaScript has, it is a locked exchange. All
// other code is the same.
//
// patterns, as in the TypeScript rows:
//   single    one record is written, published, read and released at a time
//   lazy      one claim for each record, published by `batch`; read and released by up to `batch`
//   batch     one claim, one publish, one release for `batch` records
//   variable  as lazy, with records of 16 to 256 bytes, each behind a header and padded to 8 bytes; recordBytes is 0
//
// A side that finds the ring full or empty pauses `pauses` times before it looks again. That matters more than anything
// else: a side that looks all the time takes the cursor's line away from the one that writes it. README.md says which
// settings are the best ones here.
//
// Usage: queue_throughput <release|seq_cst> <pattern> <recordBytes> <batch> <capacity> <pauses> <cpuA> <cpuB>
//                         <warmupMs> <measureMs>
// The capacity is in records, or in bytes with pattern `variable`. Exit code: 0; 1 if a message is wrong; 2 for bad
// arguments.
//
// Ordering table. Both orders have the same two pairs.
//
// | pair           | write side | read side   | carries      | needs             |
// |----------------|------------|-------------|--------------|-------------------|
// | `ring.publish` | `publish`  | `available` | record bytes | release → acquire |
// | `ring.free`    | `release`  | `claim`     | slot reuse   | release → acquire |
//
// Source: rigtorp/SPSCQueue (cached cursors), FastForward (Giacomoni 2008).

#include "queue_throughput_rings.h"

namespace {

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
  std::fprintf(stderr, "queue_throughput: CPU %d was not granted\n", cpu);
  return false;
}

// Runs both sides until the consumer has measured for long enough and has checked everything that was promised.
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
  // False if the producer has ended and everything was read.
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
