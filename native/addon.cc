// Registration only: each file adds its functions to the groups that src/native/ names. src/native.ts alone loads this
// addon.
#include <napi.h>

#include "addon_state.h"
#include "bindings.h"
#include "layout.h"

static Napi::Object init(Napi::Env env, Napi::Object exports) {
  env.SetInstanceData(new percore::AddonState());
  exports.Set("layoutHash", Napi::String::New(env, percore::layout::kHash));
  percore::exportAffinity(env, exports);
  percore::exportClock(env, exports);
  percore::exportRateTimer(env, exports);
  percore::exportWaker(env, exports);
  percore::exportLaneMemory(env, exports);
  percore::exportTcp(env, exports);
  percore::exportIo(env, exports);
  percore::exportFileIo(env, exports);
  percore::exportSteering(env, exports);
  percore::exportListenFd(env, exports);
  percore::exportDatagram(env, exports);
  percore::exportUnixSocket(env, exports);
  percore::exportDescriptorIo(env, exports);
  percore::exportPipe(env, exports);
  percore::exportTurn(env, exports);
  percore::exportTimers(env, exports);
  percore::exportRealtime(env, exports);
  percore::exportStalls(env, exports);
  percore::exportHalts(env, exports);
  percore::exportCollections(env, exports);
  percore::exportMapping(env, exports);
  percore::exportTraces(env, exports);
  return exports;
}

NODE_API_MODULE(percore, init)
