// A library for LD_PRELOAD that makes system calls of the addon fail, for tests.
//
//   PERCORE_FAULTS_GATE=/path     a file with the rules, in force while it exists: a test can switch and change them
//   PERCORE_FAULTS_LOG=/path      gets one line for each injected fault, so that a test can see that there were any
//
// The file says "accept4:EMFILE:3+;recv:EINTR:p0.1;send:SHORT:p0.5": call, error, when. When its modification time has
// changed, it is read again and calls are counted from zero; so whoever changes it must move a whole file into its
// place.
//
// `when` is N (only the Nth call), N+ (from the Nth on), N-M, or pX (each call with probability X; the sequence of each
// thread depends on PERCORE_FAULTS_SEED). SHORT is not an error: the call is made with a length of one byte. Neither is
// LATE: the call is made 2 ms later, so that what other threads do meanwhile falls between two steps of the caller.
// Only calls from percore.node are counted and fail, because Node uses the same functions and would abort. Calls that
// the addon makes through `syscall` are named io_uring_setup and io_uring_enter here.
//
// seccomp would not do: a filter cannot count or be lifted, and it hits libuv as well. Neither would strace -e inject,
// which stops the process at each call.
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

enum { kMostRules = 16, kShort = -1, kLate = -2 };

struct rule {
  char call[24];
  int error;
  long from, to;
  double probability;
  long calls;
};

static struct rule rules[kMostRules];
static int rule_count;
static const char* gate;
static int log_fd = -1;
static uint64_t seed = 1;
static __thread uint64_t random_state;

static const struct {
  const char* name;
  int error;
} kErrors[] = {
    {"SHORT", kShort},
    {"LATE", kLate},
    {"EINTR", EINTR},
    {"EAGAIN", EAGAIN},
    {"EMFILE", EMFILE},
    {"ENFILE", ENFILE},
    {"ENOBUFS", ENOBUFS},
    {"ENOMEM", ENOMEM},
    {"ECONNABORTED", ECONNABORTED},
    {"ECONNRESET", ECONNRESET},
    {"ECONNREFUSED", ECONNREFUSED},
    {"EPIPE", EPIPE},
    {"ETIMEDOUT", ETIMEDOUT},
    {"EPROTO", EPROTO},
    {"EPERM", EPERM},
    {"ENOSPC", ENOSPC},
    {"ENOSYS", ENOSYS},
    {"EBUSY", EBUSY},
    {"ENETUNREACH", ENETUNREACH},
    {"EHOSTUNREACH", EHOSTUNREACH},
    {"EADDRNOTAVAIL", EADDRNOTAVAIL},
    {"EADDRINUSE", EADDRINUSE},
    {"ENOTCONN", ENOTCONN},
    {"EIO", EIO},
    {"EINVAL", EINVAL},
    {"ENOPROTOOPT", ENOPROTOOPT},
    {"EBADF", EBADF},
};

static void fail(const char* what) {
  fprintf(stderr, "fault_injection: %s\n", what);
  _exit(97);
}

static int error_of(const char* name) {
  for (size_t i = 0; i < sizeof kErrors / sizeof kErrors[0]; i++)
    if (strcmp(kErrors[i].name, name) == 0) return kErrors[i].error;
  fail(name);
  return 0;
}

