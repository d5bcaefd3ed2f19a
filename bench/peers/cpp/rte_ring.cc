// Peer `rte_ring` of DPDK: elements in place, in the modes for a single producer and consumer if there is only one.
// Producers that share a CPU use the relaxed tail mode, which the guide advises for threads that may be preempted.
#include <rte_errno.h>
#include <rte_ring.h>
#include <rte_ring_elem.h>
#include <rte_version.h>

#include <memory>

#include "peer.h"

template <typename R>
struct Ring {
  rte_ring* ring;
  explicit Ring(const Plan& plan) {
    // A ring holds one less than its size, so this one has twice the memory to have the wanted capacity.
    const u32 flags = RING_F_EXACT_SZ | RING_F_SC_DEQ | (plan.producers == 1 ? RING_F_SP_ENQ : RING_F_MP_RTS_ENQ);
    const auto bytes = rte_ring_get_memsize_elem(sizeof(R), plan.capacity * 2);
    ring = static_cast<rte_ring*>(std::aligned_alloc(128, (static_cast<size_t>(bytes) + 127) & ~size_t{127}));
    if (rte_ring_init(ring, "peer", plan.capacity, flags) != 0) {
      std::fprintf(stderr, "rte_ring_init failed\n");
      std::_Exit(2);
    }
  }
  ~Ring() { std::free(ring); }
  bool offer(const R& record) { return rte_ring_enqueue_elem(ring, const_cast<R*>(&record), sizeof(R)) == 0; }
  u32 offerMany(const R* records, u32 count) {
    return rte_ring_enqueue_burst_elem(ring, records, sizeof(R), count, nullptr);
  }
  u32 take(R* records, u32 count) { return rte_ring_dequeue_burst_elem(ring, records, sizeof(R), count, nullptr); }
};

int main(int argc, char** argv) {
  if (argc == 2) return std::printf("%s\n", rte_version()), 0;
  const Plan plan = parsePlan(argc, argv);
  if (plan.bytes == 64) return raceOrTrip<Record<64>>(plan, [&] { return std::make_unique<Ring<Record<64>>>(plan); });
  return raceOrTrip<Record<8>>(plan, [&] { return std::make_unique<Ring<Record<8>>>(plan); });
}
