// The memory of an I/O source, as it comes from JavaScript.
#pragma once
#include "io_source.h"
#include "napi_args.h"

namespace percore {

// Reads the arguments block, pool, outbox and counters, beginning with argument `first`. False if one of them is not
// the right kind of array or is too short.
template <size_t N>
bool readIoMemory(const RawArgs<N>& args, size_t first, IoMemory* memory) {
  int32_t* block = nullptr;
  double* counters = nullptr;
  size_t words = 0, numbers = 0;
  if (!args.words(first, &block, &words) || words * sizeof(int32_t) < sizeof(layout::IoBlock)) return false;
  if (!args.bytes(first + 1, &memory->pool, &memory->poolBytes)) return false;
  if (!args.bytes(first + 2, &memory->outbox, &memory->outboxBytes)) return false;
  if (!args.numbers(first + 3, &counters, &numbers) || numbers * sizeof(double) < sizeof(layout::IoCounters))
    return false;
  memory->block = reinterpret_cast<layout::IoBlock*>(block);
  memory->counters = reinterpret_cast<layout::IoCounters*>(counters);
  return true;
}

}  // namespace percore
