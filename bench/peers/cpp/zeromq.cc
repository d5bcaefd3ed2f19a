// Peer `zeromq`: PUSH to PULL over inproc, and one message for each record. The guide forbids sharing sockets between
// threads, so several producers have a socket each. Both high-water marks together are the capacity.
#include <zmq.h>

#include <memory>

#include "peer.h"

template <typename R>
struct Inproc {
  void* context = zmq_ctx_new();
  std::string endpoint = "inproc://peer";
  void* pull = zmq_socket(context, ZMQ_PULL);
  int mark;
  explicit Inproc(const Plan& plan) : mark(static_cast<int>(plan.capacity / 2)) {
    zmq_setsockopt(pull, ZMQ_RCVHWM, &mark, sizeof mark);
    zmq_bind(pull, endpoint.c_str());
  }
  void* pushing() {
    thread_local void* socket = nullptr;
    thread_local Inproc* of = nullptr;
    if (of == this) return socket;
    socket = zmq_socket(context, ZMQ_PUSH);
    zmq_setsockopt(socket, ZMQ_SNDHWM, &mark, sizeof mark);
    zmq_connect(socket, endpoint.c_str());
    of = this;
    return socket;
  }
  bool offer(const R& record) { return zmq_send(pushing(), &record, sizeof record, ZMQ_DONTWAIT) >= 0; }
  u32 offerMany(const R* records, u32 count) {
    u32 done = 0;
    while (done < count && offer(records[done])) ++done;
    return done;
  }
  bool wait(R& record) { return zmq_recv(pull, &record, sizeof(R), 0) == sizeof(R); }
  u32 take(R* records, u32) { return zmq_recv(pull, records, sizeof(R), ZMQ_DONTWAIT) == sizeof(R) ? 1 : 0; }
};

int main(int argc, char** argv) {
  if (argc == 2) {
    int major, minor, patch;
    zmq_version(&major, &minor, &patch);
    return std::printf("zeromq %d.%d.%d\n", major, minor, patch), 0;
  }
  const Plan plan = parsePlan(argc, argv);
  if (plan.bytes == 64) return raceOrTrip<Record<64>>(plan, [&] { return new Inproc<Record<64>>(plan); });
  return raceOrTrip<Record<8>>(plan, [&] { return new Inproc<Record<8>>(plan); });
}
