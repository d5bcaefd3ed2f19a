/**
 * Calls and answers that wait for room in a lane, serialized when they were made: what their sender does with the value
 * afterwards has no effect, and no value is serialized twice. They go in the order in which they came.
 */
import type { RecordMemory } from '../queues/index.js';
import { ValueChain } from '../queues/internal.js';
import type { PendingCall } from './calls.js';
import type { SentName } from './names.js';

export interface Parcel {
  readonly kind: number;
  /** Head and payload. The name's number is written when it goes. */
  readonly bytes: Uint8Array;
  /** For a call: its name, and the call itself, which may be given up meanwhile. */
  readonly name: SentName | undefined;
  readonly call: PendingCall | undefined;
}

/** A longer scratch memory is not kept. */
const KEPT_BYTES = 65_536;

/** Memory of this thread that looks like a lane's. */
export class Scratch implements RecordMemory {
  readonly bytes: Uint8Array;
  readonly words: Int32Array;
  readonly view: DataView;
  readonly buffer: Buffer;

  constructor(length: number) {
    const memory = new ArrayBuffer(length);
    this.bytes = new Uint8Array(memory);
    this.words = new Int32Array(memory);
    this.view = new DataView(memory);
    this.buffer = Buffer.from(memory);
  }
}

export class Parcels {
  private readonly chain = new ValueChain<Parcel>();
  private first: Parcel | undefined;
  private kept: Scratch | undefined;

  /** `count` is called with each change of the waiting bytes. */
  constructor(private readonly count: (bytes: number) => void) {}

  get isEmpty(): boolean {
    return this.first === undefined;
  }

  /** Memory to write `length` bytes into at 0, before `keep`. */
  scratch(length: number): RecordMemory {
    if (this.kept !== undefined && this.kept.bytes.length >= length) return this.kept;
    const scratch = new Scratch(Math.max(1024, (length + 7) & ~7));
    if (scratch.bytes.length <= KEPT_BYTES) this.kept = scratch;
    return scratch;
  }

  /** Copies what was written into `scratch`. */
  keep(
    scratch: RecordMemory, length: number, kind: number, name: SentName | undefined, call: PendingCall | undefined,
  ): void {
    const parcel: Parcel = { kind, bytes: Buffer.from(scratch.bytes.subarray(0, length)), name, call };
    this.count(length);
    if (this.first === undefined) this.first = parcel;
    else this.chain.push(parcel);
  }

  /** The next one for which somebody still waits. */
  next(): Parcel | undefined {
    while (this.first?.call?.isOver === true) this.drop();
    return this.first;
  }

  /** The next has gone. */
  drop(): void {
    this.count(-this.first!.bytes.length);
    this.first = this.chain.length === 0 ? undefined : this.chain.shift();
  }

  /** Nobody is there to receive them. */
  clear(): void {
    while (this.first !== undefined) this.drop();
  }
}
