/** `percore`: the runtime. `percore/queues`, `percore/timers`, `percore/io` and `percore/testing` stand beside it. */
export {
  bucketOf, capacity, createLoads, createRuntime, createSteering, hashKey, priorityOf, setDiscipline,
} from './reactor/index.js';
export type {
  Address, AddressOptions, ByteRecord, CallContext, CallOptions, CapacityReport, Choose, ClassFigures, CloseOptions,
  CloseResult, DropReasons, ForeignMessage, IdleOptions, IdleStrategy, IoFigures, LaneBacklog, MainStatus,
  MessageDrop, PartyUse, Protocol, Reactor, ReactorDeath, ReactorStatus, Reading, ReadOptions, RefusalReasons,
  Runtime, RuntimeOptions, RuntimeStatus, Selected, SendOptions, SetDisciplineOptions, SpawnOptions, Steered,
  SteeredListenOptions, Steering, SteeringOptions, SteeringReactor, SteeringStatus, StepError, StepResult, Task,
  TimerFigures, Untyped,
} from './reactor/index.js';
export { Histogram, HISTOGRAM_WORDS } from './observe/index.js';
export { cpuBudget, type CpuBudget } from './realtime/index.js';
export { tryDiscipline } from './scheduling/index.js';
export type {
  ByBand, CapacityPlan, ClassOptions, ClassPlan, ClassUse, DeclaredClass, Discipline, DisciplineChoice,
  DisciplineInForce, DisciplineOptions, ReadyView, TryOptions,
} from './scheduling/index.js';
export { PercoreError, type PercoreErrorCode } from './errors.js';
export {
  AGAIN, BACK_PRESSURED, CLOSED, DROPPED, EMPTY, EVICTED, OK, TOO_LARGE, nameOfCode,
} from './queues/index.js';
export type { Connection, Listener } from './io/index.js';
export type { Tick, TimerId } from './timers/index.js';
