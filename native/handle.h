// What JavaScript has of an object here. Either may be gone before the other, so it is a pointer to a pointer:
//
//   external ──> cell ──> object        The object's destructor clears the cell, by its member `handle`; the external's finalizer frees it.
#pragma once
#include <node_api.h>

namespace percore {

// Once an object. When JavaScript has let go of it, `object->whenCollected()` is called, if there is such a thing.
template <class T>
napi_value makeHandle(napi_env env, T* object) {
  object->handle = new T*(object);
  napi_value external = nullptr;
  napi_create_external(env, object->handle, [](napi_env, void* pointer, void*) {
    auto** cell = static_cast<T**>(pointer);
    T* object = *cell;
    delete cell;
    if (!object) return;
    object->handle = nullptr;
    if constexpr (requires { object->whenCollected(); }) object->whenCollected();
  }, nullptr, &external);
  return external;
}

// Null for one that is gone.
template <class T>
T* ofHandle(napi_env env, napi_value handle) {
  void* pointer = nullptr;
  if (handle) napi_get_value_external(env, handle, &pointer);
  return pointer ? *static_cast<T**>(pointer) : nullptr;
}

}  // namespace percore
