/**
 * A topic as its publisher knows it: what it carries and keeps, what was published and refused, and who gets it.
 *
 *      publish --> who subscribes? (one load, unless somebody has joined or left)
 *              --> room claimed in the lane of each party that has subscribers --one is full--> all given back: nobody
 *              --> written once, copied into the other lanes, committed: everybody
 */
import { PercoreError, invalidArgument } from '../errors.js';
import {
  CLOSED, OK, TOO_LARGE, recordMemory, type Codec, type RecordMemory,
} from '../queues/index.js';
import { makeCodec } from '../queues/internal.js';
import { LANE_SHARES, type Party } from '../reactor/internal.js';
import { MESSAGES, REFUSED, type TopicRow } from '../topic-figures.js';
import type { TopicMembership } from '../topic-membership.js';
import { Audience } from './audience.js';
import { GatheredBatch, MOST_MESSAGES, padded } from './batch.js';
import type { TopicSettings } from './options.js';
import { copyPayload, type RetainedValue } from './wire.js';

/** How many bytes the answer that carries a retained value needs besides those of the value. */
const ANSWER_BYTES = 8192;

/** The smallest power of two that has room for that answer and for a message. */
const LEAST_LANE_BYTES = 2 ** 15;

/** A batch may have so many bytes even in a small lane. */
const LEAST_BATCH_BYTES = 1024;

/** The memory of a claim before there was any. */
const NOWHERE: RecordMemory = recordMemory(new ArrayBuffer(0));

/** See the head of this file. */
export class Publisher {
  isClosed = false;
  /** The counts of its row in shared memory, which others read, and the values that the row had before. */
  private readonly numbers: Float64Array;
  private readonly publishedBefore: number;
  private readonly refusedBefore: number;
  private readonly codec: Codec<unknown>;
  private readonly audience: Audience;
  readonly maxBytes: number;
  private last: { memory: RecordMemory; length: number; view: number } | undefined;
  private spare: RecordMemory | undefined;
  /** Made with the first batch; undefined while one is gathered, whose values may publish here as well. */
  private gathered: GatheredBatch | undefined;
  /** The bytes of the open claim, or -1; and the index of the first target that holds it. */
  private claimed = -1;
  private first = 0;
  /** The memory in which the last claim lies. */
  memory: RecordMemory = NOWHERE;
  /** How far messages of a struct in one record are apart, and how many of them one may hold. */
  private readonly stride: number;
  private readonly mostInRecord: number;

  constructor(
    private readonly party: Party, private readonly members: TopicMembership, readonly settings: TopicSettings,
    readonly number: number, private readonly row: TopicRow,
  ) {
    const { name, codec, retain } = settings;
    this.numbers = row.numbers;
    this.publishedBefore = row.numbers[MESSAGES]!;
    this.refusedBefore = row.numbers[REFUSED]!;
    this.codec = makeCodec(codec);
    const description = Buffer.from(JSON.stringify({ name, codec }));
    this.audience = new Audience(party, members, settings, number, description);
    this.stride = padded(this.codec.recordBytes);
    // The most that any lane takes is half of it, less the heads of lane, message and bus.
    this.maxBytes = (party.shared.laneBytes >> 1) - 64 - (retain ? ANSWER_BYTES : 0);
    const areShared = !retain && this.stride !== 0;
    this.mostInRecord = areShared ? Math.min(MOST_MESSAGES, Math.floor(this.batchBytes / this.stride)) : 1;
    if (retain && this.maxBytes < 256) throw tooSmall(party.shared.laneBytes);
  }

  get published(): number {
    return this.numbers[MESSAGES]! - this.publishedBefore;
  }

  get refused(): number {
    return this.numbers[REFUSED]! - this.refusedBefore;
  }

  /** Ends the publisher: it publishes nothing more. */
  end(): void {
    this.isClosed = true;
    this.row.end();
  }

  /** The parties that have subscribers, as far as is known. */
  get parties(): number[] {
    return this.audience.parties;
  }

