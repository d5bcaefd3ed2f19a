// The part of a thread's I/O source that JavaScript calls; the rest goes through the shared block. The types are in
// src/native/.
#include "io_binding.h"

#include "bindings.h"
#include "handle.h"
#include "io_driver.h"
#include "io_source.h"
#include "napi_args.h"

namespace percore {

// A handle means the source of a turn or that of a driver.
static IoSource* sourceOf(napi_env env, napi_value handle) { return ofHandle<IoSource>(env, handle); }

// sources.add(io, fd, token, interest) -> 0 or -errno
static napi_value ioAdd(napi_env env, napi_callback_info info) {
  RawArgs<4> args(env, info);
  IoSource* io = sourceOf(env, args.value[0]);
  return args.integer(io ? io->add(args.int32(1), args.int32(2), args.int32(3)) : -EBADF);
}

// sources.modify(io, fd, token, interest) -> 0 or -errno
static napi_value ioModify(napi_env env, napi_callback_info info) {
  RawArgs<4> args(env, info);
  IoSource* io = sourceOf(env, args.value[0]);
  return args.integer(io ? io->modify(args.int32(1), args.int32(2), args.int32(3)) : -EBADF);
}

// sources.remove(io, fd, token)
static napi_value ioRemove(napi_env env, napi_callback_info info) {
  RawArgs<3> args(env, info);
  if (IoSource* io = sourceOf(env, args.value[0])) io->remove(args.int32(1), args.int32(2));
  return nullptr;
}

// sources.open(io, fd, token, kind) -> 0 or -errno
static napi_value ioOpen(napi_env env, napi_callback_info info) {
  RawArgs<4> args(env, info);
  IoSource* io = sourceOf(env, args.value[0]);
  const int32_t kind = args.int32(3);
  if (kind < 0 || kind > int32_t(layout::IoKind::kListener)) return args.integer(-EINVAL);
  return args.integer(io ? io->open(args.int32(1), args.int32(2), layout::IoKind(kind)) : -EBADF);
}

// sources.detach(io, token). The descriptor stays open.
static napi_value ioDetach(napi_env env, napi_callback_info info) {
  RawArgs<2> args(env, info);
  if (IoSource* io = sourceOf(env, args.value[0])) io->detach(args.int32(1));
  return nullptr;
}

// sources.send(io, token, bytes, offset, length) -> bytes taken by the kernel, or -errno
static napi_value ioSend(napi_env env, napi_callback_info info) {
  RawArgs<5> args(env, info);
  IoSource* io = sourceOf(env, args.value[0]);
  char* data = nullptr;
  size_t length = 0;
  return args.integer(io && args.span(2, &data, &length) ? io->send(args.int32(1), data, length) : -EINVAL);
}

// sources.drain(io). Carries out at once what was requested.
static napi_value ioDrain(napi_env env, napi_callback_info info) {
  if (IoSource* io = sourceOf(env, RawArgs<1>(env, info).value[0])) io->drain();
  return nullptr;
}

// sources.probe() -> 0 or -errno
static napi_value ioProbe(napi_env env, napi_callback_info info) {
  return RawArgs<1>(env, info).integer(-probeUring());
}

// ---- I/O that no reactor drives --------------------------------------------------------------------------------

static IoDriver* driverOf(napi_env env, napi_value handle) {
  return static_cast<IoDriver*>(ofHandle<LoopGuest, IoDriver>(env, handle));
}

// drivers.create(isUring, block, pool, outbox, counters, deliver | undefined) -> { driver, io }, or -errno
static napi_value createIo(napi_env env, napi_callback_info info) {
  RawArgs<6> args(env, info);
  IoMemory memory;
  if (!readIoMemory(args, 1, &memory)) return args.integer(-EINVAL);
  napi_valuetype type = napi_undefined;
  napi_typeof(env, args.value[5], &type);
  const napi_value deliver = type == napi_function ? args.value[5] : nullptr;
  const napi_value views[] = {args.value[1], args.value[2], args.value[3], args.value[4]};
  int error = 0;
  auto driver = IoDriver::create(env, args.boolean(0), memory, stateOf(env), views, deliver, &error);
  if (!driver) return args.integer(-error);
  napi_value result = nullptr;
  napi_create_object(env, &result);
  napi_set_named_property(env, result, "driver", makeHandle<LoopGuest, IoDriver>(env, driver.get()));
  napi_set_named_property(env, result, "io", makeHandle(env, driver->source()));
  driver.release();
  return result;
}

// drivers.poll(driver, timeoutMs)
static napi_value pollIo(napi_env env, napi_callback_info info) {
  RawArgs<2> args(env, info);
  if (IoDriver* driver = driverOf(env, args.value[0])) driver->poll(args.int32(1, 0));
  return nullptr;
}

static napi_value refIo(napi_env env, napi_callback_info info) {
  RawArgs<2> args(env, info);
  if (IoDriver* driver = driverOf(env, args.value[0])) driver->setRef(args.boolean(1));
  return nullptr;
}

static napi_value closeIo(napi_env env, napi_callback_info info) {
  if (IoDriver* driver = driverOf(env, RawArgs<1>(env, info).value[0])) driver->shutDown();
  return nullptr;
}

void exportIo(Napi::Env env, Napi::Object exports) {
  Group sources(env, exports, "sources");
  Group drivers(env, exports, "drivers");
  sources.addRaw("add", ioAdd);
  sources.addRaw("modify", ioModify);
  sources.addRaw("remove", ioRemove);
  sources.addRaw("open", ioOpen);
  sources.addRaw("detach", ioDetach);
  sources.addRaw("send", ioSend);
  sources.addRaw("drain", ioDrain);
  sources.addRaw("probe", ioProbe);
  drivers.addRaw("create", createIo);
  drivers.addRaw("poll", pollIo);
  drivers.addRaw("setReferenced", refIo);
  drivers.addRaw("close", closeIo);
}

}  // namespace percore
