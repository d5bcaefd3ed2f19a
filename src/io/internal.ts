/** What other rooms may import of `io`, besides what users see. */
export { endpointOf, takeUpConnection } from './connection.js';
export type { IoHost } from './core.js';
export { coreOf, Io } from './io.js';
export { followResult, reportThrown } from './report.js';
export { chooseSource, type SourceChoice } from './source-choice.js';
export { checkStreamOptions } from './stream-options.js';
export { TimedIoCore } from './timed-core.js';
