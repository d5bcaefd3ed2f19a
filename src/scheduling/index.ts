/** What users see of scheduling: how a discipline is chosen. Disciplines themselves are behind `internal.ts`. */
export type { ByBand, DisciplineChoice, DisciplineOptions } from './choose.js';
