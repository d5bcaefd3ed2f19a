/**
 * The seam for the rule that selects what runs next, for the rooms that make things ready and for those that run them.
 */
export { Bands } from './bands.js';
export { checkDiscipline, makeDiscipline, type DisciplineChoice, type DisciplineOptions } from './choose.js';
export type { Discipline } from './discipline.js';
export { DEFAULT_BAND, type Ready, type Schedule } from './ready.js';
export { Scheduler, makeReady, type SchedulerHost } from './scheduler.js';
