/**
 * Reactors and the runtime that starts them: what users see of this room, and other rooms may import.
 *
 * @module
 */
export { createRuntime, type Runtime, type RuntimeOptions } from './runtime.js';
export type { Reactor } from './reactor.js';
export type { AddressOptions, ReadOptions, Selected, SendOptions, SpawnOptions, Task } from './reactor-options.js';
export type {
  CloseOptions, CloseResult, ForeignMessage, MessageDrop, ReactorDeath, ReactorRestart, StepError,
} from './runtime-events.js';
export type { EntryContext } from './entry.js';
export type { Loss } from './lane-repair.js';
export type { RestartOptions } from './restart-policy.js';
export type { ScaleOptions, ScaleResult } from './scaling.js';
export { capacity, priorityOf, type CapacityReport, type PartyUse } from './capacity.js';
export {
  collectWhenIdle, IdleCollector, type CollectionStatus, type IdleCollectOptions,
} from './idle-collector.js';
export type { MemoryOptions, MemoryStatus } from './memory-options.js';
export type { StallOptions, StallStatus } from './stalls.js';
export { setPolicy, type SetPolicyOptions } from './set-policy.js';
export { setDiscipline, type SetDisciplineOptions } from './set-discipline.js';
export type { Protocol, Untyped } from './protocol.js';
export type { Reading } from './reading.js';
export type { Address } from './address.js';
export type { ByteRecord } from './task.js';
export type { StepResult } from './steps.js';
export type { CallContext } from './call-context.js';
export type { CallOptions } from './calls.js';
export { callStream, type CallStreamOptions, type StreamedAnswer } from './call-stream.js';
export type { IdleOptions, IdleStrategy } from './idle-strategy.js';
export type { MachineStatus } from './machine-status.js';
export type {
  ClassFigures, DropReasons, IoFigures, LaneBacklog, MainStatus, ReactorStatus, RefusalReasons, RuntimeStatus,
  TimerFigures,
} from './status.js';
export { hashKey, bucketOf } from './buckets.js';
export { closeOnSignal, type CloseOnSignalOptions, type ClosesRuntime } from './close-on-signal.js';
export { createLoads, createSteering, type Steering } from './steering.js';
export type {
  Choose, Steered, SteeredListenOptions, SteeringOptions, SteeringReactor, SteeringStatus,
} from './steering-options.js';
