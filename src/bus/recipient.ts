/**
 * A party that has subscribers, as a publisher knows it: the lane to it, and what that party was told of the topic.
 *
 *      claim --> heads of lane and bus --write--> commit, open ---> last record of the lane
 *                                                          last record --lengthen, until it is published--> BATCH
 *
 * What a step publishes one by one is published to others at its end. Until then a message of a struct is added to the
 * record of the message before it, so that the two cost one claim, one commit, one way through the receiver's lane.
 * Everything that counts takes the record for so many messages, as it does with a batch.
 */
import { OK } from '../queues/index.js';
import { BATCH, BYTES, HEAD_BYTES, type Outlet, type SentName } from '../reactor/internal.js';
import { BUS_HEAD_BYTES, KIND_BITS, MESSAGE, MESSAGES_IN_BATCH, TOPIC } from './wire.js';

/** See the head of this file. */
export class Recipient {
  /** That of the thread that was told of the topic. */
  told: number;
  /** Where the present message goes; below 0 if it does not go there. */
  at = -1;
  /** Where the head of the record lies that may be lengthened, and how many messages it has. */
  private head = 0;
  private messages = 0;

  /** `generation` is that of the thread that is this party now; `number` and `description` are the topic's. */
  constructor(
    readonly party: number, readonly outlet: Outlet, private readonly name: SentName, public generation: number,
    private readonly number: number, private readonly description: Uint8Array,
  ) {
    this.told = generation - 1;
  }

  /**
   * Claims room for a payload of `length` bytes, which is so many messages, and writes the heads. Returns where the
   * payload goes, or a result code.
   */
  claim(length: number, messages: number, changes: number): number {
    const { outlet, name } = this;
    if (this.told !== this.generation) {
      const code = this.tell();
      if (code !== OK) return code;
    }
    const isBatch = messages > 1;
    const at = outlet.claimFor(name, isBatch ? BATCH : BYTES, HEAD_BYTES, BUS_HEAD_BYTES + length);
    if (at < 0) return at;
    if (isBatch) this.writeHeads(at, messages, MESSAGES_IN_BATCH, changes);
    else this.writeHeads(at, 0, MESSAGE, changes);
    return at + HEAD_BYTES + BUS_HEAD_BYTES;
  }

  /**
   * Commits the one message that was claimed, with so many bytes. `isOpen`: it is a struct, and others may be added to
   * the record.
   */
  commit(length: number, isOpen: boolean): void {
    if (isOpen) {
      this.head = this.at - HEAD_BYTES - BUS_HEAD_BYTES;
      this.messages = 1;
    }
    this.outlet.commit(HEAD_BYTES + BUS_HEAD_BYTES + length, 1, isOpen ? this : undefined);
  }

  /** False if nothing may be added to the last record of the lane, which is another's or ended. */
  get isOpen(): boolean {
    return this.outlet.tail === this;
  }

  /** From here on nothing is added to the record that is open. */
  close(): void {
    if (this.isOpen) this.outlet.tail = undefined;
  }

  /** True if a message may be added to the record that is open; it goes to `at`. `most` messages are in one record. */
  hasRoomBehind(stride: number, most: number): boolean {
    if (this.messages >= most) return false;
    this.at = this.outlet.roomBehind(this, stride);
    return this.at >= 0;
  }

  /** Adds the message that was written to `at` to the record that is open. */
  lengthen(recordBytes: number, stride: number): void {
    const { outlet, head } = this;
    const before = this.messages++;
    if (before === 1) outlet.words[(head >> 2) + 2] = (this.number << KIND_BITS) | MESSAGES_IN_BATCH;
    outlet.lengthen(head, HEAD_BYTES + BUS_HEAD_BYTES + before * stride + recordBytes, stride, this.messages);
  }

  /** The head of the lane's record, and behind it that of the bus: `messages` is 0 for a record that is no batch. */
  private writeHeads(at: number, messages: number, kind: number, changes: number): void {
    const { words } = this.outlet;
    words[at >> 2] = this.name.number;
    words[(at >> 2) + 1] = messages;
    words[(at >> 2) + 2] = (this.number << KIND_BITS) | kind;
    words[(at >> 2) + 3] = changes;
  }

  /**
   * Sends the record that says what this topic's number means; the first message to a thread follows it. It goes as a
   * batch of no messages, since nobody has published it: it is not to be counted as sent, received or lost.
   */
  private tell(): number {
    const { outlet, name, description } = this;
    const length = BUS_HEAD_BYTES + description.length;
    const at = outlet.claimFor(name, BATCH, HEAD_BYTES, length);
    if (at < 0) return at;
    this.writeHeads(at, 0, TOPIC, 0);
    outlet.bytes.set(description, at + HEAD_BYTES + BUS_HEAD_BYTES);
    outlet.commit(HEAD_BYTES + length, 0);
    this.told = this.generation;
    return OK;
  }
}