  /** See `publish` of Topic. */
  publish(value: unknown): number {
    if (!this.isOpen()) return CLOSED;
    if (this.settings.retain) return this.publishRetained(value);
    const { codec, audience } = this;
    const most = audience.targets.length === 0 ? 0 : codec.measure(value, this.maxBytes);
    if (most > this.maxBytes) return this.refuse(TOO_LARGE, codec);
    if (
      this.mostInRecord > 1 && audience.targets[0]?.isOpen === true
      && audience.lengthen(codec, value, this.stride, this.mostInRecord)
    ) {
      this.accepted();
      return OK;
    }
    const first = audience.claim(most);
    if (first < 0) return this.refuse(first, codec);
    // Not loaded earlier: a getter of the value may have published here as well, and may have changed who is in view.
    const { targets } = audience;
    if (first < targets.length) {
      const { outlet, at } = targets[first]!;
      audience.commitFrom(first, codec.write(value, outlet, at), this.mostInRecord > 1);
    } else {
      codec.forget();
    }
    this.accepted();
    return OK;
  }

  /** See `publishBatch` of Topic. */
  publishBatch(values: readonly unknown[]): number {
    const { length } = values;
    let taken = 0;
    do {
      if (!this.isOpen()) return taken > 0 ? taken : CLOSED;
      let code: number;
      try {
        code = this.publishSome(values, taken, length);
      } catch (error) {
        // It has no effect, and comes again when somebody publishes what was not taken.
        if (taken > 0) return taken;
        throw error;
      }
      if (code < 0) {
        this.numbers[REFUSED]! += length - taken;
        return taken > 0 ? taken : code;
      }
      this.numbers[MESSAGES]! += code;
      taken += code;
    } while (taken < length);
    return taken;
  }

  /**
   * Claims `length` bytes for writing in place. Returns their offset in `memory`, or BACK_PRESSURED, TOO_LARGE or
   * CLOSED. `commitClaim` or `abortClaim` follows in the same step.
   */
  tryClaim(length: number): number {
    // Whatever becomes of this claim, the one before it is over.
    this.claimed = -1;
    if (!this.isOpen()) return CLOSED;
    if (length > this.maxBytes) return this.refuse(TOO_LARGE, this.codec);
    const { audience } = this;
    const first = audience.claim(length);
    if (first < 0) return this.refuse(first, this.codec);
    this.claimed = length;
    this.first = first;
    // A message that is kept, or that nobody gets, is written to memory beside the lanes.
    const isBeside = this.settings.retain || first === audience.targets.length;
    this.memory = isBeside ? this.beside(length) : audience.targets[first]!.outlet;
    return isBeside ? 0 : audience.targets[first]!.at;
  }

  /**
   * Publishes the open claim, shortened to `length` bytes. Throws ERR_PERCORE_CLAIM if the claim is shorter than that,
   * and ERR_PERCORE_INVALID_ARGUMENT for less than the struct that the topic carries; the claim stays open then.
   */
  commitClaim(length: number): void {
    if (length > this.claimed) {
      throw new PercoreError(
        'ERR_PERCORE_CLAIM', `commit(${length}) without a claim that large: call tryClaim first, and see what it says`,
        { argument: 'commit', value: length },
      );
    }
    const { recordBytes } = this.codec;
    if (length < recordBytes) {
      // Subscribers could not read it, or would read in place what lies behind it.
      throw invalidArgument('length', length, `at least ${recordBytes}, the bytes of the struct that it carries`);
    }
    this.claimed = -1;
    if (this.settings.retain) this.commitBeside(this.memory, length);
    else if (this.first < this.audience.targets.length) this.audience.commitFrom(this.first, length);
    this.accepted();
  }

  /** Gives the open claim up, if there is one. */
  abortClaim(): void {
    if (this.claimed >= 0) this.audience.giveBack();
    this.claimed = -1;
  }

  /** Calls `then` once, in a later turn, when what was refused last would be taken, or when its party has died. */
  whenRoom(then: () => void): void {
    const { refuser } = this.audience;
    if (refuser === undefined) {
      this.party.timers.after({ delayNs: 0, priority: this.settings.band }, then);
      return;
    }
    const { outlet } = refuser;
    outlet.whenRoom(outlet.refusedBytes, then, outlet.refusedName);
  }

