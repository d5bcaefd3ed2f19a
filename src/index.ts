/**
 * `percore`: the runtime and everything that needs one. `percore/queues`, `percore/timers`, `percore/io` and the other
 * entries of the package can be used without it.
 *
 * @module
 */
export {
  bucketOf, callStream, capacity, closeOnSignal, createLoads, createRuntime, createSteering, hashKey, priorityOf,
  setDiscipline,
} from './reactor/index.js';
export { createBalancer, createBuckets, createKeyed, keyedAddress, moveAllBuckets } from './balance/index.js';
export type {
  Balancer, BalancerOptions, BalancerStatus, Buckets, BucketsOptions, Keyed, KeyedAddress, KeyedAddressOptions,
  KeyedContext, KeyedOptions, KeyedStep,
} from './balance/index.js';
export type {
  Address, AddressOptions, ByteRecord, CallContext, CallOptions, CallStreamOptions, CapacityReport, Choose,
  ClassFigures, CloseOnSignalOptions, CloseOptions, CloseResult, ClosesRuntime, DropReasons, EntryContext,
  ForeignMessage,
  IdleOptions, IdleStrategy, IoFigures, LaneBacklog, Loss, MachineStatus, MainStatus, MemoryOptions, MemoryStatus,
  MessageDrop, PartyUse, Protocol, Reactor,
  ReactorDeath, ReactorRestart, ReactorStatus, Reading, ReadOptions, RefusalReasons, RestartOptions, Runtime,
  RuntimeOptions, RuntimeStatus, ScaleOptions, ScaleResult, Selected, SendOptions, SetDisciplineOptions, SpawnOptions,
  StallOptions, StallStatus, Steered, SteeredListenOptions, Steering, SteeringOptions, SteeringReactor, SteeringStatus,
  StepError, StepResult,
  StreamedAnswer, Task, TimerFigures, Untyped,
} from './reactor/index.js';
export {
  offload, offloadStatus, type OffloadContext, type OffloadModule, type OffloadOptions, type OffloadStatus,
  type PayloadOf, type PlaceOfThread, type ResultOf,
} from './offload/index.js';
export { createProcess, tasksOf } from './tasks/index.js';
export type {
  Pause, Process, ProcessBody, ProcessEnd, ProcessOptions, Self, Supervise, TaskFigures, TaskState,
} from './tasks/index.js';
export { createStream, Stream } from './streams/index.js';
export type {
  QueueSource, Source, SplitOptions, StreamEnd, StreamReadOptions, StreamRun, StreamWindow, Target,
} from './streams/index.js';
export {
  createTopic, subscribe, subscribeBatches, subscribeBytes, topicsOf, type BusStatus, type SubscribeOptions,
  type Subscription, type SubscriptionStatus, type Topic, type TopicInfo, type TopicOptions, type TopicPolicy,
  type TopicStatus,
} from './bus/index.js';
export {
  chromeTrace, cpuProfile, dumpFlightOnSignal, exportMetrics, flightEvents, flightsOf, histogramsOf, metricsOf,
  noteEvent, onMetrics, prometheusText, publishCounters, registerMetrics, relieved, serveInspection, setMetrics,
  setSlo, setStall, showQueue, traceTasks,
  type ChromeTrace, type ChromeTraceEvent, type DumpOptions, type Flight, type FlightOptions, type Inspection,
  type InspectionOptions,
  type HistogramMetric, type HistogramPoint, type MeterInstrument, type MetricsProducer, type MetricTime,
  type MeterOptions, type MeterResult, type MetricsMeter, type MetricsRegistry, type ProfileOptions,
  type RegisteredMetric,
  type BoundedFigure, type ClassMetrics, type CountersPage, type RuntimeMetrics, type Figures, type FigureSummary,
  type LaneMetrics, type PageOptions,
  type Metrics, type SloBounds, type SloTarget, type TaskMetrics,
} from './monitor/index.js';
export {
  Histogram, HISTOGRAM_WORDS, type Cause, type CauseKind, type FigureName, type FlightEvent, type SloViolation,
  type Span, type StallReport,
} from './observe/index.js';
export { cpuBudget, type CpuBudget } from './realtime/index.js';
export { tryDiscipline } from './scheduling/index.js';
export type {
  ByBand, CapacityPlan, ClassOptions, ClassPlan, ClassUse, DeclaredClass, Discipline, DisciplineChoice,
  DisciplineInForce, DisciplineOptions, ReadyView, TryOptions,
} from './scheduling/index.js';
export { capabilities, type Capabilities, type Capability, type CapabilityName } from './capabilities.js';
export { PercoreError, type PercoreErrorCode } from './errors.js';
export {
  AGAIN, BACK_PRESSURED, CLOSED, DROPPED, EMPTY, EVICTED, OK, TOO_LARGE, nameOfCode,
} from './queues/index.js';
export type { Connection, Listener } from './io/index.js';
export type { Tick, TimerId } from './timers/index.js';
export {
  createService, openService,
  type Service, type ServiceAnswer, type ServiceArguments, type ServiceCaller, type ServiceCallOptions,
  type ServiceMethod, type ServiceOptions, type ServiceStreamOptions, type ServiceStub, type Shard,
  type StreamedByMethod, type StreamingMethod,
} from './services/index.js';
export {
  Control, ID_BYTES, Ids, RunningTopology, controlEntry, createIds, defineTopology, formatDump, formatId, openControl,
  parseId, partsOfId, readId, readTopology, startTopology, takes,
  type BootStep, type BootTopology, type BytesProgram, type CheckedTopology,
  type ConnectionProgram, type ControlAnswers, type ControlMessages, type ControlOptions, type ControlVerb,
  type CursorTarget, type IdOptions, type IdParts, type Listed, type ListedInTopology, type ListedKind, type PartyDump,
  type ProcessProgram, type Program, type ProgramContext, type ProgramSettings, type ProgramStep, type ReactorIdentity,
  type RingSettings,
  type Shown, type Takes, type TaskDeclaration, type TaskTarget, type TopicDeclaration, type Topology,
  type TopologyDeclaration, type TopologyDump, type TopologyMessage, type TopologyProgram, type TopologyPublishes,
  type TopologySends, type TopologyTask,
} from './topology/index.js';
