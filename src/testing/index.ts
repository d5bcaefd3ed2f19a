/**
 * `percore/testing`: `explore` tries every order in which threads can touch shared memory, on the code that ships, and
 * `simulate` runs whole runtimes in one thread, by seeds. Both have an example.
 *
 * @module
 */
export {
  explore, type Exploration, type Report, type Verdict, type Violation, type ViolationKind, type VirtualThread,
} from './explorer.js';
export type { Access, Verb } from './access.js';
export { VirtualMemory, type VirtualGlobals, type WordNames } from './virtual-memory.js';
export { type Edit } from './load-module.js';
export { simulate, type Simulation, type SimulationOptions, type SimulationReport } from '../simulator/index.js';
