// What the kernel says of how it has scheduled a thread, in /proc/*/schedstat. Knows nothing of Node.
#pragma once
#include <unistd.h>

#include <cstdint>
#include <cstdlib>
#include <initializer_list>

namespace percore {

struct Schedstat {
  // For how long the thread has had a CPU, and for how long it has waited for one.
  int64_t ranNs = 0, waitedNs = 0;
  // How often it was given one.
  int64_t times = 0;
};

// Of the thread whose file is open as `fd`. False where the kernel does not say, as without CONFIG_SCHED_INFO.
inline bool readSchedstat(int fd, Schedstat* stat) {
  char text[96];
  const ssize_t length = pread(fd, text, sizeof text - 1, 0);
  if (length <= 0) return false;
  text[length] = 0;
  char* at = text;
  for (int64_t* const number : {&stat->ranNs, &stat->waitedNs, &stat->times}) *number = strtoll(at, &at, 10);
  return true;
}

}  // namespace percore