__attribute__((constructor)) static void begin(void) {
  gate = getenv("PERCORE_FAULTS_GATE");
  if (getenv("PERCORE_FAULTS_SEED")) seed = strtoull(getenv("PERCORE_FAULTS_SEED"), NULL, 10) | 1;
  const char* log = getenv("PERCORE_FAULTS_LOG");
  if (log) log_fd = open(log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
}

static void take_rules(char* text) {
  rule_count = 0;
  char* rest = NULL;
  for (char* part = strtok_r(text, ";", &rest); part; part = strtok_r(NULL, ";", &rest)) {
    if (rule_count == kMostRules) fail("too many rules");
    struct rule* rule = &rules[rule_count++];
    memset(rule, 0, sizeof *rule);
    char error[24], when[24];
    if (sscanf(part, "%23[^:]:%23[^:]:%23s", rule->call, error, when) != 3) fail(part);
    rule->error = error_of(error);
    rule->to = INT64_MAX;
    if (when[0] == 'p') rule->probability = atof(when + 1);
    else if (sscanf(when, "%ld-%ld", &rule->from, &rule->to) == 2) continue;
    else if ((rule->from = atol(when)) < 1) fail(part);
    else if (when[strlen(when) - 1] != '+') rule->to = rule->from;
  }
}

// Whether the gate is open; new rules are read first. Called under the lock. Its own system calls are not among those
// that can fail.
static int is_in_force(void) {
  static struct timespec taken = {-1, -1};
  struct stat is;
  if (!gate || syscall(SYS_newfstatat, AT_FDCWD, gate, &is, 0) != 0) return 0;
  if (is.st_mtim.tv_sec == taken.tv_sec && is.st_mtim.tv_nsec == taken.tv_nsec) return 1;
  const long fd = syscall(SYS_openat, AT_FDCWD, gate, O_RDONLY | O_CLOEXEC);
  if (fd < 0) return 0;
  char text[512];
  const long length = syscall(SYS_read, fd, text, sizeof text - 1);
  syscall(SYS_close, fd);
  if (length < 0) return 0;
  text[length] = 0;
  take_rules(text);
  taken = is.st_mtim;
  return 1;
}

static double next_random(void) {
  if (random_state == 0) random_state = seed * 0x9e3779b97f4a7c15ull + (uint64_t)syscall(SYS_gettid);
  // Source: xorshift64.
  random_state ^= random_state << 13;
  random_state ^= random_state >> 7;
  random_state ^= random_state << 17;
  return (double)(random_state >> 11) / 9007199254740992.0;
}

// Asks once for each call site: the answer for an address does not change while it is mapped.
static int is_addon(void* caller) {
  static __thread struct {
    void* caller;
    int is;
  } known[64];
  const unsigned at = (unsigned)((uintptr_t)caller >> 2) % 64;
  if (known[at].caller != caller) {
    Dl_info info;
    known[at].is = dladdr(caller, &info) != 0 && info.dli_fname && strstr(info.dli_fname, "percore.node") != NULL;
    known[at].caller = caller;
  }
  return known[at].is;
}

static int fault_by_rules(const char* call) {
  if (!is_in_force()) return 0;
  for (int i = 0; i < rule_count; i++) {
    struct rule* rule = &rules[i];
    if (strcmp(rule->call, call) != 0) continue;
    int is_hit;
    if (rule->probability > 0) {
      is_hit = next_random() < rule->probability;
    } else {
      const long count = ++rule->calls;
      is_hit = count >= rule->from && count <= rule->to;
    }
    if (!is_hit) continue;
    if (log_fd >= 0) {
      char line[48];
      const int length = snprintf(line, sizeof line, "%s\n", call);
      syscall(SYS_write, log_fd, line, (size_t)length);
    }
    return rule->error;
  }
  return 0;
}

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

// 0 to go on; otherwise kShort or the errno to fail with.
static int fault(const char* call, void* caller) {
  if (!gate || !is_addon(caller)) return 0;
  pthread_mutex_lock(&lock);
  const int error = fault_by_rules(call);
  pthread_mutex_unlock(&lock);
  if (error != kLate) return error;
  const struct timespec pause = {0, 2000000};
  nanosleep(&pause, NULL);
  return 0;
}

static int has_rule(const char* call, int error) {
  int has = 0;
  pthread_mutex_lock(&lock);
  if (is_in_force())
    for (int i = 0; i < rule_count; i++)
      if (rules[i].error == error && strcmp(rules[i].call, call) == 0) has = 1;
  pthread_mutex_unlock(&lock);
  return has;
}

#define REAL(name)               \
  static __typeof__(name)* real; \
  if (!real) real = (__typeof__(name)*)dlsym(RTLD_NEXT, #name)
#define CALLER __builtin_return_address(0)
// Fails, or goes on; these calls ignore SHORT.
#define MAY_FAIL(name)                       \
  do {                                       \
    const int error = fault(#name, CALLER);  \
    if (error > 0) return errno = error, -1; \
  } while (0)
// The same, and SHORT sets the length to one.
#define MAY_FAIL_OR_SHORTEN(name, length)              \
  do {                                                 \
    const int error = fault(#name, CALLER);            \
    if (error > 0) return errno = error, -1;           \
    if (error == kShort && (length) > 1) (length) = 1; \
  } while (0)

int accept4(int fd, struct sockaddr* address, socklen_t* length, int flags) {
  REAL(accept4);
  // The kernel reports these errors for a connection that it takes out of the queue, so there must be one.
  const int is_of_one = has_rule("accept4", ECONNABORTED) || has_rule("accept4", EPROTO);
  int accepted = -1;
  if (is_of_one && (accepted = real(fd, address, length, flags)) < 0) return -1;
  const int error = fault("accept4", CALLER);
  if (error <= 0) return is_of_one ? accepted : real(fd, address, length, flags);
  if (is_of_one) close(accepted);
  return errno = error, -1;
}
int socket(int domain, int type, int protocol) {
  REAL(socket);
  MAY_FAIL(socket);
  return real(domain, type, protocol);
}
int connect(int fd, const struct sockaddr* address, socklen_t length) {
  REAL(connect);
  MAY_FAIL(connect);
  return real(fd, address, length);
}
int bind(int fd, const struct sockaddr* address, socklen_t length) {
  REAL(bind);
  MAY_FAIL(bind);
  return real(fd, address, length);
}
int listen(int fd, int backlog) {
  REAL(listen);
  MAY_FAIL(listen);
  return real(fd, backlog);
}
int shutdown(int fd, int how) {
  REAL(shutdown);
  MAY_FAIL(shutdown);
  return real(fd, how);
}
int setsockopt(int fd, int level, int name, const void* value, socklen_t length) {
  REAL(setsockopt);
  MAY_FAIL(setsockopt);
  return real(fd, level, name, value, length);
}
int getsockopt(int fd, int level, int name, void* value, socklen_t* length) {
  REAL(getsockopt);
  MAY_FAIL(getsockopt);
  return real(fd, level, name, value, length);
}
ssize_t recv(int fd, void* bytes, size_t length, int flags) {
  REAL(recv);
  MAY_FAIL_OR_SHORTEN(recv, length);
  return real(fd, bytes, length, flags);
}
ssize_t send(int fd, const void* bytes, size_t length, int flags) {
  REAL(send);
  MAY_FAIL_OR_SHORTEN(send, length);
  return real(fd, bytes, length, flags);
}
ssize_t read(int fd, void* bytes, size_t length) {
  REAL(read);
  MAY_FAIL_OR_SHORTEN(read, length);
  return real(fd, bytes, length);
}
ssize_t write(int fd, const void* bytes, size_t length) {
  REAL(write);
  MAY_FAIL_OR_SHORTEN(write, length);
  return real(fd, bytes, length);
}
int recvmmsg(int fd, struct mmsghdr* messages, unsigned count, int flags, struct timespec* timeout) {
  REAL(recvmmsg);
  MAY_FAIL_OR_SHORTEN(recvmmsg, count);
  return real(fd, messages, count, flags, timeout);
}
int sendmmsg(int fd, struct mmsghdr* messages, unsigned count, int flags) {
  REAL(sendmmsg);
  MAY_FAIL_OR_SHORTEN(sendmmsg, count);
  return real(fd, messages, count, flags);
}
ssize_t recvmsg(int fd, struct msghdr* message, int flags) {
  REAL(recvmsg);
  MAY_FAIL(recvmsg);
  return real(fd, message, flags);
}
ssize_t sendmsg(int fd, const struct msghdr* message, int flags) {
  REAL(sendmsg);
  MAY_FAIL(sendmsg);
  return real(fd, message, flags);
}
int epoll_create1(int flags) {
  REAL(epoll_create1);
  MAY_FAIL(epoll_create1);
  return real(flags);
}
int epoll_ctl(int epoll, int operation, int fd, struct epoll_event* event) {
  REAL(epoll_ctl);
  MAY_FAIL(epoll_ctl);
  return real(epoll, operation, fd, event);
}
int epoll_wait(int epoll, struct epoll_event* events, int most, int timeout) {
  REAL(epoll_wait);
  MAY_FAIL_OR_SHORTEN(epoll_wait, most);
  return real(epoll, events, most, timeout);
}
int epoll_pwait(int epoll, struct epoll_event* events, int most, int timeout, const sigset_t* mask) {
  REAL(epoll_pwait);
  MAY_FAIL_OR_SHORTEN(epoll_pwait, most);
  return real(epoll, events, most, timeout, mask);
}
int ppoll(struct pollfd* descriptors, nfds_t count, const struct timespec* time, const sigset_t* mask) {
  REAL(ppoll);
  MAY_FAIL(ppoll);
  return real(descriptors, count, time, mask);
}

long syscall(long number, ...) {
  static long (*real)(long, ...);
  if (!real) real = (long (*)(long, ...))dlsym(RTLD_NEXT, "syscall");
  va_list list;
  va_start(list, number);
  long a[6];
  for (int i = 0; i < 6; i++) a[i] = va_arg(list, long);
  va_end(list);
  const char* name = number == SYS_io_uring_enter   ? "io_uring_enter"
                     : number == SYS_io_uring_setup ? "io_uring_setup"
                                                    : NULL;
  const int error = name ? fault(name, CALLER) : 0;
  if (error > 0) return errno = error, -1;
  return real(number, a[0], a[1], a[2], a[3], a[4], a[5]);
}
