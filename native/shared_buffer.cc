#include "shared_buffer.h"

#include <dlfcn.h>

#include <cstring>
#include <memory>

namespace percore {

namespace {

template <class F>
bool find(F*& function, const char* name) {
  void* found = dlsym(RTLD_DEFAULT, name);
  memcpy(&function, &found, sizeof found);
  return found != nullptr;
}

// ---- Node-API, since 24.9 -------------------------------------------------------------------------------------------

using MakeExternal = napi_status(napi_env, void*, size_t, FreeShared, void*, napi_value*);

MakeExternal* byNodeApi() {
  static MakeExternal* const found = [] {
    MakeExternal* function = nullptr;
    find(function, "node_api_create_external_sharedarraybuffer");
    return function;
  }();
  return found;
}

// ---- V8 -------------------------------------------------------------------------------------------------------------

// V8 gives a std::unique_ptr<BackingStore> and takes a std::shared_ptr<BackingStore>: pointers to something that is
// never looked into here. Like those they have destructors, so that compilers pass them in the same way.
struct Keep {
  void operator()(char*) const {}
};
using Owned = std::unique_ptr<char, Keep>;

struct V8 {
  void* (*current)() = nullptr;
  Owned (*wrap)(void*, size_t, void (*)(void*, size_t, void*), void*) = nullptr;
  void* (*make)(void*, std::shared_ptr<char>) = nullptr;
  void (*destroy)(void*) = nullptr;
  bool isWhole = false;

  V8() {
    isWhole = find(current, "_ZN2v87Isolate10GetCurrentEv") &&
              find(wrap, "_ZN2v817SharedArrayBuffer15NewBackingStoreEPvmPFvS1_mS1_ES1_") &&
              find(make, "_ZN2v817SharedArrayBuffer3NewEPNS_7IsolateESt10shared_ptrINS_12BackingStoreEE") &&
              find(destroy, "_ZN2v812BackingStoreD1Ev");
  }
};

const V8& v8() {
  static const V8 found;
  return found;
}

struct Freeing {
  FreeShared free;
  void* hint;
};

void onFree(void* data, size_t, void* pointer) {
  const std::unique_ptr<Freeing> freeing(static_cast<Freeing*>(pointer));
  freeing->free(data, freeing->hint);
}

}  // namespace

napi_value makeSharedBuffer(napi_env env, void* data, size_t bytes, FreeShared free, void* hint) {
  napi_value buffer = nullptr;
  if (MakeExternal* make = byNodeApi())
    return make(env, data, bytes, free, hint, &buffer) == napi_ok ? buffer : nullptr;
  if (!v8().isWhole) return nullptr;
  char* store = v8().wrap(data, bytes, onFree, new Freeing{free, hint}).release();
  // V8 counts who holds it, in every isolate, by this pointer.
  std::shared_ptr<char> held(store, [](char* store) {
    v8().destroy(store);
    ::operator delete(static_cast<void*>(store));
  });
  // A v8::Local is one pointer; so is a napi_value, which holds the same.
  return static_cast<napi_value>(v8().make(v8().current(), std::move(held)));
}

}  // namespace percore
