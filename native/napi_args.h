// Reading arguments and making errors. After terminate() Node-API calls fail and leave their results unset, while the rest
// of the C++ function still runs: so every result starts at a harmless value and every helper says whether it worked.
#pragma once
#include <napi.h>

#include <cerrno>
#include <cstring>
#include <string>

namespace percore {

// The arguments of a hot function, without a CallbackInfo.
template <size_t N>
struct RawArgs {
  napi_env env;
  napi_value value[N] = {};
  RawArgs(napi_env e, napi_callback_info info) : env(e) {
    size_t count = N;
    napi_get_cb_info(env, info, &count, value, nullptr, nullptr);
  }
  // The fallback for whatever is not a whole number of 32 bits: NaN must not become descriptor 0.
  int32_t int32(size_t i, int32_t fallback = -1) const {
    double result = fallback;
    if (value[i]) napi_get_value_double(env, value[i], &result);
    return result >= INT32_MIN && result <= INT32_MAX && result == int32_t(result) ? int32_t(result) : fallback;
  }
  double number(size_t i, double fallback = 0) const {
    double result = fallback;
    if (value[i]) napi_get_value_double(env, value[i], &result);
    return result;
  }
  // Start and length of a typed array; works over a SharedArrayBuffer on every supported Node, which array buffers do not.
  bool bytes(size_t i, char** data, size_t* length) const {
    napi_typedarray_type type;
    void* start = nullptr;
    if (!value[i] || napi_get_typedarray_info(env, value[i], &type, length, &start, nullptr, nullptr) != napi_ok) return false;
    *data = static_cast<char*>(start);
    return true;
  }
  // The bytes that arguments `i` to `i + 2` mean: an array, an offset, a length. False when they are not all there.
  bool span(size_t i, char** data, size_t* length) const {
    size_t capacity = 0;
    const int32_t offset = int32(i + 1), count = int32(i + 2);
    if (!bytes(i, data, &capacity) || offset < 0 || count < 0 || size_t(offset) + size_t(count) > capacity) return false;
    *data += offset;
    *length = size_t(count);
    return true;
  }
  bool boolean(size_t i) const {
    bool result = false;
    if (value[i]) napi_get_value_bool(env, value[i], &result);
    return result;
  }
  napi_value integer(int32_t result) const {
    napi_value out = nullptr;
    napi_create_int32(env, result, &out);
    return out;
  }
  napi_value real(double result) const {
    napi_value out = nullptr;
    napi_create_double(env, result, &out);
    return out;
  }
};

inline const char* errnoName(int error) {
  const char* name = strerrorname_np(error);
  return name ? name : "UNKNOWN";
}

// A JavaScript error like Node's own system errors: message, code, errno, syscall.
inline Napi::Value throwSystemError(Napi::Env env, int error, const char* syscall, const std::string& detail = "") {
  Napi::Error e = Napi::Error::New(env, std::string(errnoName(error)) + ": " + strerror(error) + ", " + syscall + (detail.empty() ? "" : " " + detail));
  e.Set("code", Napi::String::New(env, errnoName(error)));
  e.Set("errno", Napi::Number::New(env, -error));
  e.Set("syscall", Napi::String::New(env, syscall));
  e.ThrowAsJavaScriptException();
  return env.Undefined();
}

// Adds a raw callback to the exports.
inline void exportRaw(Napi::Env env, Napi::Object exports, const char* name, napi_callback callback) {
  napi_value function = nullptr;
  if (napi_create_function(env, name, NAPI_AUTO_LENGTH, callback, nullptr, &function) == napi_ok) exports.Set(name, Napi::Value(env, function));
}

}  // namespace percore
