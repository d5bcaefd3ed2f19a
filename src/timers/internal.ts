/** What other rooms of Percore may import from here besides index.ts. No user sees it. */
export { createCounting } from './timer-wheel.js';
export { checkRateState } from './rate-state.js';
