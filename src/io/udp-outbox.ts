/**
 * The datagrams of one socket that wait to be sent: up to 64, copied into a region of their own, so that one system
 * call sends them all.
 *
 *      region  | datagram | datagram | datagram |      |          entries: offset, length, peer
 *                ^first                 ^last   ^used
 *
 * What the kernel does not take stays where it is. When the region is empty, it is filled from its beginning again.
 * There are no more than 64, since a longer queue would only hide from the sender that the receiver is slow.
 */
import { lengthOf, partOf } from '../byte-views.js';
import { DATAGRAM_BATCH, words as layoutWords } from '../layout.js';
import type { DatagramReceiverHandle, DatagramSenderHandle, NativeDatagrams } from '../native.js';
import { ENTRY_WORDS, LENGTH, OFFSET, PEER } from './udp-batch.js';

const { HELD, KEPT } = layoutWords.datagramPeer;
/** Up to this length a loop is faster than `set`, which needs a view of its source. */
const LOOP_BYTES = 32;
const LOOP_WORDS = 64;

export class Outbox {
  readonly handle: DatagramSenderHandle;
  private readonly region: Uint8Array;
  private readonly words: Int32Array;
  private readonly entries = new Int32Array(DATAGRAM_BATCH * ENTRY_WORDS);
  private first = 0;
  private last = 0;
  private used = 0;

  constructor(private readonly datagrams: NativeDatagrams, regionBytes: number) {
    this.handle = datagrams.createSender();
    this.region = new Uint8Array(regionBytes);
    this.words = new Int32Array(this.region.buffer);
  }

  /** How many datagrams wait. */
  get count(): number {
    return this.last - this.first;
  }

  hasRoom(length: number): boolean {
    return this.last < DATAGRAM_BATCH && this.used + length <= this.region.length;
  }

  /** The number under which the address of the next datagram is held. */
  get nextPlace(): number {
    return HELD + this.last;
  }

  /**
   * Copies a datagram, for which there must be room. `sourceWords` are its bytes as words, if it is a slot of a batch.
   */
  add(bytes: Uint8Array, offset: number, length: number, peer: number, sourceWords: Int32Array | undefined): void {
    const at = this.last * ENTRY_WORDS;
    this.entries[at + OFFSET] = this.used;
    this.entries[at + LENGTH] = length;
    this.entries[at + PEER] = peer;
    this.copy(bytes, offset, length, sourceWords);
    this.last++;
    // Aligned, so that the next datagram can be copied in words.
    this.used = (this.used + length + 7) & ~7;
  }

  /**
   * Makes one system call. Returns how many datagrams the kernel took, which are then gone from here, or -errno of the
   * first one.
   */
  send(fd: number, receiver: DatagramReceiverHandle | undefined): number {
    const { datagrams, handle, entries, first, count, region } = this;
    const sent = datagrams.send(handle, receiver, entries, first, count, fd, region);
    if (sent > 0) this.skip(sent);
    return sent;
  }

  /** How many bytes the last `count` datagrams had that were sent or skipped. */
  bytesBehind(count: number): number {
    let bytes = 0;
    for (let i = this.sentEnd - count; i < this.sentEnd; i++) bytes += this.entries[i * ENTRY_WORDS + LENGTH]!;
    return bytes;
  }
  private sentEnd = 0;

  /** Gives up the first `count` datagrams. */
  skip(count: number): void {
    this.first += count;
    this.sentEnd = this.first;
    if (this.first === this.last) this.clear();
  }

  clear(): void {
    this.first = this.last = this.used = 0;
  }

  /** Copies the addresses of all that wait into the outbox. */
  hold(receiver: DatagramReceiverHandle | undefined): void {
    const { datagrams, handle, entries, first, count } = this;
    if (count !== 0) datagrams.hold(handle, receiver, entries, first, count);
  }

  static keptPlace(index: number): number {
    return KEPT + index;
  }

  private copy(bytes: Uint8Array, offset: number, length: number, sourceWords: Int32Array | undefined): void {
    const { region, used } = this;
    if (sourceWords !== undefined && length <= LOOP_WORDS * 4 && (offset & 3) === 0) {
      const { words } = this;
      // Rounded up: both sides have room up to the next multiple of 8.
      const end = (offset + length + 3) >> 2;
      for (let from = offset >> 2, to = used >> 2; from < end; from++, to++) words[to] = sourceWords[from]!;
    } else if (length <= LOOP_BYTES) {
      for (let i = 0; i < length; i++) region[used + i] = bytes[offset + i]!;
    } else {
      region.set(length === lengthOf(bytes) ? bytes : partOf(bytes, offset, offset + length), used);
    }
  }
}
