/**
 * Cuts a stream of Redis requests (RESP2, and inline commands as telnet sends them) into commands, whatever pieces it
 * arrives in.
 *
 *     feed(chunk) ; next() -> COMMAND ; next() -> COMMAND ; next() -> NEED_MORE ; feed(chunk) ; ...
 *
 *     begin --'*3'--> header --'$5'--> bulk --bytes--> header | COMMAND
 *     begin --any other byte--> inline line --> COMMAND
 *     any --what the protocol forbids--> FAILED, for good
 *
 * A command that lies whole in its chunk is not copied: its arguments are places in the chunk. Half a command at the
 * end of a chunk is copied to a buffer of the parser, and parsing goes on there where it stopped, so no byte is looked
 * at twice. A long argument's buffer is made once, though never eight times larger than what has come, since what is
 * only announced must cost nothing. Requests are arrays of bulk strings only, so one pass is enough.
 *
 * What is accepted and what is not, to the word of the error, is what redis-server 7.0 does (it does not look at the
 * byte behind a \r either); see https://redis.io/docs/reference/protocol-spec. Only the limits are our own.
 */
import { readInteger, type Arguments } from './arguments.js';
import { copyBytes } from './bytes.js';
import { splitInline } from './inline-arguments.js';
import { giveBuffer, takeBuffer } from './spare-buffers.js';

export const NEED_MORE = 0;
/** The arguments of a command are in `bytes`, `starts`, `ends` until the next call. */
export const COMMAND = 1;
/** `error` says why; nothing that follows can be understood. */
export const FAILED = -1;
/** Inside: go on. */
const GO_ON = 2;

export interface ParserLimits {
  /** Longest argument; 9 or more. */
  readonly bulkBytes: number;
  /** Most arguments of one command; 9 or more. */
  readonly multibulk: number;
  /** Longest command as it is sent. */
  readonly commandBytes: number;
}

export const DEFAULT_LIMITS: ParserLimits = { bulkBytes: 16 * 2 ** 20, multibulk: 2 ** 20, commandBytes: 64 * 2 ** 20 };
/** Longest line: an inline command, or a length. */
export const LINE_BYTES = 65_536;

const STAR = 0x2a;
const DOLLAR = 0x24;
const CR = 0x0d;
const LF = 0x0a;
const NOTHING = new Uint8Array(0);
/** A buffer for halves that has grown beyond this is given back when it is empty. */
const KEPT_BYTES = 65_536;
/** How much larger than what it holds a buffer may be. */
const MOST_AHEAD = 8;
/** Most bytes that are taken beyond what is there and announced. */
const MOST_SPARE = 2 ** 20;

export class RequestParser implements Arguments {
  bytes: Uint8Array = NOTHING;
  count = 0;
  starts = new Int32Array(16);
  ends = new Int32Array(16);
  /** Why it FAILED, as redis-server says it. */
  error = '';

  /** What is being parsed, a chunk or `held`: bytes `at` to `end`. */
  private input: Uint8Array = NOTHING;
  private at = 0;
  private end = 0;
  /** Where the command begins that is not complete yet. */
  private first = 0;
  private held: Uint8Array = NOTHING;
  /** Arguments that are still to come; 0 at the beginning of a command. */
  private expected = 0;
  /** Length of the argument whose bytes come next; -1 when its header does. */
  private bulk = -1;
  /** The line that is searched has no end before here. */
  private scanned = 0;
  /** From `first` on, the bytes that the command has at least, as far as its headers have come. */
  private wanted = 0;

  constructor(private readonly limits: ParserLimits = DEFAULT_LIMITS) {}

  /** Bytes that wait for the rest of their command, or for `next` to be called. */
  get heldBytes(): number {
    return this.end - this.first;
  }

  /** Takes a chunk. It must stay as it is until `next` has answered NEED_MORE or `keep` is called. */
  feed(bytes: Uint8Array, offset: number, length: number): void {
    if (this.error !== '') return;
    if (this.end !== this.first) {
      // `keep` has been called: the input is `held` and begins at 0.
      this.reserve(this.end + length);
      copyBytes(bytes, offset, offset + length, this.held, this.end);
      this.input = this.held;
      this.end += length;
      return;
    }
    this.input = bytes;
    this.at = this.first = offset;
    this.end = offset + length;
    this.scanned = 0;
  }

  /** The next command of what was fed. */
  next(): number {
    if (this.error !== '') return FAILED;
    if (this.expected === 0) {
      const outcome = this.begin();
      if (outcome !== GO_ON) return outcome;
    }
    return this.readArguments();
  }

  /**
   * Copies what is left of the chunk, which the caller may then use for something else. `next` does it when it needs
   * more.
   */
  keep(): void {
    const length = this.end - this.first;
    if (length === 0) {
      if (this.held.length > KEPT_BYTES) this.release();
      this.input = NOTHING;
      this.at = this.first = this.end = this.scanned = 0;
      return;
    }
    if (this.input === this.held && this.first === 0) return;
    const first = this.first;
    if (this.input === this.held) {
      this.held.copyWithin(0, first, this.end);
    } else {
      this.reserve(length);
      copyBytes(this.input, first, this.end, this.held, 0);
    }
    for (let i = 0; i < this.count; i++) {
      this.starts[i]! -= first;
      this.ends[i]! -= first;
    }
    this.input = this.held;
    this.at -= first;
    this.scanned = Math.max(0, this.scanned - first);
    this.first = 0;
    this.end = length;
  }

