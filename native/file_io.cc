#include "file_io.h"

#include <fcntl.h>

#include <algorithm>
#include <cerrno>

#include "addon_state.h"
#include "bindings.h"
#include "errno_name.h"
#include "napi_args.h"

namespace percore {

namespace {

// Newer (5.19) than some kernel headers that this is built with: IORING_ASYNC_CANCEL_ALL and _ANY.
constexpr unsigned kCancelEverything = 1u << 0 | 1u << 2;
constexpr unsigned kEntries = 64;
// The user data of entries whose completion nobody waits for.
constexpr uint64_t kNobody = UINT64_MAX;

}  // namespace

std::unique_ptr<FileRing> FileRing::open(std::string* refusal) {
  std::unique_ptr<FileRing> ring(new FileRing());
  io_uring_params setup{};
  setup.flags = IORING_SETUP_CQSIZE;
  setup.cq_entries = kInFlight;
  // Plain reads and writes exist since Linux 5.6, and so does the last of these features.
  if (const int error = ring->ring_.open(kEntries, setup, IORING_FEAT_NODROP | IORING_FEAT_RW_CUR_POS)) {
    *refusal = std::string(ring->ring_.refused()) + ": " + errnoName(error);
    return nullptr;
  }
  return ring;
}

FileRing::~FileRing() { empty(); }

void FileRing::close(napi_env env) {
  empty();
  for (size_t buffer = 0; buffer < held_.size(); buffer++) release(env, int(buffer));
}

// The kernel may still write into the buffers, so it is asked to stop and waited for. Reads of a file on a disk end
// soon.
void FileRing::empty() {
  if (inFlight_ == 0) return;
  if (!ring_.isFull()) ring_.push(IORING_OP_ASYNC_CANCEL, -1, kNobody)->cancel_flags = kCancelEverything;
  int32_t dropped[64];
  while (inFlight_ != 0) {
    const int error = ring_.enter(IORING_ENTER_GETEVENTS, 1);
    if (error != 0 && error != -EAGAIN && error != -EBUSY) return;
    while (reap(dropped, 32) > 0) continue;
  }
}

int FileRing::hold(napi_env env, napi_value array) {
  Held held;
  void* start = nullptr;
  if (!arrayOf(env, array, napi_uint8_array, &start, &held.bytes)) return -EINVAL;
  held.data = static_cast<char*>(start);
  if (napi_create_reference(env, array, 1, &held.reference) != napi_ok) return -EINVAL;
  const auto free = std::find_if(held_.begin(), held_.end(), [](const Held& one) { return one.data == nullptr; });
  const int number = int(free - held_.begin());
  if (free == held_.end()) held_.push_back(held);
  else *free = held;
  return number;
}

void FileRing::release(napi_env env, int buffer) {
  if (buffer < 0 || size_t(buffer) >= held_.size() || held_[size_t(buffer)].data == nullptr) return;
  napi_delete_reference(env, held_[size_t(buffer)].reference);
  held_[size_t(buffer)] = {};
}

int FileRing::push(bool isWrite, int fd, int buffer, uint32_t offset, uint32_t length, int64_t position, uint32_t id) {
  if (buffer < 0 || size_t(buffer) >= held_.size() || uint64_t(offset) + length > held_[size_t(buffer)].bytes)
    return -EINVAL;
  if (ring_.isFull()) {
    if (const int refused = ring_.submit()) return refused;
  }
  io_uring_sqe* entry = ring_.push(isWrite ? IORING_OP_WRITE : IORING_OP_READ, fd, id);
  entry->addr = reinterpret_cast<uint64_t>(held_[size_t(buffer)].data + offset);
  entry->len = length;
  // -1 stands for the file's own position: for appending, and for files that have no positions.
  entry->off = uint64_t(position);
  inFlight_++;
  return 0;
}

int FileRing::reap(int32_t* pairs, int most) {
  if (most == 0) return 0;
  int count = 0;
  ring_.reap([&](const io_uring_cqe& done) {
    if (done.user_data == kNobody) return true;
    pairs[count * 2] = int32_t(done.user_data);
    pairs[count * 2 + 1] = done.res;
    inFlight_--;
    return ++count < most;
  });
  return count;
}

// ---- For JavaScript. The types are in src/native/. A ring is known by its descriptor. -------------------------------

static FileRing* ringOf(napi_env env, int fd) {
  auto& rings = stateOf(env)->fileRings;
  const auto found = rings.find(fd);
  return found == rings.end() ? nullptr : found->second.get();
}

// files.openRing() -> its descriptor, or the refusal as text
static napi_value openFileRing(napi_env env, napi_callback_info info) {
  RawArgs<1> args(env, info);
  std::string refusal;
  auto ring = FileRing::open(&refusal);
  if (!ring) {
    napi_value text = nullptr;
    napi_create_string_utf8(env, refusal.c_str(), refusal.size(), &text);
    return text;
  }
  const int fd = ring->fd();
  stateOf(env)->fileRings[fd] = std::move(ring);
  return args.integer(fd);
}

// files.closeRing(ring). Waits for what is in flight.
static napi_value closeFileRing(napi_env env, napi_callback_info info) {
  auto& rings = stateOf(env)->fileRings;
  const auto found = rings.find(RawArgs<1>(env, info).int32(0));
  if (found == rings.end()) return nullptr;
  found->second->close(env);
  rings.erase(found);
  return nullptr;
}

// files.holdBuffer(ring, bytes) -> its number, or -errno
static napi_value holdFileBuffer(napi_env env, napi_callback_info info) {
  RawArgs<2> args(env, info);
  FileRing* ring = ringOf(env, args.int32(0));
  return args.integer(ring ? ring->hold(env, args.value[1]) : -EBADF);
}

// files.releaseBuffer(ring, buffer)
static napi_value releaseFileBuffer(napi_env env, napi_callback_info info) {
  RawArgs<2> args(env, info);
  if (FileRing* ring = ringOf(env, args.int32(0))) ring->release(env, args.int32(1));
  return nullptr;
}

// files.push(ring, isWrite, fd, buffer, offset, length, position, id) -> 0 or -errno
static napi_value pushFile(napi_env env, napi_callback_info info) {
  RawArgs<8> args(env, info);
  FileRing* ring = ringOf(env, args.int32(0));
  if (!ring) return args.integer(-EBADF);
  const int32_t offset = args.int32(4), length = args.int32(5), id = args.int32(7);
  // -1 is a valid position, the file's own; so an argument that is not a number must become another value.
  const int64_t position = args.int64(6, -2);
  if (offset < 0 || length < 0 || id < 0 || position < -1) return args.integer(-EINVAL);
  return args.integer(ring->push(
      args.boolean(1), args.int32(2), args.int32(3), uint32_t(offset), uint32_t(length), position, uint32_t(id)));
}

// files.submit(ring) -> 0 or -errno
static napi_value submitFiles(napi_env env, napi_callback_info info) {
  RawArgs<1> args(env, info);
  FileRing* ring = ringOf(env, args.int32(0));
  return args.integer(ring ? ring->submit() : -EBADF);
}

// files.reap(ring, pairs) -> how many completions were written into the Int32Array
static napi_value reapFiles(napi_env env, napi_callback_info info) {
  RawArgs<2> args(env, info);
  FileRing* ring = ringOf(env, args.int32(0));
  int32_t* pairs = nullptr;
  size_t words = 0;
  if (!ring || !args.words(1, &pairs, &words)) return args.integer(-EBADF);
  return args.integer(ring->reap(pairs, int(words / 2)));
}

// files.bytesToBorder(bytes, border) -> how many bytes of the array lie before the first address that is a multiple of
// `border`
static napi_value bytesToBorder(napi_env env, napi_callback_info info) {
  RawArgs<2> args(env, info);
  char* data = nullptr;
  size_t length = 0;
  const int32_t asked = args.int32(1);
  if (!args.bytes(0, &data, &length) || asked < 1) return args.integer(-EINVAL);
  const auto border = uintptr_t(asked);
  return args.integer(int32_t((border - reinterpret_cast<uintptr_t>(data) % border) % border));
}

// files.clearDirect(fd) -> 0 or -errno. From now on the file goes through the page cache.
static napi_value clearDirect(napi_env env, napi_callback_info info) {
  RawArgs<1> args(env, info);
  const int fd = args.int32(0), flags = fcntl(fd, F_GETFL);
  return args.integer(flags >= 0 && fcntl(fd, F_SETFL, flags & ~O_DIRECT) == 0 ? 0 : -errno);
}

void exportFileIo(Napi::Env env, Napi::Object exports) {
  Group files(env, exports, "files");
  files.addRaw("openRing", openFileRing);
  files.addRaw("closeRing", closeFileRing);
  files.addRaw("holdBuffer", holdFileBuffer);
  files.addRaw("releaseBuffer", releaseFileBuffer);
  files.addRaw("push", pushFile);
  files.addRaw("submit", submitFiles);
  files.addRaw("reap", reapFiles);
  files.addRaw("bytesToBorder", bytesToBorder);
  files.addRaw("clearDirect", clearDirect);
}

}  // namespace percore
