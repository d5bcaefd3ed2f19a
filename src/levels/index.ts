/**
 * `percore/realtime`: apps of levels that preempt each other, resources with ceilings, and the ways between real-time
 * code and ordinary code; policies, placement, and what the machine grants.
 *
 * @module
 */
export * from '../realtime/index.js';
export {
  collectWhenIdle, IdleCollector, setPolicy, type CollectionStatus, type IdleCollectOptions, type SetPolicyOptions,
} from '../reactor/index.js';
export { takes, type Takes } from '../takes.js';
export type { AppStatus, LevelStatus, RefusedMessages } from './app-status.js';
export type {
  AppCode, AppContext, AppCore, AppDeclaration, AppMessage, AppSender, AppSent, AppState, AppTask, CheckedApp, Edges,
  Synchronous,
} from './declaration.js';
export { App, defineApp, type AppDescription } from './define-app.js';
export { implementApp, type AppEntry } from './implement.js';
export { RunningApp, startApp, type AppCloseResult, type LevelDeath, type StartAppOptions } from './start-app.js';
export { clearCore, type ClearedCore, type MovedThread } from './clear-core.js';
export {
  createExecutor, raiseEvent, RealtimeExecutor, type ExecutorEvent, type ExecutorOptions,
} from './executor.js';
export type { ExecutorRuns, RealtimeExecutorMetrics } from './executor-metrics.js';
export type { Work } from './executor-messages.js';
export type { Tick } from '../timers/index.js';
export { fifoToPipe, type FifoToPipeOptions } from './fifo-to-pipe.js';
export {
  createRealtimeFifo, openRealtimeFifo, readRealtimeFifo, realtimeFifoStatus, RealtimeFifoWriter,
  type RealtimeFifo, type RealtimeFifoOptions, type RealtimeFifoReadOptions, type RealtimeFifoStatus,
} from './realtime-fifo.js';
