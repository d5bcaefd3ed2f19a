// The JavaScript stack of a thread that is blocked, taken by another thread. Node-API has no such thing, but V8 asks a
// running function at each loop and call, and a regular expression at each step back, whether somebody wants to
// interrupt it (`Isolate::RequestInterrupt`), and Node exports that. Its names and arguments are the same in Node 20 to
// 26, so they are looked up when the addon runs and no binary is tied to one V8. Where one is missing there are no
// stacks, and all else goes on.
//
// Why so, and what it was measured against: docs/decisions/2026-11-29-stacks-of-blocked-threads.md.
#pragma once
#include <node_api.h>

#include <string>

namespace percore {

// True where this Node has all that is needed.
bool hasIsolateStacks();
// The isolate of the calling thread, for the functions below; null without.
void* currentIsolate();
// Any thread, while the isolate lives: its own thread calls `then` as soon as it runs JavaScript, and amid it. `then`
// must not run JavaScript.
void interruptIsolate(void* isolate, void (*then)(void* isolate, void* data), void* data);
// In the isolate's own thread: `then` is called where a collection begins, until it is taken back. V8 allows it to
// allocate; it must not ask for the stack.
using OnCollection = void (*)(void* isolate, int kind, int flags, void* data);
void watchCollections(void* isolate, OnCollection then, void* data);
void unwatchCollections(void* isolate, OnCollection then, void* data);
// In `then` of an interrupt, or wherever its own thread runs JavaScript: the functions that are running, the innermost
// first, a line each, as an Error's stack has them. Some hundred microseconds.
std::string currentStack(napi_env env, void* isolate, int mostFrames);

}  // namespace percore
