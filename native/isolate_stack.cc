#include "isolate_stack.h"

#include <dlfcn.h>

#include <cstring>

#include "napi_args.h"

namespace percore {

namespace {

// A v8::Local is one pointer, passed in a register; so is a napi_value, which holds the same.
using Local = void*;
// v8::Location: both count from 0.
struct Location {
  int line, column;
};

// kDetailed of StackTrace::StackTraceOptions, without foreign origins: line, column, names, isEval, isConstructor.
constexpr int kDetailed = 0x7f;

struct V8 {
  void* (*current)() = nullptr;
  void (*interrupt)(void*, void (*)(void*, void*), void*) = nullptr;
  Local (*trace)(void*, int, int) = nullptr;
  int (*count)(Local) = nullptr;
  Local (*frame)(Local, void*, unsigned) = nullptr;
  Local (*function)(Local) = nullptr;
  Local (*script)(Local) = nullptr;
  Location (*location)(Local) = nullptr;
  void (*watch)(void*, OnCollection, void*, int) = nullptr;
  void (*unwatch)(void*, OnCollection, void*) = nullptr;
  void (*watchEnd)(void*, OnCollection, void*, int) = nullptr;
  void (*unwatchEnd)(void*, OnCollection, void*) = nullptr;
  bool isWhole = false;

  V8() {
    isWhole = find(current, "_ZN2v87Isolate10GetCurrentEv") &&
              find(interrupt, "_ZN2v87Isolate16RequestInterruptEPFvPS0_PvES2_") &&
              find(trace, "_ZN2v810StackTrace17CurrentStackTraceEPNS_7IsolateEiNS0_17StackTraceOptionsE") &&
              find(count, "_ZNK2v810StackTrace13GetFrameCountEv") &&
              find(frame, "_ZNK2v810StackTrace8GetFrameEPNS_7IsolateEj") &&
              find(function, "_ZNK2v810StackFrame15GetFunctionNameEv") &&
              find(script, "_ZNK2v810StackFrame24GetScriptNameOrSourceURLEv") &&
              find(location, "_ZNK2v810StackFrame11GetLocationEv") &&
              find(watch,
                  "_ZN2v87Isolate21AddGCPrologueCallbackEPFvPS0_NS_6GCTypeENS_15GCCallbackFlagsEPvES4_S2_") &&
              find(unwatch, "_ZN2v87Isolate24RemoveGCPrologueCallbackEPFvPS0_NS_6GCTypeENS_15GCCallbackFlagsEPvES4_") &&
              find(watchEnd,
                  "_ZN2v87Isolate21AddGCEpilogueCallbackEPFvPS0_NS_6GCTypeENS_15GCCallbackFlagsEPvES4_S2_") &&
              find(unwatchEnd,
                  "_ZN2v87Isolate24RemoveGCEpilogueCallbackEPFvPS0_NS_6GCTypeENS_15GCCallbackFlagsEPvES4_");
  }

 private:
  template <class F>
  static bool find(F*& function, const char* name) {
    void* found = dlsym(RTLD_DEFAULT, name);
    memcpy(&function, &found, sizeof found);
    return found != nullptr;
  }
};

const V8& v8() {
  static const V8 found;
  return found;
}

std::string nameOf(napi_env env, Local name) { return textOf(env, static_cast<napi_value>(name)); }

}  // namespace

bool hasIsolateStacks() { return v8().isWhole; }

void* currentIsolate() { return v8().isWhole ? v8().current() : nullptr; }

void interruptIsolate(void* isolate, void (*then)(void*, void*), void* data) { v8().interrupt(isolate, then, data); }

void watchCollections(void* isolate, int kinds, OnCollection begins, OnCollection ends, void* data) {
  v8().watch(isolate, begins, data, kinds);
  v8().watchEnd(isolate, ends, data, kinds);
}

void unwatchCollections(void* isolate, OnCollection begins, OnCollection ends, void* data) {
  v8().unwatch(isolate, begins, data);
  v8().unwatchEnd(isolate, ends, data);
}

std::string currentStack(napi_env env, void* isolate, int mostFrames) {
  std::string text;
  napi_handle_scope scope = nullptr;
  if (napi_open_handle_scope(env, &scope) != napi_ok) return text;
  const Local trace = v8().trace(isolate, mostFrames, kDetailed);
  const int count = trace ? v8().count(trace) : 0;
  for (int i = 0; i < count; i++) {
    const Local frame = v8().frame(trace, isolate, unsigned(i));
    if (!frame) break;
    std::string function = nameOf(env, v8().function(frame));
    const std::string script = nameOf(env, v8().script(frame));
    const Location location = v8().location(frame);
    if (function.empty()) function = "<anonymous>";
    if (!text.empty()) text += '\n';
    text += "    at " + function + " (" + (script.empty() ? "<unknown>" : script) + ':' +
            std::to_string(location.line + 1) + ':' + std::to_string(location.column + 1) + ')';
  }
  napi_close_handle_scope(env, scope);
  return text;
}

}  // namespace percore
