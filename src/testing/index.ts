/**
 * `percore/testing`: every order in which threads can touch shared memory, tried on the code that ships.
 * See `explore` for an example.
 */
export {
  explore, type Exploration, type Report, type Verdict, type Violation, type ViolationKind, type VirtualThread,
} from './explorer.js';
export type { Access, Verb } from './access.js';
export { VirtualMemory, type VirtualGlobals, type WordNames } from './virtual-memory.js';
export { type Edit } from './load-module.js';
export { simulate, type Simulation, type SimulationOptions, type SimulationReport } from '../simulator/index.js';
