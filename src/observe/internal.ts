/** What the rooms above may import from this one besides what users see. */
export { OUTSIDE } from './cause.js';
export { FlightRecorder, type FlightEvent } from './flight-recorder.js';
export {
  FIGURES, FigureTable, RELIEF, RESPONSE, RUN, SCHEDULE_IN, FigureSlot, createFigures, keptName,
  type FigureName, ToldCounts, type TaskCounts,
} from './task-figures.js';
export { COLLECTION, OUTSIDE_TURNS, TraceRing, type TraceSpan } from './trace-ring.js';
export { WorstCases, type Excess, type SloViolation, type Wake } from './worst-cases.js';
