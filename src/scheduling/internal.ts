/**
 * The seam for the rule that selects what runs next, for the rooms that make things ready and for those that run them.
 */
export { Bands } from './bands.js';
export {
  faultsOfPlan, planCapacity, useOfClasses, type BandFigures, type CapacityPlan, type ClassUse,
} from './capacity.js';
export { logCollections, type CollectionLog } from './collection-log.js';
export { COLLECTION_NAMES, watchCollections, type OnCollection } from './collections.js';
export { checkDiscipline, makeDiscipline, type DisciplineChoice, type DisciplineOptions } from './choose.js';
export {
  bandOfClass, checkAdmission, checkClasses, countOfBand, type ClassOptions, type DeclaredClass,
} from './classes.js';
export { DisciplineControl, type DisciplineInForce } from './control.js';
export type { Discipline } from './discipline.js';
export type { MeterFigures } from './meter.js';
export { DEFAULT_BAND, type Ready, type Schedule, type TakenReady } from './ready.js';
export { Scheduler, makeReady, type SchedulerHost } from './scheduler.js';
