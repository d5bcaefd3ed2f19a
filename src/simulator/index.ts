/**
 * A simulator of whole runtimes in one thread, driven by seeds: part of `percore/testing`.
 *
 * @module
 */
export { simulate, type SimulationOptions, type SimulationReport } from './simulate.js';
export type { Simulation } from './simulation.js';
