// JavaScript's handle of an I/O source.
#pragma once
#include <node_api.h>

namespace percore {

class IoSource;

// A source may be gone before its handle is collected, and the other way round; so the handle is a pointer to a pointer.
napi_value ioHandle(napi_env env, IoSource* source);

}  // namespace percore
