// A thread of the addon's own. std::thread throws where the system gives none, and no exception may pass through here,
// so the process would end; yet a limit of threads (pids.max of a container, `ulimit -u`) is nothing unusual.
#pragma once
#include <pthread.h>

#include <memory>
#include <utility>

namespace percore {

class Thread {
 public:
  Thread() = default;
  Thread(Thread&& other) noexcept : id_(other.id_), isRunning_(std::exchange(other.isRunning_, false)) {}
  Thread& operator=(Thread&&) = delete;

  // 0 or -errno, with no thread made: -EAGAIN at a limit. Whoever starts one joins or detaches it.
  template <typename Body>
  int start(Body body) {
    auto given = std::make_unique<Body>(std::move(body));
    const auto run = [](void* data) -> void* {
      const std::unique_ptr<Body> body(static_cast<Body*>(data));
      (*body)();
      return nullptr;
    };
    const int code = pthread_create(&id_, nullptr, run, given.get());
    if (code != 0) return -code;
    given.release();
    isRunning_ = true;
    return 0;
  }

  bool isRunning() const { return isRunning_; }
  void join() {
    if (std::exchange(isRunning_, false)) pthread_join(id_, nullptr);
  }
  void detach() {
    if (std::exchange(isRunning_, false)) pthread_detach(id_);
  }

 private:
  pthread_t id_{};
  bool isRunning_ = false;
};

}  // namespace percore
