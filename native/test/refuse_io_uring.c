// Starts a program to which the kernel refuses io_uring, as Docker's filter does (EPERM) or a kernel without it
// (ENOSYS):
//
//   refuse_io_uring EPERM node program.js
//
// A seccomp filter, so that it holds for every thread and for libuv as well, and cannot be taken back. Source:
// seccomp(2).
#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

// io_uring_setup, _enter and _register have the same numbers on every architecture.
enum { kFirst = 425, kLast = 427 };

int main(int count, char** arguments) {
  if (count < 3) return fprintf(stderr, "use: refuse_io_uring EPERM|ENOSYS|ENOMEM program ...\n"), 2;
  const int error = strcmp(arguments[1], "EPERM") == 0 ? EPERM : strcmp(arguments[1], "ENOSYS") == 0 ? ENOSYS : ENOMEM;
  struct sock_filter filter[] = {
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
      BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, kFirst, 0, 2),
      BPF_JUMP(BPF_JMP | BPF_JGT | BPF_K, kLast, 1, 0),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | (unsigned)error),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
  };
  struct sock_fprog program = {sizeof filter / sizeof filter[0], filter};
  if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 || prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) != 0)
    return perror("seccomp"), 3;
  execvp(arguments[2], arguments + 2);
  return perror(arguments[2]), 3;
}
