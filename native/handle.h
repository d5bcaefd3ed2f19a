// What JavaScript holds of a C++ object. Either may be gone before the other. So JavaScript holds a cell, and the cell
// points to the object:
//
//   external ──> cell ──> object
//
// The object's destructor clears the cell through its member `handle`; the finalizer of the external frees the cell.
//
// A cell begins with its kind. So a handle of another kind yields no object, rather than a wild pointer.
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

// To be called once for each object. When JavaScript has let go of the handle, `object->whenCollected()` is called, if
// it exists. `Kind` tells objects apart whose classes have one base.
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

// Null for an object that is gone, and for anything that is not a handle of this kind.
template <class T, class Kind = T>
T* ofHandle(napi_env env, napi_value handle) {
  void* pointer = nullptr;
  if (!handle || napi_get_value_external(env, handle, &pointer) != napi_ok || !pointer) return nullptr;
  const auto* cell = static_cast<HandleCell<T>*>(pointer);
  return cell->kind == &kKind<Kind> ? cell->object : nullptr;
}

}  // namespace percore
