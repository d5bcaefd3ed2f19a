/**
 * The sending end of a lane: one SPSC ring from this party to another, for one band. Records are written at once and
 * published lazily: at the end of the step, at `flush`, or after 64 records or 20 µs, whichever comes first; at once if
 * their band is above the running one. A lane is never published before the higher lanes to the same party. Whoever
 * publishes also wakes.
 */
import { BACK_PRESSURED, CLOSED, OK, TOO_LARGE, type RecordMemory, type VariableProducer } from '../queues/index.js';
import {
  ASK_FOR_ROOM, LENGTHEN, ROOM_BEHIND, SERVE_LANE, ValueCodec, copyBytes, framedBytes, spsc,
} from '../queues/internal.js';
import { isBytes, lengthOf } from '../byte-views.js';
import { checkBytes } from '../errors.js';
import { partyLayout, queueLayout } from '../layout.js';
import { AWAIT_ROOM, noteRefusal } from '../refusals.js';
import { timesOf } from './arrivals.js';
import { LANE_SHARES, goOnWithLane } from './lanes.js';
import { BATCH, BYTES, CALL_HEAD_BYTES, HEAD_BYTES, NAME, VALUE } from './message.js';
import { SentNames, type SentName } from './names.js';
import { notify } from './parking.js';
import type { Peers } from './peers.js';
import { announceLane } from './shared.js';
import type { Turn } from './turn.js';
import type { Flushable } from './unpublished.js';
import { WaitingLine, type Ahead, type Room } from './waiting-line.js';

const SENT = partyLayout.fields.sent.at >> 3;
const REFUSED = partyLayout.fields.refused.at >> 3;
const REFUSED_NO_ROOM = partyLayout.fields.refusedNoRoom.at >> 3;
const REFUSED_CLOSED = partyLayout.fields.refusedClosed.at >> 3;
const REFUSED_TOO_LARGE = partyLayout.fields.refusedTooLarge.at >> 3;
/** Word of the lane: how far SENT has counted. */
const COMMITTED = queueLayout.fields.committed.at >> 2;
/** In one of this many flushes the way of one record is measured, if figures are taken; a power of two. */
const LANE_SAMPLE_EVERY = 64;
/** The clock is read once in this many unpublished records. */
const CLOCK_EVERY = 8;

/** Sends messages. `Outlet` adds calls and answers, and is the only class of which objects are made. */
export class LaneSender implements RecordMemory, Room, Flushable {
  readonly words: Int32Array;
  readonly bytes: Uint8Array;
  readonly view: DataView;
  readonly buffer: Buffer;
  readonly maxBytes: number;
  isDirty = false;
  /** Those who wait for room here. */
  readonly line: WaitingLine;
  /** Bytes of the record that was last refused, including its head: what to wait for with `whenRoom`. */
  refusedBytes = 0;
  /** Who has written the last record and may lengthen it, until it is published or something else is written. */
  tail: object | undefined = undefined;
  /** Its name, if the receiver does not know it yet. */
  refusedName: SentName | undefined;
  protected readonly producer: VariableProducer;
  protected readonly codec: ValueCodec = new ValueCodec();
  private dirtySinceNs = 0;
  /** How many looks at the clock this lane has seen. */
  private looks = 0;
  /** How many unpublished messages there are beyond one for each record. */
  private further = 0;
  private readonly times: Float64Array;
  /** How often it was published since the last sample, if figures are taken. */
  private flushes = 0;
  private readonly names = new SentNames();

  constructor(
    protected readonly turn: Turn, protected readonly peers: Peers,
    readonly to: number, lane: number, readonly band: number,
  ) {
    const { shared } = peers;
    this.line = new WaitingLine(turn.waits, this, shared.laneBytes / LANE_SHARES);
    const queue = goOnWithLane(shared, to, turn.id, lane);
    // Here the outlet itself decides when to publish: higher bands go first, and whoever publishes also wakes.
    this.producer = spsc.pub(queue, { publishEvery: { records: 2 ** 30 } }) as VariableProducer;
    announceLane(queue.buffer, turn.id, lane);
    this.words = this.producer.words;
    this.times = timesOf(this.words);
    this.bytes = this.producer.bytes;
    this.view = this.producer.view;
    this.buffer = Buffer.from(queue.buffer, queue.byteOffset, this.bytes.length);
    this.maxBytes = this.producer.maxRecordBytes - CALL_HEAD_BYTES;
    const consumer = peers.words(to);
    const wake = peers.waker(to);
    this.producer[SERVE_LANE](() => notify(consumer, band, wake));
  }

