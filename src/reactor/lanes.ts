/** A lane as a queue: its handle, and how its producer comes to it. */
import { queueLayout } from '../layout.js';
import type { VariableQueue } from '../queues/index.js';
import { spsc } from '../queues/internal.js';
import { isLaneMade, laneAt, type SharedRuntime } from './shared.js';

/** A lane is divided into this many shares: whoever has waited for room gets one of them at once. */
export const LANE_SHARES = 8;

/** The handle of lane `lane` from party `from` to party `to`. */
export function laneQueue(shared: SharedRuntime, to: number, from: number, lane: number): VariableQueue {
  return {
    kind: 'spsc', backend: 'fixed', maxProducers: 1, maxConsumers: 1, fixed: false, recordBytes: 0,
    buffer: shared.inboxes[to]!, byteOffset: laneAt(shared, from, lane), capacity: shared.laneBytes,
  };
}

/** Makes the lane, or continues the one that an earlier thread in the same reactor's place made. */
export function goOnWithLane(shared: SharedRuntime, to: number, from: number, lane: number): VariableQueue {
  const queue = laneQueue(shared, to, from, lane);
  const { buffer, byteOffset, capacity } = queue;
  if (isLaneMade(buffer, from, lane)) return queue;
  // Nobody looks at it before it is announced, so nothing was sent in it: a thread that died while making it left a
  // torso.
  new Int32Array(buffer, byteOffset, queueLayout.bytes >> 2).fill(0);
  spsc.create({ kind: 'spsc', capacityBytes: capacity, buffer, byteOffset });
  return queue;
}
