/**
 * What users see of scheduling: how a discipline is chosen and written, and what classes declare.
 *
 * @module
 */
export type { CapacityPlan, ClassPlan, ClassUse } from './capacity.js';
export type { ByBand, DisciplineChoice, DisciplineOptions } from './choose.js';
export type { ClassOptions, DeclaredClass } from './classes.js';
export type { DisciplineInForce } from './control.js';
export type { Discipline } from './discipline.js';
export type { ReadyView } from './ready.js';
export { tryDiscipline, type TryOptions } from './try-discipline.js';
