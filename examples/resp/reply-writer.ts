/**
 * Writes RESP2 replies into one growing piece of memory, which is then handed to a connection or a lane in one go. One
 * writer serves a whole reactor: between two steps it is empty.
 *
 *     begin() ; the reply ... ; begin() ; half a reply, an exception ; abort('ERR why') ; begin() ; ...
 *
 * A command that fails in the middle of its reply, because memory is short or the reply would be longer than
 * `mostBytes`, so costs its own reply alone: those before it in the same memory may be other commands'.
 */
import { copyBytes, writeNumber } from './bytes.js';

const CR = 0x0d;
const LF = 0x0a;
const FIRST_BYTES = 65_536;
const NOTHING = new Uint8Array(0);

/** A reply would be longer than replies may be. */
export class ReplyTooLong extends Error {}

const OK = latin1('+OK\r\n');
const PONG = latin1('+PONG\r\n');
const NIL = latin1('$-1\r\n');
const NIL_ARRAY = latin1('*-1\r\n');

export class ReplyWriter {
  bytes: Uint8Array;
  /** Bytes written. */
  length = 0;
  private buffer: Buffer;
  /** Where the reply begins that is being written. */
  private start = 0;

  /** `mostBytes`: about how long one reply may be; it throws ReplyTooLong before it takes memory for more. */
  constructor(firstBytes = FIRST_BYTES, private readonly mostBytes = Infinity) {
    this.bytes = new Uint8Array(firstBytes);
    this.buffer = Buffer.from(this.bytes.buffer as ArrayBuffer);
  }

  /** Forgets what was written. Memory that a long reply took is given back. */
  clear(): void {
    this.length = this.start = 0;
    if (this.bytes.length > 16 * FIRST_BYTES) {
      this.bytes = NOTHING;
      this.allocate(FIRST_BYTES);
    }
  }

  /** A reply begins here. */
  begin(): void {
    this.start = this.length;
  }

  /** In place of what was written since `begin`: an error. */
  abort(text: string): void {
    this.length = this.start;
    this.error(text);
  }

  ok(): void {
    this.constant(OK);
  }

  pong(): void {
    this.constant(PONG);
  }

  nil(): void {
    this.constant(NIL);
  }

  nilArray(): void {
    this.constant(NIL_ARRAY);
  }

  simple(text: string): void {
    this.line(0x2b, text);
  }

  /**
   * `text` begins with the kind of error: ERR, WRONGTYPE. Line ends in it become spaces, or they would end the reply;
   * those behind it go.
   */
  error(text: string): void {
    this.line(0x2d, text.replace(/[\r\n]+$/, '').replace(/[\r\n]/g, ' '));
  }

  integer(value: number): void {
    this.head(0x3a, value);
  }

  /** An integer that is written in decimal already. */
  integerText(digits: Uint8Array, length: number): void {
    this.reserve(length + 3);
    this.bytes[this.length] = 0x3a;
    copyBytes(digits, 0, length, this.bytes, this.length + 1);
    this.endLine(this.length + 1 + length);
  }

  /** The head of an array: `length` replies must follow. */
  array(length: number): void {
    this.head(0x2a, length);
  }

  bulk(bytes: Uint8Array, start: number, end: number): void {
    const length = end - start;
    this.head(0x24, length);
    this.reserve(length + 2);
    copyBytes(bytes, start, end, this.bytes, this.length);
    this.endLine(this.length + length);
  }

  /** A bulk of latin1 text. */
  bulkText(text: string): void {
    this.head(0x24, text.length);
    this.text(text);
    this.reserve(2);
    this.endLine(this.length);
  }

  /** Bytes that are a reply already, or a part of one. */
  raw(bytes: Uint8Array, start: number, end: number): void {
    this.reserve(end - start);
    copyBytes(bytes, start, end, this.bytes, this.length);
    this.length += end - start;
  }

  /** ":123\r\n", "$5\r\n", "*2\r\n". */
  private head(mark: number, value: number): void {
    this.reserve(24);
    const { bytes } = this;
    let at = this.length;
    bytes[at++] = mark;
    if (value >= 0 && value < 10) {
      bytes[at++] = 0x30 + value;
    } else if (value >= 10 && value < 100) {
      const tens = (value / 10) | 0;
      bytes[at++] = 0x30 + tens;
      bytes[at++] = 0x30 + value - tens * 10;
    } else {
      at = writeNumber(bytes, at, value);
    }
    this.endLine(at);
  }

  private line(mark: number, text: string): void {
    this.reserve(1);
    this.bytes[this.length++] = mark;
    this.text(text);
    this.reserve(2);
    this.endLine(this.length);
  }

  private text(text: string): void {
    this.reserve(text.length);
    if (text.length > 24) {
      this.buffer.write(text, this.length, 'latin1');
    } else {
      for (let i = 0; i < text.length; i++) this.bytes[this.length + i] = text.charCodeAt(i);
    }
    this.length += text.length;
  }

  private endLine(at: number): void {
    this.bytes[at] = CR;
    this.bytes[at + 1] = LF;
    this.length = at + 2;
  }

  private constant(bytes: Uint8Array): void {
    this.reserve(8);
    let at = this.length;
    for (let i = 0; i < bytes.length; i++) this.bytes[at++] = bytes[i]!;
    this.length = at;
  }

  private reserve(more: number): void {
    if (this.length + more > this.bytes.length) this.allocate(this.length + more);
  }

  private allocate(least: number): void {
    if (least - this.start > this.mostBytes) throw new ReplyTooLong(`the reply is longer than ${this.mostBytes} bytes`);
    const old = this.bytes;
    let size = Math.min(FIRST_BYTES, Math.max(256, old.length));
    while (size < least) size *= 2;
    this.bytes = new Uint8Array(size);
    this.buffer = Buffer.from(this.bytes.buffer as ArrayBuffer);
    this.bytes.set(old.subarray(0, this.length));
  }
}

function latin1(text: string): Uint8Array {
  return Uint8Array.from(text, (character) => character.charCodeAt(0));
}
