#include "threads_by_number.h"

#include <algorithm>

#include "followed_thread.h"

namespace percore {

static ThreadName called(const char* name) {
  char bytes[16] = {};
  memcpy(bytes, name, std::min(strlen(name), sizeof bytes));
  return ThreadName::at(bytes);
}

void ThreadsByNumber::setFollowed(const std::vector<FollowedThread*>& threads) {
  size_t size = 16;
  while (size < 4 * threads.size()) size *= 2;
  mask_ = size - 1;
  followed_.assign(size, {});
  for (FollowedThread* const thread : threads) {
    size_t at = uint32_t(thread->tid) & mask_;
    while (followed_[at].thread) at = (at + 1) & mask_;
    followed_[at] = {thread->tid, thread};
  }
}

SwitchSide ThreadsByNumber::of(int32_t pid, int32_t priority) const {
  if (pid == kNobody) return {pid, priority, {}};
  if (pid == kInterrupt) return {kNobody, priority, called("an interrupt")};
  if (pid == kSoftInterrupt) return {kNobody, priority, called("a soft interrupt")};
  if (pid == 0) return {pid, priority, called("idle")};
  if (const FollowedThread* const thread = find(pid)) return {pid, priority, thread->name};
  const Named& known = names_[uint32_t(pid) % kPlaces];
  return {pid, priority, known.pid == pid ? known.name : ThreadName()};
}

}  // namespace percore
