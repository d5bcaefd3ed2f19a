/**
 * What a death leaves in the lanes, and how it is repaired: by the main thread alone, after the worker's exit event,
 * when nobody else touches the words of the dead thread.
 *
 *      lanes to it     read | taken, counted | taken, not counted | waits       -> the next thread begins at what waits
 *                           ^ its cursor     ^ COUNTED            ^ TAKEN
 *      lanes from it   published | committed, counted | begun                   -> the next thread begins at the first
 *                                ^ producer's cursor  ^ COMMITTED                  that was not published
 *
 * At most once: TAKEN is stored before a step begins, so the one record whose step was running does not run again. All
 * others run exactly once, in the dead thread or in the next; see Inlet.run(). What was committed and not published is
 * lost, and its number is known exactly, since SENT and COMMITTED (RECEIVED and COUNTED) are plain stores side by side,
 * between which no thread ends.
 */
import {
  FIRST_PLACE_BYTES, LANES_PER_PEER, RETURN_LANES, partyLayout, placeLayout, queueLayout, ioCountersLayout,
  timerCountersLayout, words, type LayoutField,
} from '../layout.js';
import { recover } from '../queues/index.js';
import { PADDING, framedBytes } from '../queues/internal.js';
import { laneQueue } from './lanes.js';
import { BATCH, CALL, NAME } from './message.js';
import { isLaneMade, laneAt, partyCounters, partyWords, type SharedRuntime } from './shared.js';

const PRODUCER_CURSOR = queueLayout.fields.producerCursor.at >> 2;
const CONSUMER_CURSOR = queueLayout.fields.consumerCursor.at >> 2;
const COMMITTED = queueLayout.fields.committed.at >> 2;
const TAKEN = (FIRST_PLACE_BYTES + placeLayout.fields.taken.at) >> 2;
const COUNTED = (FIRST_PLACE_BYTES + placeLayout.fields.counted.at) >> 2;
const RECORDS = queueLayout.bytes >> 2;
const RECEIVED = partyLayout.fields.received.at >> 3;
const LOST = partyLayout.fields.lost.at >> 3;
const CALLS_MADE = partyLayout.fields.callsMade.at >> 3;
const CALLS_OF_DEAD = partyLayout.fields.callsOfDead.at >> 3;
const TASK_DEPTH = partyLayout.fields.taskDepth.at >> 3;

/** Messages that ended with a thread. Those from others that it had not begun are not among them: they wait. */
export interface Loss {
  /** It had sent them, and they were not published. Exact. */
  readonly unpublished: number;
  /**
   * Their step had begun, and nobody knows whether it ended: at most 1, or the messages of one record, unless steps run
   * others.
   */
  readonly begun: number;
  /** They waited in the mailboxes of its own tasks, sent by itself: as of a millisecond before. */
  readonly waiting: number;
}

/** Frees both ends of the lanes of reactor `dead`, whose thread was Node's `threadId`, and counts what is lost. */
export function repairLanes(shared: SharedRuntime, dead: number, threadId: number): Loss {
  const counters = partyCounters(shared.inboxes[dead]!);
  let unpublished = 0;
  let begun = 0;
  for (let peer = 0; peer <= shared.reactors; peer++) {
    for (let lane = 0; lane < LANES_PER_PEER; lane++) {
      if (isLaneMade(shared.inboxes[dead]!, peer, lane)) {
        const memory = laneWords(shared, dead, peer, lane);
        // Plain: their one writer has ended.
        let last = 0;
        const received = countMessages(
          memory, shared.laneBytes, memory[COUNTED]!, memory[TAKEN]!, NAME, (messages) => (last = messages),
        );
        memory[COUNTED] = memory[TAKEN]!;
        counters[RECEIVED]! += received;
        begun += last;
        recover(laneQueue(shared, dead, peer, lane), threadId);
      }
      if (isLaneMade(shared.inboxes[peer]!, dead, lane)) {
        const memory = laneWords(shared, peer, dead, lane);
        // Pairs with the producer's own store in flush(); it has ended.
        const published = Atomics.load(memory, PRODUCER_CURSOR);
        unpublished += countMessages(memory, shared.laneBytes, published, memory[COMMITTED]!);
        memory[COMMITTED] = published;
        recover(laneQueue(shared, peer, dead, lane), threadId);
      }
    }
  }
  counters[LOST]! += unpublished;
  // Seen by everybody who hears of the death: the next thread's calls have higher numbers.
  counters[CALLS_OF_DEAD] = counters[CALLS_MADE]!;
  return { unpublished, begun, waiting: counters[TASK_DEPTH]! };
}

