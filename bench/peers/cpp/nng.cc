// Peer `nng`: two sockets over inproc, and one message for each record. nng takes over the messages that are sent, so
// there is no other copy. The buffer of each socket has half of the capacity, or as much as nng allows.
#include <nng/nng.h>
#include <nng/protocol/pair0/pair.h>

#include <cstring>

#include "peer.h"

template <typename R>
struct Inproc {
  nng_socket push{}, pull{};
  explicit Inproc(const Plan& plan) {
    static int made = 0;
    const std::string endpoint = "inproc://peer" + std::to_string(made++);
    const int half = static_cast<int>(plan.capacity / 2);
    const bool isOpen = nng_pair0_open(&pull) == 0 && nng_pair0_open(&push) == 0
        && nng_socket_set_int(pull, NNG_OPT_RECVBUF, half) == 0 && nng_socket_set_int(push, NNG_OPT_SENDBUF, half) == 0
        && nng_listen(pull, endpoint.c_str(), nullptr, 0) == 0 && nng_dial(push, endpoint.c_str(), nullptr, 0) == 0;
    if (isOpen) return;
    std::fprintf(stderr, "nng gave no pair of sockets\n");
    std::exit(2);
  }
  bool offer(const R& record) {
    nng_msg* message;
    if (nng_msg_alloc(&message, sizeof record) != 0) return false;
    std::memcpy(nng_msg_body(message), &record, sizeof record);
    // This sleeps while the buffer is full, which the manual prefers to trying again.
    if (nng_sendmsg(push, message, 0) == 0) return true;
    nng_msg_free(message);
    return false;
  }
  u32 offerMany(const R* records, u32 count) {
    u32 done = 0;
    while (done < count && offer(records[done])) ++done;
    return done;
  }
  u32 take(R* records, u32) { return receive(records[0], NNG_FLAG_NONBLOCK) ? 1 : 0; }
  bool wait(R& record) { return receive(record, 0); }

 private:
  bool receive(R& record, int flags) {
    nng_msg* message;
    if (nng_recvmsg(pull, &message, flags) != 0) return false;
    std::memcpy(&record, nng_msg_body(message), sizeof(R));
    nng_msg_free(message);
    return true;
  }
};

int main(int argc, char** argv) {
  const Plan plan = parsePlan(argc, argv);
  if (plan.bytes == 64) return raceOrTrip<Record<64>>(plan, [&] { return new Inproc<Record<64>>(plan); });
  return raceOrTrip<Record<8>>(plan, [&] { return new Inproc<Record<8>>(plan); });
}
