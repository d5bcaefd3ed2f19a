// The JavaScript stack of a blocked thread, taken by another thread. Node-API cannot do this. But V8 asks at each loop
// and call of a running function, and at each backtracking step of a regular expression, whether somebody wants to
// interrupt it (`Isolate::RequestInterrupt`), and Node exports that. Names and arguments are the same in Node 20 to 26,
// so they are looked up when the addon runs, and no binary is tied to one V8. If one is missing there are no stacks,
// and everything else works.
//
// Why it is done so, and the alternatives that were measured: docs/decisions/2026-11-29-stacks-of-blocked-threads.md.
#pragma once
#include <node_api.h>

#include <string>

namespace percore {

// True if this Node has everything that is needed.
bool hasIsolateStacks();
// The isolate of the calling thread, for the functions below; null if it is not available.
void* currentIsolate();
// Any thread may call it while the isolate lives. The isolate's own thread calls `then` as soon as it runs JavaScript,
// in the middle of it. `then` must not run JavaScript.
void interruptIsolate(void* isolate, void (*then)(void* isolate, void* data), void* data);
// Called in the isolate's own thread: `begins` runs whenever a collection begins, `ends` when it has ended, until they
// are removed. V8 allows them to allocate; they must not ask for the stack. `kinds`: a set of V8's GCType, that is
// scavenges, minor and full mark-compacts, the beginning of incremental marking, and callbacks of weak references.
using OnCollection = void (*)(void* isolate, int kind, int flags, void* data);
constexpr int kPauses = 7, kAllCollections = 31;
void watchCollections(void* isolate, int kinds, OnCollection begins, OnCollection ends, void* data);
void unwatchCollections(void* isolate, OnCollection begins, OnCollection ends, void* data);
// In `then` of an interrupt, or wherever its own thread runs JavaScript: the functions that are running, innermost
// first, one on each line, as in the stack of an Error. Takes some hundred microseconds.
std::string currentStack(napi_env env, void* isolate, int mostFrames);

}  // namespace percore
