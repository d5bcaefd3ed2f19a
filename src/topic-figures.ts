/**
 * The figures of each party's topics and subscriptions, one row for each, in memory that all threads of the process can
 * read. The numbers are statistics, which their one writer stores without atomics. A row's name is complete before
 * `used` says that the row is there. A topic that is made again continues with the row that it had before.
 */
import { TOPIC_NAME_BYTES, TOPIC_ROWS, topicRowLayout, topicRowsLayout, topicRowsOffset } from './layout.js';

const field = topicRowLayout.fields;
const { used, leftOut } = topicRowsLayout.fields;
export const PUBLISHES = 1;
export const SUBSCRIBES = 2;
/** The indexes of a row's figures in `numbers`. */
export const MESSAGES = field.messages.at >> 3;
export const REFUSED = field.refused.at >> 3;
export const LAG = field.lag.at >> 3;
export const DROPPED_NEWEST = field.droppedNewest.at >> 3;
export const DROPPED_OLDEST = field.droppedOldest.at >> 3;
export const DROPPED_EVICTED = field.droppedEvicted.at >> 3;
export const DROPPED_LEFT = field.droppedLeft.at >> 3;

/** The row of one topic or subscription. Only its owner writes it. */
export class TopicRow {
  /** The figures, by the indexes above. */
  readonly numbers: Float64Array;
  private readonly words: Int32Array;

  constructor(memory: SharedArrayBuffer, at: number) {
    this.numbers = new Float64Array(memory, at, topicRowLayout.bytes >> 3);
    this.words = new Int32Array(memory, at, topicRowLayout.bytes >> 2);
  }

  /** Ends the row: nothing waits any longer, and the next topic or subscription of this name may have it. */
  end(): void {
    this.numbers[LAG] = 0;
    // A statistic. Only its owner acts on it.
    Atomics.store(this.words, field.isOver.at >> 2, 1);
  }
}

/** All rows of one party, for that party. */
export class TopicRows {
  private readonly head: Int32Array;
  private readonly at: number;

  /** `party` is that of the calling thread. Rows of an earlier thread in its place are ended. */
  constructor(private readonly memory: SharedArrayBuffer, private readonly party: number) {
    this.at = topicRowsOffset(party);
    this.head = new Int32Array(memory, this.at, topicRowsLayout.bytes >> 2);
    for (let i = 0; i < this.count; i++) new TopicRow(memory, this.rowAt(i)).end();
  }

  /** A row for a topic or subscription that begins; once all are used, a row in memory that nobody reads. Allocates. */
  begin(role: number, name: string, band: number, capacity: number): TopicRow {
    const bytes = Buffer.from(name, 'utf8').subarray(0, TOPIC_NAME_BYTES);
    const { count } = this;
    for (let i = 0; i < count; i++) {
      const words = new Int32Array(this.memory, this.rowAt(i), topicRowLayout.bytes >> 2);
      const kept = Buffer.from(this.memory, this.rowAt(i) + field.name.at, words[field.nameBytes.at >> 2]);
      if (words[field.isOver.at >> 2] !== 1 || words[field.role.at >> 2] !== role || !kept.equals(bytes)) continue;
      return this.fill(this.memory, this.rowAt(i), { role, band, capacity, bytes });
    }
    if (count === TOPIC_ROWS) {
      new Float64Array(this.memory, this.at, topicRowsLayout.bytes >> 3)[leftOut.at >> 3]!++;
      return this.fill(new SharedArrayBuffer(topicRowLayout.bytes), 0, { role, band, capacity, bytes });
    }
    const row = this.fill(this.memory, this.rowAt(count), { role, band, capacity, bytes });
    // topics.used: pairs with the load in topicRowsOf(); the row above is complete.
    Atomics.store(this.head, used.at >> 2, count + 1);
    return row;
  }

  private get count(): number {
    // topics.used: only this thread writes it.
    return Atomics.load(this.head, used.at >> 2);
  }

  private rowAt(index: number): number {
    return this.at + topicRowsLayout.bytes + index * topicRowLayout.bytes;
  }

  private fill(
    memory: SharedArrayBuffer, at: number,
    { role, band, capacity, bytes }: { role: number; band: number; capacity: number; bytes: Uint8Array },
  ): TopicRow {
    const words = new Int32Array(memory, at, topicRowLayout.bytes >> 2);
    words[field.party.at >> 2] = this.party;
    words[field.role.at >> 2] = role;
    words[field.band.at >> 2] = band;
    words[field.isOver.at >> 2] = 0;
    words[field.nameBytes.at >> 2] = bytes.length;
    new Uint8Array(memory, at + field.name.at, bytes.length).set(bytes);
    const row = new TopicRow(memory, at);
    row.numbers[field.capacity.at >> 3] = capacity;
    return row;
  }
}

/** The offset of a party's rows in this memory, and how many there are. Any thread may call this. */
export function topicRowsOf(memory: SharedArrayBuffer, party: number): { at: number; count: number } {
  const at = topicRowsOffset(party);
  // topics.used: pairs with the store in begin(): the rows below are complete.
  const count = Atomics.load(new Int32Array(memory, at, topicRowsLayout.bytes >> 2), used.at >> 2);
  return { at: at + topicRowsLayout.bytes, count };
}
