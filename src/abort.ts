/** Moved to waiting.ts; here until every room has followed. */
export { checkSignal, whenAborted } from './waiting.js';