  /** At the beginning of a command: the number of its arguments, or an inline command. */
  private begin(): number {
    const { input, end } = this;
    this.count = 0;
    for (;;) {
      const at = this.at;
      this.first = at;
      if (at >= end) return this.needMore();
      if (input[at] !== STAR) {
        const outcome = this.inline(at);
        if (outcome !== GO_ON) return outcome;
        continue;
      }
      let expected: number;
      // Nearly always one digit, which no limit forbids.
      if (at + 3 < end && input[at + 2] === CR && isDigit(input[at + 1]!)) {
        expected = input[at + 1]! - 0x30;
        this.at = at + 4;
      } else {
        const lineEnd = this.lineEnd(at, CR);
        if (lineEnd === TOO_LONG) return this.fail('too big mbulk count string');
        if (lineEnd === -1 || lineEnd + 2 > end) return this.needMore();
        this.scanned = 0;
        expected = readInteger(input, at + 1, lineEnd);
        if (!(expected <= this.limits.multibulk)) return this.fail('invalid multibulk length');
        this.at = lineEnd + 2;
      }
      // No argument is no command: passed over without an answer.
      if (expected > 0) {
        this.expected = expected;
        this.bulk = -1;
        return GO_ON;
      }
    }
  }

  private readArguments(): number {
    const { input, end, limits } = this;
    let at = this.at;
    let length = this.bulk;
    while (this.count < this.expected) {
      if (length < 0) {
        // "$3\r\n": as above, the short form first.
        if (at + 3 < end && input[at] === DOLLAR && input[at + 2] === CR && isDigit(input[at + 1]!)) {
          length = input[at + 1]! - 0x30;
          at += 4;
        } else {
          this.at = at;
          this.bulk = -1;
          const lineEnd = this.lineEnd(at, CR);
          if (lineEnd === TOO_LONG) return this.fail('too big bulk count string');
          if (lineEnd === -1 || lineEnd + 2 > end) return this.needMore();
          this.scanned = 0;
          if (input[at] !== DOLLAR) return this.fail(`expected '$', got '${String.fromCharCode(input[at]!)}'`);
          length = readInteger(input, at + 1, lineEnd);
          if (!(length >= 0 && length <= limits.bulkBytes)) return this.fail('invalid bulk length');
          at = lineEnd + 2;
        }
        if (at + length - this.first > limits.commandBytes) return this.fail('too big request');
      }
      if (at + length + 2 > end) {
        this.at = at;
        this.bulk = length;
        this.wanted = at + length + 2 - this.first;
        return this.needMore();
      }
      const index = this.count;
      if (index === this.starts.length) this.grow();
      this.starts[index] = at;
      this.ends[index] = at + length;
      this.count = index + 1;
      at += length + 2;
      length = -1;
    }
    this.bulk = -1;
    this.expected = this.wanted = 0;
    this.at = this.first = at;
    this.bytes = input;
    return COMMAND;
  }

  /** A line of words instead of an array. GO_ON: an empty one. */
  private inline(at: number): number {
    const lineEnd = this.lineEnd(at, LF);
    if (lineEnd === -1) return this.needMore();
    if (lineEnd === TOO_LONG) return this.fail('too big inline request');
    this.scanned = 0;
    const split = splitInline(this.input, at, lineEnd > at && this.input[lineEnd - 1] === CR ? lineEnd - 1 : lineEnd);
    if (split === undefined) return this.fail('unbalanced quotes in request');
    this.at = this.first = lineEnd + 1;
    if (split.count === 0) return GO_ON;
    while (this.starts.length < split.count) this.grow();
    this.starts.set(split.starts);
    this.ends.set(split.ends);
    this.count = split.count;
    this.bytes = split.bytes;
    return COMMAND;
  }

  /** Where the line from `from` ends, by `mark`; -1: not in what has arrived, TOO_LONG: beyond LINE_BYTES. */
  private lineEnd(from: number, mark: number): number {
    const { input, end } = this;
    const most = from + LINE_BYTES;
    const last = end < most ? end : most;
    let at = this.scanned > from ? this.scanned : from;
    while (at < last) {
      if (input[at] === mark) return at;
      at++;
    }
    if (at >= most && end > most) return TOO_LONG;
    this.scanned = at;
    return -1;
  }

  private needMore(): number {
    this.keep();
    return NEED_MORE;
  }

  private fail(why: string): number {
    this.error = `Protocol error: ${why}`;
    this.count = this.wanted = 0;
    this.at = this.first = this.end = 0;
    this.input = this.held = NOTHING;
    return FAILED;
  }

  private grow(): void {
    const { starts, ends } = this;
    this.starts = new Int32Array(starts.length * 2);
    this.starts.set(starts);
    this.ends = new Int32Array(ends.length * 2);
    this.ends.set(ends);
  }

  private reserve(length: number): void {
    if (length <= this.held.length) return;
    // By half or a megabyte at least, or each small chunk of a long command would copy all before it.
    const spare = Math.min(this.held.length >>> 1, MOST_SPARE);
    const grown = this.input === this.held ? this.held.length + spare : 0;
    const held = allocate(Math.max(length, grown, Math.min(this.wanted, MOST_AHEAD * length)));
    if (this.input === this.held) held.set(this.held.subarray(0, this.end));
    this.release();
    this.held = held;
  }

  /** Lets go of `held`. */
  private release(): void {
    if (this.held.length > KEPT_BYTES) giveBuffer(this.held);
    this.held = NOTHING;
  }
}

/** At least so many bytes, with arbitrary content. */
function allocate(length: number): Uint8Array {
  // Up to 64 bytes lie in the JavaScript heap, where making them costs least.
  if (length <= 64) return new Uint8Array(64);
  return length <= KEPT_BYTES ? new Uint8Array(2 ** Math.ceil(Math.log2(length))) : takeBuffer(length);
}

const TOO_LONG = -2;
const isDigit = (byte: number): boolean => byte >= 0x30 && byte <= 0x39;
