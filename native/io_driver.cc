#include "io_driver.h"

#include <poll.h>

#include <cerrno>

namespace percore {

std::unique_ptr<IoDriver> IoDriver::create(napi_env env, bool isUring, const IoMemory& memory, AddonState* state,
    const napi_value (&views)[kViews], napi_value deliver, int* error) {
  std::unique_ptr<IoDriver> driver(new IoDriver(env));
  if (!driver->epoll_.open(-1, nullptr)) return *error = errno, nullptr;
  const int epoll = driver->epoll_.fd();
  driver->io_ = isUring ? openUringIo(memory, state, epoll, error) : openEpollIo(memory, state, epoll);
  if (!driver->io_) return nullptr;
  driver->block_ = memory.block;
  for (napi_value view : views) driver->hold(view);
  if (deliver) {
    if (const int refused = driver->start("percore:io", epoll, deliver)) return *error = -refused, nullptr;
  }
  return driver;
}

// First what was requested, then what is ready; afterwards libuv may sleep unless more is to be done.
void IoDriver::onPrepare() {
  if (io_->hasRequests()) io_->drain();
  if (io_->hasMore() && io_->hasRoom()) io_->collect();
  if ((io_->hasEvents() || block_->hasMore != 0) && !run()) return;
  keepAwake(block_->hasMore != 0 || io_->hasEvents() || io_->hasMore() || io_->hasRequests());
}

void IoDriver::onReadable() {
  collect();
  if (io_->hasEvents()) run();
}

void IoDriver::collect() {
  double wakes = 0;  // only reactors count them
  epoll_.collect(io_.get(), &wakes);
}

void IoDriver::poll(int timeoutMs) {
  if (isDead_) return;
  if (io_->hasRequests()) io_->drain();
  collect();
  if (timeoutMs == 0 || io_->hasEvents()) return;
  pollfd one{epoll_.fd(), POLLIN, 0};
  ::poll(&one, 1, timeoutMs);
  collect();
}

// Delivers the events, then carries out what their handlers have requested.
bool IoDriver::run() {
  if (!deliver()) return false;
  if (io_->hasRequests()) io_->drain();
  return true;
}

void IoDriver::shutDown() {
  if (isStarted()) return LoopGuest::shutDown();
  isDead_ = true;
  io_.reset();
  epoll_.close();
}

}  // namespace percore