  /**
   * Claims `length` bytes for writing in place. Returns the byte offset in `bytes`, `view` and (>> 2) `words`, a
   * multiple of 8; or BACK_PRESSURED, TOO_LARGE, or CLOSED when the receiver has died. `commit` or `abort` must
   * follow in the same step.
   */
  claim(kind: number, headBytes: number, length: number): number {
    const at = this.take(kind, headBytes + length);
    return at >= 0 ? at : this.refuse(at, headBytes + length);
  }

  /** The same for a message to `name`, which is first announced to the receiver if necessary. */
  claimFor(name: SentName, kind: number, headBytes: number, length: number): number {
    if (name.number < 0) {
      const code = this.tell(name);
      if (code !== OK) return this.refuse(code, headBytes + length, name);
    }
    return this.claim(kind, headBytes, length);
  }

  /**
   * `messages` is how many it stands for: other than one only if it is a BATCH. `tail` is who may lengthen it, if
   * anybody.
   */
  commit(length: number, messages = 1, tail?: object): void {
    this.producer.commit(length);
    const sequence = this.producer.committedSequence;
    const { counters } = this.turn;
    // Two plain stores side by side, as in Inlet.run(): after a death it is known which records were counted.
    counters[SENT]! += messages;
    this.words[COMMITTED] = sequence;
    if (messages !== 1) this.further += messages - 1;
    this.tail = tail;
    this.published();
  }

  /**
   * Where `bytes` more of the last record would lie, which `owner` has written; below 0 if they have to be a record of
   * their own. `lengthen` follows at once.
   */
  roomBehind(owner: object, bytes: number): number {
    // Nobody overtakes those who wait.
    if (this.tail !== owner || this.line.count !== 0 || this.peers.isDead(this.to)) return -1;
    return this.producer[ROOM_BEHIND](bytes);
  }

  /**
   * The last record, whose head lies at `at`, is a BATCH of `messages` from now on, one more than before, and has
   * `length` bytes, `bytes` more than before.
   */
  lengthen(at: number, length: number, bytes: number, messages: number): void {
    this.words[(at >> 2) + 1] = messages;
    this.producer[LENGTHEN](at, length, BATCH, bytes);
    // As in commit().
    this.turn.counters[SENT]!++;
    this.words[COMMITTED] = this.producer.committedSequence;
    this.further++;
    this.published();
  }

  abort(): void {
    this.producer.abort();
  }

  /** The same as `publish`, at the end of a step: this outlet is no longer in the list of what is unpublished. */
  flush(): void {
    this.isDirty = false;
    this.publish();
  }

  /** Publishes what is committed, and wakes the receiver if it sleeps or runs something lower. */
  publish(): void {
    const { watch, unpublished } = this.turn;
    if (watch !== undefined) {
      watch.stamp(this.times, unpublished.rounds);
      if (this.flushes === 0) watch.stampSample(this.times, this.words, this.producer.committedSequence);
      this.flushes = (this.flushes + 1) & (LANE_SAMPLE_EVERY - 1);
    }
    this.further = 0;
    this.tail = undefined;
    this.producer.flush();
  }

  /** Publishes before the step ends, the higher bands to that party first: for who fills a lane while it is read. */
  publishInTurn(): void {
    this.turn.unpublished.publishAbove(this.band, this.to);
    this.publish();
  }

  /** What stands for `text` in this lane. Throws if it cannot be a name. */
  name(text: string): SentName {
    return this.names.of(text);
  }

  /** Whoever reads from here on has heard no names. */
  forgetNames(): void {
    this.tail = undefined;
    this.names.forget();
  }

  /** Bytes as they are, anything else as a value. */
  send(name: SentName, message: unknown): number {
    return isBytes(message) ? this.sendBytes(name, message) : this.sendValue(name, message);
  }

  sendBytes(name: SentName, payload: Uint8Array): number {
    if (!isBytes(payload)) checkBytes('message', payload);
    // Measured once: memory that another thread can grow may be longer a moment later.
    const length = lengthOf(payload);
    const at = this.claimFor(name, BYTES, HEAD_BYTES, length);
    if (at < 0) return at;
    this.words[at >> 2] = name.number;
    copyBytes(payload, length, this.bytes, at + HEAD_BYTES);
    this.commit(HEAD_BYTES + length);
    return OK;
  }

  sendValue(name: SentName, value: unknown): number {
    const most = this.codec.measure(value, this.maxBytes);
    const at = this.claimFor(name, VALUE, HEAD_BYTES, most);
    if (at < 0) {
      this.codec.forget();
      return at;
    }
    this.words[at >> 2] = name.number;
    this.commit(HEAD_BYTES + this.codec.write(value, this, at + HEAD_BYTES));
    return OK;
  }

