/**
 * What this process may use of the machine, and how the scheduler treats its threads.
 *
 * @module
 */
export { cpuBudget, type CpuBudget } from './cpus.js';
export {
  deadline, fifo, other, roundRobin, type DeadlinePolicy, type FixedPriorityPolicy, type OtherPolicy, type Policy,
} from './policies.js';
export type { SystemFiles } from './system-files.js';
export { cpuTopology, type Cpu, type CpuCache, type CpuTopology } from './topology.js';
export type { Interrupt } from './interrupts.js';
export type { Placement } from './placement.js';
export {
  CHECK_NAMES, inspectMachine, type Check, type InspectOptions, type MachineReport, type Throttling,
} from './machine.js';
export {
  lockedBytes, lockMemory, prefault, residentBytes, unlockMemory, useHugePages, type LockOptions,
} from './memory.js';
export { collectGarbage, type CollectionKind } from './garbage.js';
