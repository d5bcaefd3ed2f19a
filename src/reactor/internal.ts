/** What the rooms above may import from this one besides what users see: the inside of a reactor and of a runtime. */
import { invalidArgument } from '../errors.js';
import type { Controller } from './controller.js';
import type { Party } from './party.js';
import { Reactor, partyIn } from './reactor.js';
import { controllerIn, type Runtime } from './runtime.js';

export type { Controller } from './controller.js';
export type { Party } from './party.js';
export { importEntry } from './entry.js';
export { packError, unpackError, type Failure } from './failure.js';
export { addRoom, type RoomChannel } from './room-channel.js';
export { BATCH, BYTES, HEAD_BYTES } from './message.js';
export type { LaneRecord } from './inlet.js';
export { LANE_SHARES } from './lanes.js';
export { checkName, type SentName } from './names.js';
export type { Outlet } from './outlet.js';
export { QUANTUM } from './quantum.js';
export { ownCost, type OwnCost } from './own-cost.js';
export { Scratch } from './parcels.js';
export { summon } from './parking.js';
export { checkBand, checkBandOrClass, checkConcurrency, checkKey, checkSpawn } from './reactor-checks.js';
export { checkOpen, setBucketMover, type BucketMover } from './scaling.js';
export { runReactor, type ReactorThread, type ReportPort, type WorkerStart } from './reactor-thread.js';
export { createRuntimeWith } from './runtime.js';
export { checkRuntimeOptions, type RuntimeSettings } from './runtime-options.js';
export { partyCounters, partyWords, laneAt, isLaneMade, type SharedRuntime } from './shared.js';
export type { StartedThread, ThreadMaker } from './threads.js';
export { partyFigures } from './status.js';
export type { Handed } from './steps.js';
export { LocalTask, type ByteTask, type TaskBody, type ValueTask } from './task.js';
export { WaitingLine, type Room } from './waiting-line.js';
export type { Holdable } from './waits.js';

/** The party that a user's value stands for. Throws ERR_PERCORE_INVALID_ARGUMENT for anything else. */
export function partyOf(of: Reactor | Runtime): Party {
  const party = partyIn(of) ?? controllerIn(of)?.main;
  if (party === undefined) throw invalidArgument('reactor', of, 'a reactor, or a runtime, which means its main thread');
  return party;
}

/** A reactor itself; for a runtime, its main thread in the form of a reactor. Throws as `partyOf` does. */
export function reactorOf(of: Reactor | Runtime): Reactor {
  const party = partyOf(of);
  return partyIn(of) === undefined ? new Reactor(party) : of as Reactor;
}

/** The inside of a runtime. Throws ERR_PERCORE_INVALID_ARGUMENT for anything else. */
export function controllerOf(runtime: Runtime): Controller {
  const controller = controllerIn(runtime);
  if (controller === undefined) throw invalidArgument('runtime', runtime, 'what createRuntime has resolved with');
  return controller;
}
