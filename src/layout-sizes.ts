/** How large what lies in shared memory is, and where its lanes are. See layout.ts. */
import { LANES_PER_PEER, LINE_BYTES, SLOTS } from './layout-limits.js';
import { queueLayout } from './layout-queues.js';
import { bucketsLayout, partyLayout } from './layout-reactor.js';

/** The size in bytes of one party's Buckets, including what it has taken from each of `parties`. */
export const bucketsBytes = (parties: number): number => bucketsLayout.bytes + parties * SLOTS * 4;
/** The offset of lane `lane` of producer `from` in an inbox for `parties` parties whose lanes hold `laneBytes` each. */
export const laneOffset = (parties: number, laneBytes: number, from: number, lane: number): number =>
  partyLayout.bytes + parties * LINE_BYTES + (from * LANES_PER_PEER + lane) * laneStride(laneBytes);
/** The size of a lane: header, records, and one more line because a DataView must reach past the last record. */
export const laneStride = (laneBytes: number): number => queueLayout.bytes + laneBytes + LINE_BYTES;
/** The size of a whole inbox in bytes. Lanes that are never touched cost address space but no memory. */
export const inboxBytes = (parties: number, laneBytes: number): number => laneOffset(parties, laneBytes, parties, 0);
