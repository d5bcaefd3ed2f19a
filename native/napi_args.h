// Reads arguments and makes errors. After terminate() Node-API calls fail and leave their results unset, while the rest
// of the C++ function still runs. So every result starts with a harmless value, and every helper says whether it
// worked.
#pragma once
#include <napi.h>

#include <cerrno>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <string>

#include "errno_name.h"

namespace percore {

// ---- One argument ---------------------------------------------------------------------------------------------------
// Node-API's own conversions turn NaN and infinity into 0 and wrap numbers that are too large. A mistake would thus
// mean descriptor 0, which is somebody's. Here everything else than what is meant (text, NaN, 1.5, 2^32, an object)
// becomes `fallback`, which the function then refuses.

inline double numberOf(napi_env env, napi_value value, double fallback) {
  double result = fallback;
  if (!value || napi_get_value_double(env, value, &result) != napi_ok) return fallback;
  return result;
}

// A whole number that fits into 32 bits.
inline int32_t int32Of(napi_env env, napi_value value, int32_t fallback = -1) {
  const double number = numberOf(env, value, fallback);
  if (!(number >= INT32_MIN && number <= INT32_MAX)) return fallback;
  const auto result = int32_t(number);
  return double(result) == number ? result : fallback;
}

// A whole number that fits into 64 bits.
inline int64_t int64Of(napi_env env, napi_value value, int64_t fallback = -1) {
  constexpr double kMost = 9223372036854774784;
  const double number = numberOf(env, value, NAN);
  if (!(number >= -kMost && number <= kMost)) return fallback;
  const auto result = int64_t(number);
  return double(result) == number ? result : fallback;
}

inline bool booleanOf(napi_env env, napi_value value) {
  bool result = false;
  if (value) napi_get_value_bool(env, value, &result);
  return result;
}

// Text as UTF-8; empty if it is not text. It may contain NULs: see pathOf.
inline std::string textOf(napi_env env, napi_value value) {
  size_t length = 0;
  std::string text;
  if (!value || napi_get_value_string_utf8(env, value, nullptr, 0, &length) != napi_ok) return text;
  text.resize(length);
  if (napi_get_value_string_utf8(env, value, text.data(), length + 1, &length) != napi_ok) text.clear();
  return text;
}

// The same for the path of a file. It is empty, which every system call refuses, also when the text contains a NUL,
// since the kernel would read another path.
inline std::string pathOf(napi_env env, napi_value value) {
  std::string path = textOf(env, value);
  if (path.find('\0') != std::string::npos) path.clear();
  return path;
}

// Start and length, in elements, of a typed array of this type. It works over a SharedArrayBuffer on every supported
// Node, as array buffers do not.
inline bool arrayOf(napi_env env, napi_value value, napi_typedarray_type type, void** data, size_t* length) {
  napi_typedarray_type found;
  return value && napi_get_typedarray_info(env, value, &found, length, data, nullptr, nullptr) == napi_ok &&
         found == type;
}

// The arguments of a hot function, read without a CallbackInfo.
template <size_t N>
struct RawArgs {
  napi_env env;
  napi_value value[N] = {};
  RawArgs(napi_env e, napi_callback_info info) : env(e) {
    size_t count = N;
    napi_get_cb_info(env, info, &count, value, nullptr, nullptr);
  }
  int32_t int32(size_t i, int32_t fallback = -1) const { return int32Of(env, value[i], fallback); }
  int64_t int64(size_t i, int64_t fallback = -1) const { return int64Of(env, value[i], fallback); }
  double number(size_t i, double fallback = 0) const { return numberOf(env, value[i], fallback); }
  bool boolean(size_t i) const { return booleanOf(env, value[i]); }
  // A Uint8Array.
  bool bytes(size_t i, char** data, size_t* length) const {
    void* start = nullptr;
    if (!arrayOf(env, value[i], napi_uint8_array, &start, length)) return false;
    *data = static_cast<char*>(start);
    return true;
  }
  // An Int32Array; `length` in words.
  bool words(size_t i, int32_t** data, size_t* length) const {
    void* start = nullptr;
    if (!arrayOf(env, value[i], napi_int32_array, &start, length)) return false;
    *data = static_cast<int32_t*>(start);
    return true;
  }
  // A Float64Array; `length` in numbers.
  bool numbers(size_t i, double** data, size_t* length) const {
    void* start = nullptr;
    if (!arrayOf(env, value[i], napi_float64_array, &start, length)) return false;
    *data = static_cast<double*>(start);
    return true;
  }
  // The bytes that arguments `i` to `i + 2` mean: an array, an offset and a length. False when they do not all exist;
  // and for more than 2^31 - 1 bytes, because no answer could say how many of them were taken.
  bool span(size_t i, char** data, size_t* length) const {
    size_t capacity = 0;
    const int64_t offset = int64(i + 1);
    const int32_t count = int32(i + 2);
    if (!bytes(i, data, &capacity) || offset < 0 || count < 0 || uint64_t(offset) + uint64_t(count) > capacity)
      return false;
    *data += offset;
    *length = size_t(count);
    return true;
  }
  napi_value integer(int32_t result) const {
    napi_value out = nullptr;
    napi_create_int32(env, result, &out);
    return out;
  }
  napi_value truth(bool result) const {
    napi_value out = nullptr;
    napi_get_boolean(env, result, &out);
    return out;
  }
  napi_value real(double result) const {
    napi_value out = nullptr;
    napi_create_double(env, result, &out);
    return out;
  }
};

// A JavaScript error like Node's own system errors: message, code, errno, syscall.
inline Napi::Value throwSystemError(Napi::Env env, int error, const char* syscall, const std::string& detail = "") {
  Napi::Error e = Napi::Error::New(env,
      std::string(errnoName(error)) + ": " + strerror(error) + ", " + syscall + (detail.empty() ? "" : " " + detail));
  e.Set("code", Napi::String::New(env, errnoName(error)));
  e.Set("errno", Napi::Number::New(env, -error));
  e.Set("syscall", Napi::String::New(env, syscall));
  e.ThrowAsJavaScriptException();
  return env.Undefined();
}

// A group of functions in the exports. In a thread that terminate() reaches while it loads the addon, Node-API fails;
// what could not be made is then not added, and nobody reads it. (With an empty Napi::Object the first Set would end
// the process.)
class Group {
 public:
  // The group of this name, to which several files may add. src/native/ says what each group is for.
  Group(Napi::Env env, Napi::Object exports, const char* name) : env_(env) {
    bool isThere = false;
    if (napi_has_named_property(env, exports, name, &isThere) == napi_ok && isThere) {
      napi_get_named_property(env, exports, name, &object_);
    } else if (napi_create_object(env, &object_) == napi_ok) {
      napi_set_named_property(env, exports, name, object_);
    }
  }
  void add(const char* name, napi_value function) {
    if (object_ && function) napi_set_named_property(env_, object_, name, function);
  }
  // Adds a function that reads its arguments with RawArgs.
  void addRaw(const char* name, napi_callback callback) {
    napi_value function = nullptr;
    if (napi_create_function(env_, name, NAPI_AUTO_LENGTH, callback, nullptr, &function) == napi_ok)
      add(name, function);
  }

 private:
  napi_env env_;
  napi_value object_ = nullptr;
};

}  // namespace percore
