/**
 * The sending end of a lane: one SPSC ring from this party to another, for one band. Records are written at once and published
 * lazily: at the end of the step, at `flush`, or at 64 records or 20 µs, whichever is first; at once when their band is above the
 * one that runs. A lane is never published before the higher lanes to the same party. Whoever publishes also wakes.
 */
import { create, pub, BACK_PRESSURED, CLOSED, OK, TOO_LARGE, type VariableProducer } from '../queues/index.js';
import { framedBytes } from '../queues/record.js';
import { ValueCodec, type ValueMemory } from '../queues/value-codec.js';
import { partyLayout } from '../layout.js';
import { noteRefusal } from '../refusals.js';
import { BYTES, CALL, CALL_HEAD_BYTES, HEAD_BYTES, VALUE } from './message.js';
import { notify } from './parking.js';
import { announceLane, laneAt, type SharedRuntime } from './shared.js';
import { WaitingLine, type Room, type WaitingHost } from './waiting-line.js';

/** What an outlet needs of its reactor. */
export interface OutletHost {
  readonly id: number;
  readonly shared: SharedRuntime;
  readonly counters: Float64Array;
  readonly publishEvery: { readonly records: number; readonly ns: number };
  readonly nowNs: () => number;
  readonly waits: WaitingHost;
  /** Band of what runs; that of a task without a priority where nothing does. What is sent in a higher one is published at once. */
  readonly runningBand: number;
  /** Flush me at the end of the step. */
  markDirty(outlet: Outlet): void;
  /** Publish all that waits for the same party in higher bands, then me. */
  publishDownTo(outlet: Outlet): void;
  party(id: number): Int32Array;
  waker(id: number): () => void;
  isDead(id: number): boolean;
}

const SENT = partyLayout.fields.sent.at >> 3;
const REJECTED = partyLayout.fields.rejected.at >> 3;
/** The clock is read once in so many unpublished records. */
const CLOCK_EVERY = 8;

export class Outlet implements ValueMemory, Room {
  readonly words: Int32Array;
  readonly bytes: Uint8Array;
  readonly view: DataView;
  readonly buffer: Buffer;
  readonly maxBytes: number;
  isDirty = false;
  /** Those who wait for room here. */
  readonly line: WaitingLine;
  /** Bytes of the record, head included, that was refused last: what to wait for with `whenRoom`. */
  refusedBytes = 0;
  private readonly producer: VariableProducer;
  private readonly codec = new ValueCodec();
  private dirtySinceNs = 0;

  constructor(private readonly host: OutletHost, readonly to: number, lane: number, readonly band: number) {
    this.line = new WaitingLine(host.waits, this);
    const inbox = host.shared.inboxes[to]!;
    const byteOffset = laneAt(host.shared, host.id, lane);
    const queue = create({ kind: 'spsc', capacityBytes: host.shared.laneBytes, buffer: inbox, byteOffset });
    // Here the outlet itself decides when to publish: higher bands go first, and who publishes also wakes.
    this.producer = pub(queue, { publishEvery: 2 ** 30 });
    this.producer.onUnpublished = null;
    this.producer.isRefuser = false;
    announceLane(inbox, host.id, lane);
    this.words = this.producer.words;
    this.bytes = this.producer.bytes;
    this.view = this.producer.view;
    this.buffer = Buffer.from(inbox, byteOffset, this.bytes.length);
    this.maxBytes = this.producer.maxRecordBytes - CALL_HEAD_BYTES;
    const consumer = host.party(to);
    const wake = host.waker(to);
    // Also where the ring publishes by itself, because it is full.
    this.producer.onPublish = () => notify(consumer, band, wake);
  }

  /**
   * Claims `length` bytes for writing in place. Returns the byte offset in `bytes`, `view` and (>> 2) `words`, a multiple of 8; or
   * BACK_PRESSURED, TOO_LARGE, or CLOSED when the receiver has died. `commit` or `abort` must follow in the same step.
   */
  claim(kind: number, headBytes: number, length: number): number {
    if (this.host.isDead(this.to)) return this.refuse(CLOSED);
    const needed = headBytes + length;
    // Nobody overtakes those who wait.
    const mayTake = this.line.count === 0 || this.line.lets(framedBytes(needed));
    const at = mayTake ? this.producer.tryClaim(needed, kind) : needed > this.producer.maxRecordBytes ? TOO_LARGE : BACK_PRESSURED;
    if (at >= 0) return at;
    if (at === BACK_PRESSURED) this.noteRefusal(needed);
    return this.refuse(at);
  }

  commit(length: number): void {
    this.producer.commit(length);
    this.host.counters[SENT]!++;
    this.published();
  }