  /**
   * Calls `then` once, in a later turn, as soon as a record of `needed` bytes, including its head, would be taken, or
   * the receiver has died. Those who wait are called in the order in which they came. One that throws is counted and
   * reported, and does not affect the others. If the record is for a name that the receiver does not know, `name` is
   * announced as soon as there is room for that.
   */
  whenRoom(needed: number, then: () => void, name?: SentName): void {
    this.line.whenRoom(needed, then, this.ahead(name));
  }

  // ---- For its line ---------------------------------------------------------------------------------------------

  askForRoom(bytes: number): boolean {
    // What is committed but unpublished can never be drained: nobody may wait for room behind it.
    if (this.isDirty) this.publishInTurn();
    return this.producer[ASK_FOR_ROOM](bytes);
  }

  unitsOf(bytes: number): number {
    return framedBytes(bytes);
  }

  isOver(): boolean {
    return this.peers.isDead(this.to);
  }

  describe(): string {
    return `room in the lane of band ${this.band} to party ${this.to}`;
  }

  // ---- Inside ---------------------------------------------------------------------------------------------------

  protected take(kind: number, needed: number): number {
    if (this.peers.isDead(this.to)) return CLOSED;
    // Nobody overtakes those who wait.
    if (this.line.count === 0 || this.line.lets(framedBytes(needed))) return this.producer.tryClaim(needed, kind);
    return needed > this.producer.maxRecordBytes ? TOO_LARGE : BACK_PRESSURED;
  }

  protected takeFor(name: SentName, kind: number, needed: number): number {
    if (name.number < 0) {
      const code = this.tell(name);
      if (code !== OK) return code;
    }
    return this.take(kind, needed);
  }

  /**
   * Gives a name its number in this lane. A NAME record counts neither as sent nor as received, and does not wait in
   * line.
   */
  private tell(name: SentName): number {
    if (this.peers.isDead(this.to)) return CLOSED;
    const length = nameBytes(name);
    const at = this.producer.tryClaim(length, NAME);
    if (at < 0) return at;
    this.words[at >> 2] = this.names.nextNumber;
    this.buffer.write(name.text, at + HEAD_BYTES, 'utf16le');
    this.producer.commit(length);
    this.words[COMMITTED] = this.producer.committedSequence;
    this.tail = undefined;
    this.names.told(name);
    this.published();
    return OK;
  }

  /** What has to go before a record for `name`: nothing, once the receiver knows it. */
  private ahead(name: SentName | undefined): Ahead | undefined {
    if (name === undefined || name.number >= 0) return undefined;
    return { needed: nameBytes(name), send: () => void (name.number < 0 && this.tell(name)) };
  }

  /**
   * After a commit: published at once if it is above what runs, else at the end of the step or at a bound, whichever
   * comes first.
   */
  private published(): void {
    const { turn, producer } = this;
    if (!this.isDirty) {
      this.isDirty = true;
      this.dirtySinceNs = 0;
      turn.flushLater(this);
    }
    if (this.band > turn.runningBand || producer.unpublished + this.further >= turn.publishEvery.records) {
      this.publishInTurn();
      return;
    }
    if (((producer.unpublished + this.further) & (CLOCK_EVERY - 1)) !== 0) return;
    const { unpublished } = turn;
    const now = unpublished.look(this.looks, turn.nowNs);
    this.looks = unpublished.looks;
    if (this.dirtySinceNs === 0) {
      this.dirtySinceNs = now;
    } else if (now - this.dirtySinceNs > turn.publishEvery.timeNs) {
      this.dirtySinceNs = now;
      this.publishInTurn();
    }
  }

  private refuse(code: number, needed: number, name?: SentName): number {
    this.countRefused(code);
    if (code !== BACK_PRESSURED) return code;
    this.refusedBytes = needed;
    this.refusedName = name;
    // The receiver can make room only from what it can see.
    if (this.isDirty) this.publishInTurn();
    const ahead = this.ahead(name);
    noteRefusal(
      ahead === undefined ? this.line : { [AWAIT_ROOM]: (bytes, then) => this.line[AWAIT_ROOM](bytes, then, ahead) },
      needed,
    );
    return code;
  }

  protected countRefused(code: number): void {
    const { counters } = this.turn;
    counters[REFUSED]!++;
    counters[code === BACK_PRESSURED ? REFUSED_NO_ROOM : code === CLOSED ? REFUSED_CLOSED : REFUSED_TOO_LARGE]!++;
  }

  /** What to say when a message does not fit. */
  get tooLarge(): string {
    return `the message is longer than ${this.maxBytes} bytes; raise laneBytes (now `
      + `${this.peers.shared.laneBytes}) in createRuntime`;
  }
}

/** Payload of the NAME record of a name. */
const nameBytes = (name: SentName): number => HEAD_BYTES + name.text.length * 2;
