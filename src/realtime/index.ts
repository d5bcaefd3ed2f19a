/** What this process may use of the machine. */
export { cpuBudget, type CgroupFiles, type CpuBudget } from './cpus.js';
