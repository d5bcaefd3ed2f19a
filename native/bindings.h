// One function for each binding file, called by addon.cc.
#pragma once
#include <napi.h>

namespace percore {

void exportAffinity(Napi::Env env, Napi::Object exports);
void exportClock(Napi::Env env, Napi::Object exports);
void exportRateTimer(Napi::Env env, Napi::Object exports);
void exportWaker(Napi::Env env, Napi::Object exports);
void exportLaneMemory(Napi::Env env, Napi::Object exports);
void exportTcp(Napi::Env env, Napi::Object exports);
void exportIo(Napi::Env env, Napi::Object exports);
void exportSteering(Napi::Env env, Napi::Object exports);
void exportFileIo(Napi::Env env, Napi::Object exports);
void exportListenFd(Napi::Env env, Napi::Object exports);
void exportDatagram(Napi::Env env, Napi::Object exports);
void exportUnixSocket(Napi::Env env, Napi::Object exports);
void exportDescriptorIo(Napi::Env env, Napi::Object exports);
void exportPipe(Napi::Env env, Napi::Object exports);
void exportTurn(Napi::Env env, Napi::Object exports);
void exportTimers(Napi::Env env, Napi::Object exports);
void exportRealtime(Napi::Env env, Napi::Object exports);
void exportStalls(Napi::Env env, Napi::Object exports);
void exportHalts(Napi::Env env, Napi::Object exports);
void exportCollections(Napi::Env env, Napi::Object exports);
void exportMapping(Napi::Env env, Napi::Object exports);
void exportTraces(Napi::Env env, Napi::Object exports);

}  // namespace percore
