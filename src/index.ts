/** `percore`: the runtime. `percore/queues`, `percore/timers`, `percore/io` and `percore/testing` stand beside it. */
export { createRuntime, Runtime, type CloseOptions, type CloseResult, type ForeignMessage, type MessageDrop, type ReactorDeath, type RuntimeOptions, type StepError } from './reactor/runtime.js';
export { Reactor, type AddressOptions, type AnyServices, type ReadOptions, type SendOptions, type Services, type SpawnOptions, type Task } from './reactor/reactor.js';
export type { Reading } from './reactor/reading.js';
export type { Address } from './reactor/address.js';
export type { ByteRecord, StepResult } from './reactor/task.js';
export type { CallContext } from './reactor/call-service.js';
export type { CallOptions } from './reactor/calls.js';
export type { IdleOptions, IdleStrategy } from './reactor/idle-strategy.js';
export type {
  DropReasons, IoFigures, LaneBacklog, MainStatus, ReactorStatus, RefusalReasons, RuntimeStatus, TimerFigures,
} from './reactor/status.js';
export { hashKey, bucketOf } from './reactor/buckets.js';
export { Histogram, HISTOGRAM_WORDS } from './observe/index.js';
export { cpuBudget, type CpuBudget } from './realtime/index.js';
export { PercoreError, type PercoreErrorCode } from './errors.js';
export { AGAIN, BACK_PRESSURED, CLOSED, EMPTY, OK, TOO_LARGE, nameOfCode } from './queues/index.js';
export type { Connection, Listener } from './io/index.js';
export {
  createLoads, createSteering,
  type Choose, type Steered, type SteeredListenOptions, type Steering, type SteeringOptions, type SteeringReactor, type SteeringStatus,
} from './reactor/steering.js';
export type { Tick, TimerId } from './timers/index.js';
