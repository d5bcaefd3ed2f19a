/** What this process may use of the machine, and what its threads are to the scheduler. */
export { cpuBudget, type CgroupFiles, type CpuBudget } from './cpus.js';
export {
  deadline, fifo, other, roundRobin, type DeadlinePolicy, type FixedPriorityPolicy, type OtherPolicy, type Policy,
} from './policies.js';
