// Baseline `C epoll` for datagrams: one UDP socket, edge-triggered epoll, recvmmsg and sendmmsg of up to 64 datagrams,
// so that all datagrams that wait share a system call. A batch that is not full has emptied the socket.
//
// `epoll_datagram_server datagram --cpu N`; prints {"port":…}, and ends when its stdin does.
#define _GNU_SOURCE
#include "client.h"
#include <poll.h>

enum { batch = 64, datagramBytes = 2048 };
static uint8_t bytes[batch][datagramBytes];
static struct sockaddr_in senders[batch];
static struct iovec vectors[batch];
static struct mmsghdr messages[batch];

static void echoAll(int fd) {
  for (;;) {
    for (int at = 0; at < batch; ++at) {
      vectors[at].iov_len = datagramBytes;
      messages[at].msg_hdr.msg_namelen = sizeof senders[at];
    }
    const int received = recvmmsg(fd, messages, batch, MSG_DONTWAIT, NULL);
    if (received <= 0) return;
    for (int at = 0; at < received; ++at) vectors[at].iov_len = messages[at].msg_len;
    for (int sent = 0; sent < received;) {
      const int now = sendmmsg(fd, messages + sent, (unsigned)(received - sent), MSG_DONTWAIT);
      if (now > 0) {
        sent += now;
      } else if (errno == EAGAIN) {
        struct pollfd writable = {.fd = fd, .events = POLLOUT};
        poll(&writable, 1, -1);
      } else {
        // The error is about an earlier datagram, or about this one if its sender is gone. It is lost, as datagrams may
        // be.
        sent += 1;
      }
    }
    if (received < batch) return;
  }
}

int main(int argc, char **argv) {
  int64_t cpu = notGiven;
  const struct Rule rules[] = {{"--cpu", &cpu, 0, CPU_SETSIZE - 1}};
  if (argc < 2 || strcmp(argv[1], "datagram") != 0) stop(exitBadArgument, "the first argument is 'datagram'");
  parseArguments(argc - 1, argv + 1, rules, 1);
  pinTo(cpu);
  for (int at = 0; at < batch; ++at) {
    vectors[at].iov_base = bytes[at];
    messages[at].msg_hdr = (struct msghdr){.msg_iov = &vectors[at], .msg_iovlen = 1, .msg_name = &senders[at]};
  }
  const int fd = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  struct sockaddr_in address = loopback(0);
  socklen_t length = sizeof address;
  if (fd < 0 || bind(fd, (const struct sockaddr *)&address, sizeof address) != 0 ||
      getsockname(fd, (struct sockaddr *)&address, &length) != 0) {
    stop(exitFailedCheck, "bind: %s", strerror(errno));
  }
  const int epoll = epoll_create1(EPOLL_CLOEXEC);
  struct epoll_event interest = {.events = EPOLLIN | EPOLLET, .data.fd = fd};
  epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &interest);
  interest = (struct epoll_event){.events = EPOLLIN, .data.fd = STDIN_FILENO};
  epoll_ctl(epoll, EPOLL_CTL_ADD, STDIN_FILENO, &interest);
  printf("{\"port\":%d}\n", ntohs(address.sin_port));
  fflush(stdout);
  for (;;) {
    struct epoll_event events[2];
    const int count = epoll_wait(epoll, events, 2, -1);
    if (count < 0 && errno != EINTR) stop(exitFailedCheck, "epoll_wait: %s", strerror(errno));
    for (int at = 0; at < count; ++at) {
      if (events[at].data.fd == STDIN_FILENO) return 0;
      echoAll(fd);
    }
  }
}
