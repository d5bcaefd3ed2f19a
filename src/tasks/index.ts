/**
 * Processes and the table of tasks: what users see of this room, and other rooms may import.
 *
 * @module
 */
export { createProcess, type Process } from './process.js';
export type { Pause, ProcessEnd, ProcessOptions, Supervise, TaskState } from './process-options.js';
export type { ProcessBody } from './body.js';
export type { Self } from './self.js';
export { tasksOf, type TaskFigures } from './table.js';
