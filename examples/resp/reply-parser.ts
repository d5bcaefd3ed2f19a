/**
 * Reads the replies of a RESP2 server, whatever pieces they arrive in. The client's half of parser.ts.
 *
 *     feed(chunk) ; next() -> a reply ; next() -> NO_REPLY ; feed(chunk) ; ...
 *
 * An array that is not complete stays on a stack of open arrays, so its elements are read once; of what is smaller,
 * only the beginning is kept.
 */
import { readBigInteger, readInteger, textOf } from './arguments.js';
import { copyBytes } from './bytes.js';

/** An error that the server replied with; `code` is its first word: ERR, WRONGTYPE. */
export class RespError extends Error {
  override readonly name = 'RespError';
  readonly code: string;

  constructor(message: string) {
    super(message);
    this.code = message.split(' ', 1)[0]!;
  }
}

/**
 * Simple strings and bulks; integers (a bigint beyond 2^53); nil; arrays. Inside an array an error is an element like
 * others.
 */
export type Reply = string | Uint8Array | number | bigint | null | RespError | Reply[];

export const NO_REPLY = Symbol('no reply yet');
/** What came is no RESP2; nothing behind it can be understood. */
export class ProtocolError extends Error {
  override readonly name = 'ProtocolError';
}

export interface ReplyLimits {
  readonly bulkBytes: number;
  readonly arrayLength: number;
  readonly depth: number;
}
export const REPLY_LIMITS: ReplyLimits = { bulkBytes: 2 ** 29, arrayLength: 2 ** 24, depth: 16 };

const NOTHING = new Uint8Array(0);
const LINE_BYTES = 65_536;
const KEPT_BYTES = 65_536;
const CR = 0x0d;

export class ReplyParser {
  private input: Uint8Array = NOTHING;
  private at = 0;
  private end = 0;
  private held: Uint8Array = NOTHING;
  /** Bytes that the bulk has whose header came last, with its header. */
  private wanted = 0;
  private readonly open: { items: Reply[]; left: number }[] = [];

  /** `bulks`: what becomes of a bulk. As utf8 text unless said otherwise. */
  constructor(
    private readonly bulks: () => 'text' | 'bytes' = () => 'text',
    private readonly limits: ReplyLimits = REPLY_LIMITS,
  ) {}

  /** Takes a chunk; it must stay as it is until `next` has answered NO_REPLY. */
  feed(bytes: Uint8Array, offset: number, length: number): void {
    const waiting = this.end - this.at;
    if (waiting === 0) {
      this.input = bytes;
      this.at = offset;
      this.end = offset + length;
      return;
    }
    // `next` has answered NO_REPLY: the rest lies at the beginning of `held`.
    this.reserve(waiting + length);
    copyBytes(bytes, offset, offset + length, this.held, this.end);
    this.input = this.held;
    this.end += length;
  }

  /** The next whole reply, or NO_REPLY. Throws ProtocolError. */
  next(): Reply | typeof NO_REPLY {
    for (;;) {
      let value = this.value();
      if (value === NO_REPLY) {
        this.keep();
        return NO_REPLY;
      }
      if (value === OPENED) continue;
      for (;;) {
        const parent = this.open.at(-1);
        if (parent === undefined) return value;
        parent.items.push(value);
        if (--parent.left !== 0) break;
        this.open.pop();
        value = parent.items;
      }
    }
  }

  /** One value, or the opening of an array that has elements. */
  private value(): Reply | typeof NO_REPLY | typeof OPENED {
    const { input, at } = this;
    const lineEnd = this.lineEnd();
    if (lineEnd < 0) return NO_REPLY;
    const after = lineEnd + 2;
    switch (input[at]) {
      case 0x2b:
        this.at = after;
        return textOf(input, at + 1, lineEnd);
      case 0x2d:
        this.at = after;
        return new RespError(textOf(input, at + 1, lineEnd));
      case 0x3a: {
        const value = readInteger(input, at + 1, lineEnd);
        if (Number.isNaN(value)) {
          throw new ProtocolError(`not an integer: ${JSON.stringify(textOf(input, at, lineEnd))}`);
        }
        this.at = after;
        return Number.isFinite(value) ? value : readBigInteger(input, at + 1, lineEnd);
      }
      case 0x24: {
        const length = this.length(lineEnd, this.limits.bulkBytes);
        if (length < 0) {
          this.at = after;
          return null;
        }
        if (after + length + 2 > this.end) {
          this.wanted = after + length + 2 - at;
          return NO_REPLY;
        }
        this.wanted = 0;
        this.at = after + length + 2;
        return this.bulks() === 'bytes'
          ? input.slice(after, after + length)
          : Buffer.from(input.buffer as ArrayBuffer, input.byteOffset + after, length).toString('utf8');
      }
      case 0x2a: {
        const length = this.length(lineEnd, this.limits.arrayLength);
        this.at = after;
        if (length < 0) return null;
        if (length === 0) return [];
        if (this.open.length === this.limits.depth) {
          throw new ProtocolError(`arrays in arrays, more than ${this.limits.depth} deep`);
        }
        this.open.push({ items: [], left: length });
        return OPENED;
      }
      default:
        throw new ProtocolError(`a reply that begins with ${JSON.stringify(String.fromCharCode(input[at]!))}`);
    }
  }

  private length(lineEnd: number, most: number): number {
    const length = readInteger(this.input, this.at + 1, lineEnd);
    if (length >= -1 && length <= most) return length;
    throw new ProtocolError(
      `a length of ${JSON.stringify(textOf(this.input, this.at, lineEnd))}, allowed are -1 to ${most}`,
    );
  }

  private lineEnd(): number {
    const { input, end } = this;
    for (let at = this.at; at + 1 < end; at++) if (input[at] === CR) return at;
    if (end - this.at > LINE_BYTES) throw new ProtocolError(`a line longer than ${LINE_BYTES} bytes`);
    return -1;
  }

  /** Copies the rest of the chunk, which is the sender's again after this. */
  private keep(): void {
    const length = this.end - this.at;
    if (length !== 0) {
      if (this.input === this.held) {
        this.held.copyWithin(0, this.at, this.end);
      } else {
        this.reserve(length);
        copyBytes(this.input, this.at, this.end, this.held, 0);
      }
    } else if (this.held.length > KEPT_BYTES) {
      this.held = NOTHING;
    }
    this.input = this.held;
    this.at = 0;
    this.end = length;
  }

  private reserve(length: number): void {
    if (length <= this.held.length) return;
    // For a long bulk once, though not for eight times more than has come.
    const held = new Uint8Array(Math.max(256, 2 ** Math.ceil(Math.log2(length)), Math.min(this.wanted, 8 * length)));
    if (this.input === this.held) held.set(this.held.subarray(0, this.end));
    this.held = held;
  }
}

const OPENED = Symbol('an array was opened');
