// The memory of an I/O source, as JavaScript gives it.
#pragma once
#include "io_source.h"
#include "napi_args.h"

namespace percore {

// The arguments block, pool, outbox from number `first` on. False: they are no such arrays.
template <size_t N>
bool readIoMemory(const RawArgs<N>& args, size_t first, IoMemory* memory) {
  int32_t* block = nullptr;
  size_t words = 0;
  if (!args.words(first, &block, &words) || !args.bytes(first + 1, &memory->pool, &memory->poolBytes) || !args.bytes(first + 2, &memory->outbox, &memory->outboxBytes)) return false;
  memory->block = reinterpret_cast<layout::IoBlock*>(block);
  return words * sizeof(int32_t) >= sizeof(layout::IoBlock);
}

}  // namespace percore
