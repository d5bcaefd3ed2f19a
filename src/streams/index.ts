/**
 * Composable streams with backpressure: what users see of this room, and what other rooms may import.
 *
 * @module
 */
export { createStream, Stream, type StreamReadOptions } from './stream.js';
export type { SplitOptions } from './route.js';
export type { QueueSource, Source } from './sources.js';
export type { StreamEnd, StreamRun, Target } from './reader.js';
export type { StreamWindow } from './window.js';
