/** `percore`: the runtime. `percore/queues`, `percore/timers`, `percore/io` and `percore/testing` stand beside it. */
export { createRuntime, type Runtime, type RuntimeOptions } from './reactor/runtime.js';
export type { Reactor } from './reactor/reactor.js';
export type { AddressOptions, ReadOptions, Selected, SendOptions, SpawnOptions, Task } from './reactor/reactor-options.js';
export type { CloseOptions, CloseResult, ForeignMessage, MessageDrop, ReactorDeath, StepError } from './reactor/runtime-events.js';
export type { Protocol, Untyped } from './reactor/protocol.js';
export type { Reading } from './reactor/reading.js';
export type { Address } from './reactor/address.js';
export type { ByteRecord } from './reactor/task.js';
export type { StepResult } from './reactor/steps.js';
export type { CallContext } from './reactor/call-service.js';
export type { CallOptions } from './reactor/calls.js';
export type { IdleOptions, IdleStrategy } from './reactor/idle-strategy.js';
export type {
  DropReasons, IoFigures, LaneBacklog, MainStatus, ReactorStatus, RefusalReasons, RuntimeStatus, TimerFigures,
} from './reactor/status.js';
export { hashKey, bucketOf } from './reactor/buckets.js';
export { Histogram, HISTOGRAM_WORDS } from './observe/histogram.js';
export { cpuBudget, type CpuBudget } from './realtime/cpus.js';
export { PercoreError, type PercoreErrorCode } from './errors.js';
export { AGAIN, BACK_PRESSURED, CLOSED, EMPTY, OK, TOO_LARGE, nameOfCode } from './queues/index.js';
export type { Connection, Listener } from './io/index.js';
export type { Tick, TimerId } from './timers/index.js';
