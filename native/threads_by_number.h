// Who a thread's number is. Knows nothing of Node.
#pragma once
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <vector>

namespace percore {

// As the kernel has it: 16 bytes, ended by a zero.
struct ThreadName {
  uint64_t words[2] = {0, 0};

  static ThreadName at(const void* bytes) {
    ThreadName name;
    memcpy(name.words, bytes, sizeof name.words);
    return name;
  }
  bool operator==(const ThreadName&) const = default;
  bool isHandler() const { return memcmp(words, "irq/", 4) == 0; }
};

// Who leaves a CPU, or comes to it, or wakes another. -1 and no name are for what is not known, or no thread.
struct SwitchSide {
  int32_t pid = -1, priority = -1;
  ThreadName name;
};

class FollowedThread;

// Threads by their numbers: those that are followed, and the names of others as events have last told them. Few of all
// events are ever shown, so they keep numbers alone, and whoever shows them looks here. Two of the others may have one
// place: then the name that came before is lost.
class ThreadsByNumber {
 public:
  // Who woke a thread, where that was no thread.
  static constexpr int32_t kNobody = -1, kInterrupt = -2, kSoftInterrupt = -3;

  ThreadsByNumber() : names_(kPlaces) { setFollowed({}); }

  // Those that are followed from now on.
  void setFollowed(const std::vector<FollowedThread*>& threads);
  // Null if it is not followed.
  FollowedThread* find(int32_t tid) const {
    for (size_t at = uint32_t(tid) & mask_;; at = (at + 1) & mask_) {
      const Followed& found = followed_[at];
      if (found.tid == tid || !found.thread) return found.thread;
    }
  }
  // The name of one that is not followed.
  void learn(int32_t pid, const void* name) {
    // The idle thread of each CPU has this number.
    if (pid == 0) return;
    Named& known = names_[uint32_t(pid) % kPlaces];
    known.pid = pid;
    known.name = ThreadName::at(name);
  }
  // Without a name, and a number for what has one, where that is not known.
  SwitchSide of(int32_t pid, int32_t priority) const;

 private:
  static constexpr size_t kPlaces = 4096;

  struct Followed {
    int32_t tid = kNobody;
    FollowedThread* thread = nullptr;
  };
  struct Named {
    int32_t pid = kNobody;
    ThreadName name;
  };

  // With open places; at least four times as many as there are threads.
  std::vector<Followed> followed_;
  size_t mask_ = 0;
  std::vector<Named> names_;
};

}  // namespace percore
