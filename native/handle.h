// What JavaScript holds of an object of ours. Either may be gone before the other, so it holds a cell, and the cell
// points to the object:
//
//   external ──> cell ──> object
//
// The object's destructor clears the cell, by its member `handle`; the external's finalizer frees it.
//
// A cell begins with its kind, so that the handle of something else is no object rather than a wild pointer.
#pragma once
#include <node_api.h>

namespace percore {

template <class Kind>
inline constexpr char kKind = 0;

template <class T>
struct HandleCell {
  const void* kind;
  T* object;
};

// To be called once for each object. When JavaScript has let go of it, `object->whenCollected()` is called, if there is
// such a thing. `Kind` tells apart the objects of classes with one base.
template <class T, class Kind = T>
napi_value makeHandle(napi_env env, T* object) {
  auto* made = new HandleCell<T>{&kKind<Kind>, object};
  object->handle = &made->object;
  napi_value external = nullptr;
  napi_create_external(
      env, made,
      [](napi_env, void* pointer, void*) {
        auto* cell = static_cast<HandleCell<T>*>(pointer);
        T* object = cell->object;
        delete cell;
        if (!object) return;
        object->handle = nullptr;
        if constexpr (requires { object->whenCollected(); }) object->whenCollected();
      },
      nullptr, &external);
  return external;
}

// Null for one that is gone, and for what is no handle of this kind.
template <class T, class Kind = T>
T* ofHandle(napi_env env, napi_value handle) {
  void* pointer = nullptr;
  if (!handle || napi_get_value_external(env, handle, &pointer) != napi_ok || !pointer) return nullptr;
  const auto* cell = static_cast<HandleCell<T>*>(pointer);
  return cell->kind == &kKind<Kind> ? cell->object : nullptr;
}

}  // namespace percore
