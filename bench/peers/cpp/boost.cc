// Peers `boost spsc` and `boost queue`: boost::lockfree. The compiler knows the capacity, as the manual advises for
// speed. Batches use the functions that take arrays.
#include <boost/lockfree/queue.hpp>
#include <boost/lockfree/spsc_queue.hpp>
#include <boost/version.hpp>
#include <memory>

#include "peer.h"

namespace lockfree = boost::lockfree;

template <typename R, u32 Capacity>
struct Single {
  lockfree::spsc_queue<R, lockfree::capacity<Capacity>> queue;
  bool offer(const R& record) { return queue.push(record); }
  u32 offerMany(const R* records, u32 count) { return static_cast<u32>(queue.push(records, count)); }
  u32 take(R* records, u32 count) { return static_cast<u32>(queue.pop(records, count)); }
};

template <typename R, u32 Capacity>
struct Many {
  lockfree::queue<R, lockfree::capacity<Capacity>> queue;
  bool offer(const R& record) { return queue.push(record); }
  u32 offerMany(const R* records, u32 count) {
    u32 done = 0;
    while (done < count && queue.push(records[done])) ++done;
    return done;
  }
  u32 take(R* records, u32) { return queue.pop(*records) ? 1 : 0; }
};

template <template <typename, u32> class Queue, typename R>
int run(const Plan& plan) {
  if (plan.capacity == 2048) return raceOrTrip<R>(plan, [] { return std::make_unique<Queue<R, 2048>>(); });
  return raceOrTrip<R>(plan, [] { return std::make_unique<Queue<R, 16384>>(); });
}

int main(int argc, char** argv) {
  if (argc == 2) return std::printf("boost %s\n", BOOST_LIB_VERSION), 0;
  const Plan plan = parsePlan(argc, argv);
  const bool isSingle = plan.queue == "boost spsc";
  if (plan.bytes == 64) return isSingle ? run<Single, Record<64>>(plan) : run<Many, Record<64>>(plan);
  return isSingle ? run<Single, Record<8>>(plan) : run<Many, Record<8>>(plan);
}
