/** What other rooms of Percore may import from here in addition to index.ts. Users do not see it. */
export { createCounting } from './timer-wheel.js';
export { checkRateState } from './rate-state.js';