  /**
   * The last value, for a subscriber that joined when the count of changes was `joinedAs`. Undefined if there is none,
   * or if it was published with that subscriber in view, whose thread gets it as a message.
   */
  retained(joinedAs: number): RetainedValue | undefined {
    if (this.last === undefined || this.last.view >= this.members.totalOf(joinedAs)) return undefined;
    const { memory, length } = this.last;
    const { name, codec, band } = this.settings;
    return { name, codec, band, number: this.number, bytes: memory.bytes.slice(0, length) };
  }

  // ---- Inside -------------------------------------------------------------------------------------------------------

  /**
   * Publishes a value that is kept. It is first written beside the lanes, because it is kept even if nobody subscribes.
   */
  private publishRetained(value: unknown): number {
    const { codec } = this;
    const most = codec.measure(value, this.maxBytes);
    if (most > this.maxBytes) return this.refuse(TOO_LARGE, codec);
    const memory = this.beside(most);
    const length = codec.write(value, memory, 0);
    const first = this.audience.claim(length);
    if (first < 0) return this.refuse(first, codec);
    this.commitBeside(memory, length);
    this.accepted();
    return OK;
  }

  /** Publishes in one record as many of the values from `from` on as fit. Returns how many, or a result code. */
  private publishSome(values: readonly unknown[], from: number, end: number): number {
    const { retain } = this.settings;
    // Nobody looks at them.
    if (from === end || (this.audience.targets.length === 0 && !retain)) return end - from;
    const gathered = this.gathered ?? this.makeGathered();
    this.gathered = undefined;
    let count: number;
    try {
      count = gathered.gather(values, from, end);
    } finally {
      this.gathered = gathered;
    }
    if (count < 0) return count;
    const { memory, lastAt, lastLength } = gathered;
    const at = count === 1 ? lastAt : 0;
    const length = gathered.length - at;
    const first = this.audience.claim(length, count);
    if (first < 0) return first;
    this.audience.commitCopy(memory, at, length, count);
    if (retain) {
      const last = this.beside(lastLength);
      copyPayload(memory, lastAt, lastLength, last, 0);
      this.keep(last, lastLength);
    }
    return count;
  }

  private makeGathered(): GatheredBatch {
    return new GatheredBatch(this.settings.codec, this.batchBytes, this.maxBytes);
  }

  /** Most bytes of a record with several messages: whoever waits for room gets such a share of a lane at once. */
  private get batchBytes(): number {
    return Math.min(Math.max(this.party.shared.laneBytes / LANE_SHARES - 64, LEAST_BATCH_BYTES), this.maxBytes);
  }

  /** Memory of this thread for `length` bytes; what it holds is not needed any more. */
  private beside(length: number): RecordMemory {
    if (this.spare === undefined || this.spare.bytes.length < length) {
      this.spare = recordMemory(new ArrayBuffer(Math.max(64, (length + 7) & ~7)));
    }
    return this.spare;
  }

  /** Copies what was written beside the lanes into those that are claimed, and keeps it. */
  private commitBeside(memory: RecordMemory, length: number): void {
    this.audience.commitCopy(memory, 0, length);
    this.keep(memory, length);
  }

  /** Keeps this as the last value. */
  private keep(memory: RecordMemory, length: number): void {
    this.spare = this.last?.memory;
    this.last = { memory, length, view: this.audience.view };
  }

  /** False if the topic or the party is closed. Otherwise makes sure that the publisher knows who subscribes. */
  private isOpen(): boolean {
    if (this.isClosed || this.party.isClosed) return false;
    this.audience.refresh();
    return true;
  }

  private accepted(): void {
    this.numbers[MESSAGES]!++;
  }

  /** Counts a refusal and returns its code. */
  private refuse(code: number, codec: Codec<unknown>): number {
    codec.forget();
    this.numbers[REFUSED]!++;
    return code;
  }
}

const tooSmall = (laneBytes: number): PercoreError => new PercoreError(
  'ERR_PERCORE_TOO_LARGE',
  `a topic with \`retain\` needs createRuntime({ laneBytes: ${LEAST_LANE_BYTES} }) or more, and there are ${laneBytes}`,
  { argument: 'retain', value: true, allowed: `false where laneBytes is less than ${LEAST_LANE_BYTES}` },
);
