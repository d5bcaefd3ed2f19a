/**
 * The lanes, queues and topics that there are, read from shared memory by any thread of the process: for the counters
 * page and for exporters. Nobody is asked and nobody stops. Each number is right for some moment, but two of them need
 * not belong to the same one.
 */
import {
  FIRST_PLACE_BYTES, LANES_PER_PEER, RETURN_LANES, placeLayout, queueLayout, topicRowLayout,
} from '../layout.js';
import { inspect, type Queue, type QueueProperties, type RingConsumerProperties } from '../queues/index.js';
import { isLaneMade, laneAt, type SharedRuntime } from '../reactor/internal.js';
import { PUBLISHES, topicRowsOf } from '../topic-figures.js';
import { unpackRow } from './page-rows.js';

/** A lane from one party to another. */
export interface LaneFigures {
  readonly from: number;
  readonly to: number;
  readonly priority: number;
  readonly isReturn: boolean;
  /** Records that were published and taken, and those that wait. */
  readonly published: number;
  readonly taken: number;
  readonly lag: number;
  /** Bytes that wait, the most that the sender has ever seen waiting, and how many there is room for. */
  readonly waitingBytes: number;
  readonly mostBytes: number;
  readonly capacityBytes: number;
  /** How often it was full. */
  readonly refused: number;
}
/** A queue that the program shows. */
export interface QueueFigures extends QueueProperties {
  readonly name: string;
}
export interface CursorFigures {
  readonly queue: number;
  readonly place: number;
  readonly threadId: number;
  readonly name: string;
  readonly state: string;
  readonly whenSlow: string;
  readonly lag: number;
  readonly consumed: number;
  readonly droppedOldest: number;
  readonly droppedEvicted: number;
}
/** What one party has done for a topic, as its publisher or as a subscriber. */
export interface TopicFigures {
  readonly party: number;
  readonly role: 'publishes' | 'subscribes';
  /** The topic, or the pattern that it subscribes to. */
  readonly name: string;
  /** -1: the band of each message. */
  readonly priority: number;
  readonly isOver: boolean;
  /** Messages that `publish` has taken, or that the handler has. */
  readonly messages: number;
  readonly refused: number;
  readonly lag: number;
  readonly capacity: number;
  readonly dropped: Readonly<Record<'newest' | 'oldest' | 'evicted' | 'left', number>>;
}

type LaneSource = Pick<SharedRuntime, 'reactors' | 'laneBytes' | 'inboxes'>;

const { producerCursor, consumerCursor, published, refused, highWater, capacity } = queueLayout.fields;
const CONSUMED = (FIRST_PLACE_BYTES + placeLayout.fields.consumed.at) >> 3;

/** All lanes that were ever used, by receiver, sender and band. Allocates. */
export function readLanes(shared: LaneSource): LaneFigures[] {
  const lanes: LaneFigures[] = [];
  for (const [to, inbox] of shared.inboxes.entries()) {
    for (let from = 0; from <= shared.reactors; from++) {
      for (let lane = 0; lane < LANES_PER_PEER; lane++) {
        if (!isLaneMade(inbox, from, lane)) continue;
        lanes.push(readLane(inbox, laneAt(shared as SharedRuntime, from, lane), to, from, lane));
      }
    }
  }
  return lanes;
}

function readLane(inbox: SharedArrayBuffer, at: number, to: number, from: number, lane: number): LaneFigures {
  const words = new Int32Array(inbox, at, queueLayout.bytes >> 2);
  const numbers = new Float64Array(inbox, at, queueLayout.bytes >> 3);
  // The consumer's cursor first, so that what is taken meanwhile cannot make the lag negative.
  const taken = numbers[CONSUMED]!;
  // Pairs with the stores of both ends of the ring, for the figure alone.
  const released = Atomics.load(words, consumerCursor.at >> 2);
  const sent = numbers[published.at >> 3]!;
  return {
    from, to, priority: lane % RETURN_LANES, isReturn: lane >= RETURN_LANES, published: sent, taken,
    lag: Math.max(0, sent - taken),
    waitingBytes: Math.max(0, (Atomics.load(words, producerCursor.at >> 2) - released) | 0),
    mostBytes: words[highWater.at >> 2]!, capacityBytes: words[capacity.at >> 2]!, refused: numbers[refused.at >> 3]!,
  };
}

/** The queues that a program shows. A queue with damaged memory is left out. */
export function readQueues(queues: ReadonlyMap<string, Queue>): QueueFigures[] {
  return [...queues].flatMap(([name, queue]) => {
    try {
      return [{ name, ...inspect(queue) }];
    } catch {
      return [];
    }
  });
}

/** The consumers of these queues. */
export function cursorsOf(queues: readonly QueueFigures[]): CursorFigures[] {
  return queues.flatMap(({ consumers }, queue) => consumers.map((consumer) => {
    const {
      place, lag, consumed, threadId = -1, name = '', state = 'reading', whenSlow = 'wait', droppedOldest = 0,
      droppedEvicted = 0,
    } = consumer as Partial<RingConsumerProperties> & typeof consumer;
    return { queue, place, threadId, name, state, whenSlow, lag, consumed, droppedOldest, droppedEvicted };
  }));
}

/** Topics and subscriptions of all parties. */
export function readTopics({ topics, reactors }: Pick<SharedRuntime, 'topics' | 'reactors'>): TopicFigures[] {
  const memory = Buffer.from(topics);
  return Array.from({ length: reactors + 1 }, (_, party) => topicRowsOf(topics, party)).flatMap(({ at, count }) =>
    Array.from({ length: count }, (_, i) =>
      topicFigures(unpackRow(topicRowLayout, memory, at + i * topicRowLayout.bytes) as unknown as TopicRowFigures)));
}

interface TopicRowFigures {
  readonly party: number; readonly role: number; readonly band: number; readonly isOver: number; readonly name: string;
  readonly messages: number; readonly refused: number; readonly lag: number; readonly capacity: number;
  readonly droppedNewest: number; readonly droppedOldest: number; readonly droppedEvicted: number;
  readonly droppedLeft: number;
}

/** The same, from a row of memory or of a page. */
export function topicFigures(row: TopicRowFigures): TopicFigures {
  const { party, role, band, isOver, name, messages, refused: notTaken, lag, capacity: most } = row;
  return {
    party, role: role === PUBLISHES ? 'publishes' : 'subscribes', name, priority: band, isOver: isOver !== 0, messages,
    refused: notTaken, lag, capacity: most,
    dropped: {
      newest: row.droppedNewest, oldest: row.droppedOldest, evicted: row.droppedEvicted, left: row.droppedLeft,
    },
  };
}