/**
 * Drops what waits in the lanes of a reactor that was taken away, whose thread has ended: whoever comes in its place is
 * another, and begins with nothing. They count as lost, and are awaited by nobody. How many messages; the calls by
 * which parties speak of buckets, which alone are calls in return lanes, are none that anybody has sent.
 */
export function dropUnread(shared: SharedRuntime, id: number): number {
  let count = 0;
  let lost = 0;
  for (let peer = 0; peer <= shared.reactors; peer++) {
    for (let lane = 0; lane < LANES_PER_PEER; lane++) {
      if (!isLaneMade(shared.inboxes[id]!, peer, lane)) continue;
      const memory = laneWords(shared, id, peer, lane);
      // Pairs with flush() of the producer; the consumer has ended, and this thread stands in for it.
      const published = Atomics.load(memory, PRODUCER_CURSOR);
      const consumed = Atomics.load(memory, CONSUMER_CURSOR);
      lost += countMessages(memory, shared.laneBytes, consumed, published);
      count += countMessages(memory, shared.laneBytes, consumed, published, lane >= RETURN_LANES ? CALL : NAME);
      memory[TAKEN] = memory[COUNTED] = published;
      // Pairs with the producer's look for room.
      Atomics.store(memory, CONSUMER_CURSOR, published);
    }
  }
  partyCounters(shared.inboxes[id]!)[LOST]! += lost;
  return count;
}

/** Before another thread starts in its place: its words say that it is awake and has nothing under way. */
export function clearParty(inbox: SharedArrayBuffer): void {
  const party = partyWords(inbox);
  const { attention, phase, yieldRequested, io, timers } = partyLayout.fields;
  // Pair with notify() and summon() of any peer, which may look at this moment; they tell the new thread nothing.
  Atomics.store(party, attention.at >> 2, words.attention.AWAKE);
  Atomics.store(party, yieldRequested.at >> 2, 0);
  // Pairs with setPhase().
  Atomics.store(party, phase.at >> 2, words.phase.STARTING);
  const counters = partyCounters(inbox);
  for (const [fields, at] of [
    [partyLayout.fields, 0], [ioCountersLayout.fields, io.at], [timerCountersLayout.fields, timers.at],
  ] as [Record<string, LayoutField>, number][]) {
    for (const field of Object.values(fields)) if (field.isGauge === true) counters[(at + field.at) >> 3] = 0;
  }
}

function laneWords(shared: SharedRuntime, to: number, from: number, lane: number): Int32Array {
  return new Int32Array(shared.inboxes[to]!, laneAt(shared, from, lane), RECORDS + (shared.laneBytes >> 2));
}

/**
 * Messages between two sequences of a lane; names are none, nor are those of type `other`. `each` is told how many each
 * record has.
 */
function countMessages(
  memory: Int32Array, capacity: number, from: number, to: number, other: number = NAME,
  each?: (messages: number) => void,
): number {
  let count = 0;
  for (let at = from; ((to - at) | 0) > 0;) {
    const header = RECORDS + ((at & (capacity - 1)) >> 2);
    const length = memory[header]!;
    const type = memory[header + 1]!;
    // Something else has written to the memory: whatever can be known was counted.
    if (length >>> 0 > capacity) break;
    at = (at + (type === PADDING ? Math.max(8, length) : framedBytes(length))) | 0;
    if (type === PADDING || type === NAME || type === other) continue;
    const messages = type === BATCH ? memory[header + 3]! : 1;
    count += messages;
    each?.(messages);
  }
  return count;
}
