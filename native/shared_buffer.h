// A SharedArrayBuffer over memory that is not V8's: a mapped file, in which other processes write too. Node-API has it
// since Node 24.9; before that it is V8's own, by the names of its functions, which all supported Nodes export. Both
// are looked for when they are asked for, so that the addon loads where neither is there.
// Why this works, and what else was tried: docs/decisions/2026-11-29-rings-between-processes.md.
#pragma once
#include <node_api.h>

#include <cstddef>

namespace percore {

// Called once, when no thread holds the buffer any more, in whichever thread that happens.
using FreeShared = void (*)(void* data, void* hint);

// Null, and nothing is freed, where this Node cannot.
napi_value makeSharedBuffer(napi_env env, void* data, size_t bytes, FreeShared free, void* hint);

}  // namespace percore
