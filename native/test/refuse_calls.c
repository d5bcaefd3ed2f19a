// Starts a program to which the kernel refuses system calls, as the filter of a container does (EPERM) or a kernel that
// does not have them (ENOSYS):
//
//   refuse_calls EPERM sched_setaffinity,timerfd_create node program.js
//
// "io_uring" stands for its three calls. It is a seccomp filter, so that it holds for every thread and for libuv as
// well, and cannot be taken back. Source: seccomp(2).
#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

// io_uring_setup, _enter and _register have the same numbers on every architecture.
static const struct { const char* name; int first, last; } kCalls[] = {
    {"io_uring", 425, 427},
    {"sched_setaffinity", SYS_sched_setaffinity, SYS_sched_setaffinity},
    {"timerfd_create", SYS_timerfd_create, SYS_timerfd_create},
};
enum { kKnown = sizeof kCalls / sizeof kCalls[0] };

int main(int count, char** arguments) {
  if (count < 4) return fprintf(stderr, "use: refuse_calls EPERM|ENOSYS|ENOMEM call,... program ...\n"), 2;
  const int error = strcmp(arguments[1], "EPERM") == 0 ? EPERM : strcmp(arguments[1], "ENOSYS") == 0 ? ENOSYS : ENOMEM;
  struct sock_filter filter[2 + 3 * kKnown];
  size_t length = 0;
  filter[length++] = (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr));
  for (char* name = strtok(arguments[2], ","); name != NULL; name = strtok(NULL, ",")) {
    int at = 0;
    while (at < kKnown && strcmp(name, kCalls[at].name) != 0) at++;
    if (at == kKnown || length > 3 * kKnown) return fprintf(stderr, "refuse_calls: cannot refuse %s\n", name), 2;
    filter[length++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, (unsigned)kCalls[at].first, 0, 2);
    filter[length++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JGT | BPF_K, (unsigned)kCalls[at].last, 1, 0);
    filter[length++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | (unsigned)error);
  }
  filter[length++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
  struct sock_fprog program = {(unsigned short)length, filter};
  if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 || prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) != 0)
    return perror("seccomp"), 3;
  execvp(arguments[3], arguments + 3);
  return perror(arguments[3]), 3;
}
