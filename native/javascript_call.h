// The end of every call into JavaScript.
#pragma once
#include <node_api.h>

namespace percore {

// What was thrown is handed on as an uncaught exception. False: the environment is being terminated, and nothing more
// may be called.
inline bool settleCall(napi_env env, napi_status status) {
  if (status == napi_ok) return true;
  bool isPending = false;
  napi_value error = nullptr;
  napi_is_exception_pending(env, &isPending);
  if (!isPending || napi_get_and_clear_last_exception(env, &error) != napi_ok) return false;
  napi_fatal_exception(env, error);
  return true;
}

}  // namespace percore
