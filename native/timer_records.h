// Timer records that JavaScript allocates and the wheel uses: kept alive by references as long as the wheel may touch
// them.
#pragma once
#include <node_api.h>

#include <vector>

#include "timer_exchange.h"

namespace percore {

class TimerRecords {
 public:
  // Makes `view`, a Float64Array, the chunk `index` of the wheel, which is one of its own or the next. A view it
  // replaces is let go.
  void share(napi_env env, TimerExchange& exchange, int32_t number, napi_value view) {
    const auto index = size_t(number);
    if (number < 0 || index > views_.size() || index > TimerWheel::kMaxId / TimerWheel::kChunkTimers) return;
    napi_typedarray_type type;
    size_t length = 0;
    void* data = nullptr;
    if (!view || napi_get_typedarray_info(env, view, &type, &length, &data, nullptr, nullptr) != napi_ok ||
        type != napi_float64_array)
      return;
    if (index >= views_.size()) views_.resize(index + 1);
    if (views_[index]) napi_delete_reference(env, views_[index]);
    views_[index] = nullptr;
    napi_create_reference(env, view, 1, &views_[index]);
    exchange.setChunk(uint32_t(index), data, length * sizeof(double));
  }

  void release(napi_env env) {
    for (napi_ref view : views_) napi_delete_reference(env, view);
    views_.clear();
  }

 private:
  std::vector<napi_ref> views_;
};

}  // namespace percore
