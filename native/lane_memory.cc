// Memory of lanes that costs nothing until it is used. A SharedArrayBuffer comes from the C library, which clears
// memory that it hands out a second time, and so touches all of it. And if the kernel gives huge pages to everybody,
// one word of a lane's header would cost 2 MiB. Source: madvise(2). Why not a mapping of our own:
// docs/decisions/2026-11-28-memory-of-lanes.md.
#include <sys/mman.h>
#include <unistd.h>

#include "bindings.h"
#include "napi_args.h"

namespace percore {

// system.freshPages(bytes, from) -> 0 or -errno: returns the whole pages of `bytes` from byte `from` on to the kernel.
// They read as zeros afterwards. Nobody may use them meanwhile.
static napi_value freshPages(napi_env env, napi_callback_info info) {
  RawArgs<2> args(env, info);
  char* data = nullptr;
  size_t length = 0;
  const double from = args.number(1, -1);
  if (!args.bytes(0, &data, &length) || !(from >= 0) || from > double(length)) return args.integer(-EINVAL);
  const uintptr_t page = uintptr_t(sysconf(_SC_PAGESIZE));
  const uintptr_t start = (uintptr_t(data) + uintptr_t(from) + page - 1) / page * page,
                  end = (uintptr_t(data) + length) / page * page;
  if (start >= end) return args.integer(0);
  void* const pages = reinterpret_cast<void*>(start);
  // A kernel without huge pages refuses it, which is just as good.
  madvise(pages, end - start, MADV_NOHUGEPAGE);
  if (madvise(pages, end - start, MADV_DONTNEED) == 0) return args.integer(0);
#ifdef MADV_DONTNEED_LOCKED
  // Locked pages (mlockall) need an advice of their own, which exists since Linux 5.18.
  if (errno == EINVAL && madvise(pages, end - start, MADV_DONTNEED_LOCKED) == 0) return args.integer(0);
#endif
  return args.integer(-errno);
}

void exportLaneMemory(Napi::Env env, Napi::Object exports) {
  Group system(env, exports, "system");
  system.addRaw("freshPages", freshPages);
}

}  // namespace percore
