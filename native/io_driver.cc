#include "io_driver.h"

#include <poll.h>

#include <cerrno>
#include <initializer_list>

namespace percore {

std::unique_ptr<IoDriver> IoDriver::create(napi_env env, bool isUring, const IoMemory& memory, AddonState* state, const napi_value (&views)[kViews], napi_value deliver, int* error) {
  std::unique_ptr<IoDriver> driver(new IoDriver(env));
  if (!driver->epoll_.open(-1)) return *error = errno, nullptr;
  const int epoll = driver->epoll_.fd();
  driver->io_ = isUring ? openUringIo(memory, state, epoll, error) : openEpollIo(memory, state, epoll);
  if (!driver->io_) return nullptr;
  driver->block_ = memory.block;
  for (int i = 0; i < kViews; i++) napi_create_reference(env, views[i], 1, &driver->views_[i]);
  if (deliver) driver->start(deliver);
  return driver;
}

IoDriver::~IoDriver() {
  io_.reset();
  for (napi_ref view : views_) {
    if (view) napi_delete_reference(env_, view);
  }
  if (deliver_) napi_delete_reference(env_, deliver_);
  if (context_) napi_async_destroy(env_, context_);
  if (handle) *handle = nullptr;
}

void IoDriver::start(napi_value deliver) {
  napi_create_reference(env_, deliver, 1, &deliver_);
  napi_value name = nullptr;
  napi_create_string_utf8(env_, "percore:io", NAPI_AUTO_LENGTH, &name);
  napi_async_init(env_, nullptr, name, &context_);
  uv_loop_t* loop = nullptr;
  napi_get_uv_event_loop(env_, &loop);
  uv_prepare_init(loop, &prepare_);
  uv_idle_init(loop, &idle_);
  uv_poll_init(loop, &pollHandle_, epoll_.fd());
  prepare_.data = idle_.data = pollHandle_.data = this;
  uv_prepare_start(&prepare_, [](uv_prepare_t* handle) { static_cast<IoDriver*>(handle->data)->onPrepare(); });
  uv_poll_start(&pollHandle_, UV_READABLE, [](uv_poll_t* handle, int, int) { static_cast<IoDriver*>(handle->data)->onSignalled(); });
  // Only open sources keep a thread alive: see setRef(). An idle handle, though unreferenced, prevents sleep.
  for (uv_handle_t* handle : {reinterpret_cast<uv_handle_t*>(&prepare_), reinterpret_cast<uv_handle_t*>(&idle_), reinterpret_cast<uv_handle_t*>(&pollHandle_)}) uv_unref(handle);
  // Asynchronous: Node turns the loop until the hook is removed, so the close callbacks run on terminate() and process.exit() too.
  napi_add_async_cleanup_hook(env_, [](napi_async_cleanup_hook_handle, void* data) { static_cast<IoDriver*>(data)->shutDown(); }, this, &hook_);
}

// Before libuv sleeps: what was requested is done, and what is ready has run.
void IoDriver::onPrepare() {
  if (isDead_) return;
  if (io_->hasRequests()) io_->drain();
  if (io_->hasMore() && io_->hasRoom()) io_->collect();
  if ((io_->hasEvents() || block_->hasMore != 0) && !deliver()) return;
  if (block_->hasMore != 0 || io_->hasEvents() || io_->hasMore() || io_->hasRequests()) uv_idle_start(&idle_, [](uv_idle_t*) {});
  else uv_idle_stop(&idle_);
}

void IoDriver::onSignalled() {
  if (isDead_) return;
  double wakes = 0;
  epoll_.collect(io_.get(), &wakes);
  if (io_->hasEvents()) deliver();
}

void IoDriver::poll(int timeoutMs) {
  if (isDead_) return;
  if (io_->hasRequests()) io_->drain();
  double wakes = 0;
  epoll_.collect(io_.get(), &wakes);
  if (timeoutMs == 0 || io_->hasEvents()) return;
  pollfd one{epoll_.fd(), POLLIN, 0};
  ::poll(&one, 1, timeoutMs);
  epoll_.collect(io_.get(), &wakes);
}

// False: touch nothing any more (closed, or the environment is being terminated).
bool IoDriver::deliver() {
  napi_handle_scope scope = nullptr;
  if (napi_open_handle_scope(env_, &scope) != napi_ok) {
    isDead_ = true;
    return false;
  }
  napi_value function = nullptr;
  napi_get_reference_value(env_, deliver_, &function);
  // Promises and ticks run at its end. The function is its own receiver: any object will do, and this one is at hand.
  const napi_status status = function ? napi_make_callback(env_, context_, function, function, 0, nullptr, nullptr) : napi_generic_failure;
  if (status != napi_ok) {
    bool isPending = false;
    napi_value error = nullptr;
    napi_is_exception_pending(env_, &isPending);
    if (isPending && napi_get_and_clear_last_exception(env_, &error) == napi_ok) napi_fatal_exception(env_, error);
    else isDead_ = true;  // terminate() has come
  }
  napi_close_handle_scope(env_, scope);
  if (!isDead_ && io_->hasRequests()) io_->drain();
  return !isDead_;
}

void IoDriver::setRef(bool isReferenced) {
  if (isDead_ || !isStarted()) return;
  auto* handle = reinterpret_cast<uv_handle_t*>(&pollHandle_);
  if (isReferenced) uv_ref(handle);
  else uv_unref(handle);
}

void IoDriver::shutDown() {
  isDead_ = true;
  if (!isStarted()) {
    io_.reset();
    epoll_.close();
    return;
  }
  if (openHandles_ != 0) return;  // close() and teardown may both come
  for (uv_handle_t* handle : {reinterpret_cast<uv_handle_t*>(&prepare_), reinterpret_cast<uv_handle_t*>(&idle_), reinterpret_cast<uv_handle_t*>(&pollHandle_)}) {
    openHandles_++;
    uv_close(handle, onClosed);
  }
}

void IoDriver::onClosed(uv_handle_t* handle) {
  IoDriver* driver = static_cast<IoDriver*>(handle->data);
  if (--driver->openHandles_ != 0) return;
  const napi_env env = driver->env_;
  const napi_async_cleanup_hook_handle hook = driver->hook_;
  napi_handle_scope scope = nullptr;
  napi_open_handle_scope(env, &scope);
  delete driver;
  if (scope) napi_close_handle_scope(env, scope);
  napi_remove_async_cleanup_hook(hook);  // from here on Node may tear the loop down
}

}  // namespace percore
