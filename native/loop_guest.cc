#include "loop_guest.h"

#include <cerrno>
#include <initializer_list>

#include "addon_state.h"
#include "javascript_call.h"

namespace percore {

LoopGuest::~LoopGuest() {
  for (napi_ref view : views_) napi_delete_reference(env_, view);
  if (deliver_) napi_delete_reference(env_, deliver_);
  if (context_) napi_async_destroy(env_, context_);
  if (handle) *handle = nullptr;
}

void LoopGuest::hold(napi_value view) {
  napi_ref reference = nullptr;
  if (napi_create_reference(env_, view, 1, &reference) == napi_ok) views_.push_back(reference);
}

template <class Do>
void LoopGuest::forEachHandle(Do what) {
  for (uv_handle_t* handle : {reinterpret_cast<uv_handle_t*>(&prepare_), reinterpret_cast<uv_handle_t*>(&idle_),
           reinterpret_cast<uv_handle_t*>(&poll_)})
    what(handle);
}

int LoopGuest::start(const char* name, int fd, napi_value deliver) {
  napi_value text = nullptr;
  uv_loop_t* loop = nullptr;
  if (napi_get_uv_event_loop(env_, &loop) != napi_ok || napi_create_reference(env_, deliver, 1, &deliver_) != napi_ok ||
      napi_create_string_utf8(env_, name, NAPI_AUTO_LENGTH, &text) != napi_ok ||
      napi_async_init(env_, nullptr, text, &context_) != napi_ok)
    return -ECANCELED;
  // First the one that can be refused (no memory, no room in the loop's epoll): until it is in, there is nothing to
  // take out again.
  if (const int refused = uv_poll_init(loop, &poll_, fd)) return refused;
  uv_prepare_init(loop, &prepare_);
  uv_idle_init(loop, &idle_);
  // Only what somebody waits for keeps a thread alive: see setRef(). An idle handle, though unreferenced, prevents
  // sleep.
  forEachHandle([this](uv_handle_t* handle) {
    handle->data = this;
    uv_unref(handle);
  });
  uv_prepare_start(&prepare_, [](uv_prepare_t* handle) {
    auto* guest = static_cast<LoopGuest*>(handle->data);
    if (!guest->isDead_) guest->onPrepare();
  });
  uv_poll_start(&poll_, UV_READABLE, [](uv_poll_t* handle, int, int) {
    auto* guest = static_cast<LoopGuest*>(handle->data);
    if (!guest->isDead_) guest->onReadable();
  });
  // Asynchronous: Node turns the loop until the hook is removed, so the close callbacks run on terminate() and
  // process.exit() too.
  napi_add_async_cleanup_hook(
      env_, [](napi_async_cleanup_hook_handle, void* data) { static_cast<LoopGuest*>(data)->shutDown(); }, this,
      &hook_);
  stateOf(env_)->loopGuests++;
  return 0;
}

bool LoopGuest::deliver() {
  napi_handle_scope scope = nullptr;
  if (napi_open_handle_scope(env_, &scope) != napi_ok) {
    isDead_ = true;
    return false;
  }
  napi_value function = nullptr;
  napi_get_reference_value(env_, deliver_, &function);
  // Promises and ticks run at its end. The function is its own receiver: any object will do, and this one is at hand.
  const napi_status status =
      function ? napi_make_callback(env_, context_, function, function, 0, nullptr, nullptr) : napi_generic_failure;
  if (!settleCall(env_, status)) isDead_ = true;
  napi_close_handle_scope(env_, scope);
  return !isDead_;
}

void LoopGuest::keepAwake(bool isBusy) {
  if (isBusy) uv_idle_start(&idle_, [](uv_idle_t*) {});
  else uv_idle_stop(&idle_);
}

void LoopGuest::setRef(bool isReferenced) {
  if (isDead_ || !isStarted()) return;
  auto* handle = reinterpret_cast<uv_handle_t*>(&poll_);
  if (isReferenced) uv_ref(handle);
  else uv_unref(handle);
}

void LoopGuest::shutDown() {
  isDead_ = true;
  if (openHandles_ != 0 || !isStarted()) return;  // close() and teardown may both come
  forEachHandle([this](uv_handle_t* handle) {
    openHandles_++;
    uv_close(handle, onClosed);
  });
}

void LoopGuest::onClosed(uv_handle_t* handle) {
  auto* guest = static_cast<LoopGuest*>(handle->data);
  if (--guest->openHandles_ != 0) return;
  const napi_env env = guest->env_;
  const napi_async_cleanup_hook_handle hook = guest->hook_;
  stateOf(env)->loopGuests--;
  napi_handle_scope scope = nullptr;
  napi_open_handle_scope(env, &scope);
  delete guest;
  if (scope) napi_close_handle_scope(env, scope);
  napi_remove_async_cleanup_hook(hook);  // from here on Node may tear the loop down
}

}  // namespace percore