  abort(): void {
    this.producer.abort();
  }

  /** The same as `publish`, at the end of a step: the host has this outlet in its list no more. */
  flush(): void {
    this.isDirty = false;
    this.publish();
  }

  /** Publishes what is committed and wakes the receiver if it sleeps or runs something lower. */
  publish(): void {
    this.producer.flush();
  }

  /** Bytes as they are, anything else as a value. */
  send(target: number, message: unknown): number {
    return message instanceof Uint8Array ? this.sendBytes(target, message) : this.sendValue(target, message);
  }

  sendBytes(target: number, payload: Uint8Array): number {
    const at = this.claim(BYTES, HEAD_BYTES, payload.length);
    if (at < 0) return at;
    this.words[at >> 2] = target;
    this.bytes.set(payload, at + HEAD_BYTES);
    this.commit(HEAD_BYTES + payload.length);
    return OK;
  }

  sendValue(target: number, value: unknown): number {
    const most = this.codec.measure(value);
    const at = this.claimValue(VALUE, HEAD_BYTES, most);
    if (at < 0) return at;
    this.words[at >> 2] = target;
    this.commit(HEAD_BYTES + this.codec.write(value, this, at + HEAD_BYTES));
    return OK;
  }

  sendCall(target: number, callId: number, deadlineNs: number, value: unknown): number {
    const most = this.codec.measure(value);
    const at = this.claimValue(CALL, CALL_HEAD_BYTES, most);
    if (at < 0) return at;
    this.words[at >> 2] = target;
    this.words[(at >> 2) + 1] = callId;
    this.view.setFloat64(at + HEAD_BYTES, deadlineNs, true);
    this.commit(CALL_HEAD_BYTES + this.codec.write(value, this, at + CALL_HEAD_BYTES));
    return OK;
  }

  sendReply(kind: number, callId: number, value: unknown): number {
    const most = this.codec.measure(value);
    const at = this.claimValue(kind, HEAD_BYTES, most);
    if (at < 0) return at;
    this.words[at >> 2] = callId;
    this.commit(HEAD_BYTES + this.codec.write(value, this, at + HEAD_BYTES));
    return OK;
  }

  /**
   * Calls `then` once, in a later turn, as soon as a record of `needed` bytes, head included, would be taken, or the receiver has died.
   * Those who wait are called in the order in which they came. One that throws is counted and reported, and costs the others nothing.
   */
  whenRoom(needed: number, then: () => void): void {
    this.line.whenRoom(needed, then);
  }

  // ---- For its line ---------------------------------------------------------------------------------------------

  askForRoom(bytes: number): boolean {
    // What is committed but unpublished can never be drained: nobody may wait for room on it.
    if (this.isDirty) this.host.publishDownTo(this);
    return this.producer.askForRecord(bytes);
  }

  unitsOf(bytes: number): number {
    return framedBytes(bytes);
  }

  isOver(): boolean {
    return this.host.isDead(this.to);
  }

  describe(): string {
    return `room in the lane of band ${this.band} to party ${this.to}`;
  }

  private claimValue(kind: number, headBytes: number, most: number): number {
    const at = this.claim(kind, headBytes, most);
    if (at < 0) this.codec.forget();
    return at;
  }

  /** After a commit: published at once if it is above what runs, else at the end of the step or at a bound, whichever is first. */
  private published(): void {
    const { host, producer } = this;
    if (!this.isDirty) {
      this.isDirty = true;
      this.dirtySinceNs = 0;
      host.markDirty(this);
    }
    if (this.band > host.runningBand || producer.unpublished >= host.publishEvery.records) {
      host.publishDownTo(this);
      return;
    }
    if ((producer.unpublished & (CLOCK_EVERY - 1)) !== 0) return;
    const now = host.nowNs();
    if (this.dirtySinceNs === 0) {
      this.dirtySinceNs = now;
    } else if (now - this.dirtySinceNs > host.publishEvery.ns) {
      this.dirtySinceNs = now;
      host.publishDownTo(this);
    }
  }

  private noteRefusal(needed: number): void {
    this.refusedBytes = needed;
    // The receiver can make room only of what it can see.
    if (this.isDirty) this.host.publishDownTo(this);
    noteRefusal(this.line, needed);
  }

  private refuse(code: number): number {
    this.host.counters[REJECTED]!++;
    return code;
  }

  /** What to say when a message does not fit. */
  static tooLarge(outlet: Outlet): string {
    return `the message is longer than ${outlet.maxBytes} bytes; raise laneBytes (now ${outlet.host.shared.laneBytes}) in createRuntime`;
  }
}
