/**
 * The sending end of a lane, complete: messages as LaneSender sends them, and calls and answers. Those may wait here
 * for room, serialized, so that the caller need not wait, and go in the order in which they came.
 */
import { BACK_PRESSURED, CLOSED, OK, TOO_LARGE, type RecordMemory } from '../queues/index.js';
import { partyLayout } from '../layout.js';
import type { PendingCall } from './calls.js';
import { LaneSender } from './lane-sender.js';
import { CALL, CALL_HEAD_BYTES, CREDITS_AT, DEADLINE_AT, GATHERED, HEAD_BYTES } from './message.js';
import type { SentName } from './names.js';
import { Parcels, type Parcel } from './parcels.js';
import type { Flushable } from './unpublished.js';
import type { ValueBatch } from './value-batch.js';

const WAITING_BYTES = partyLayout.fields.waitingBytes.at >> 3;
/** Most bytes of one party's calls that may wait for room, over all lanes. Answers count, and are always accepted. */
export const MOST_WAITING_BYTES: number = 2 ** 26;

export class Outlet extends LaneSender {
  private readonly parcels: Parcels = new Parcels((bytes) => {
    this.turn.counters[WAITING_BYTES]! += bytes;
  });

  /** Whether calls or answers wait for room here. */
  get hasParcels(): boolean {
    return !this.parcels.isEmpty;
  }

  /** The turn flushes what `sender` has gathered for this lane before it publishes the lane. */
  flushLater(sender: Flushable): void {
    this.turn.flushLater(sender);
  }

  /**
   * Returns OK if it was sent or waits for room, serialized, in its turn; TOO_LARGE, CLOSED, or BACK_PRESSURED if too
   * much already waits. CallService tells a waiting call of its receiver's death, as it tells all calls.
   */
  sendCall(name: SentName, call: PendingCall, deadlineNs: number, value: unknown): number {
    const most = this.codec.measure(value, this.maxBytes);
    const at = this.takeInTurn(name, CALL, CALL_HEAD_BYTES + most);
    if (at >= 0) {
      this.commit(this.writeCall(this, at, name.number, call, deadlineNs, value));
      return OK;
    }
    if (at !== BACK_PRESSURED || this.turn.counters[WAITING_BYTES]! + most > MOST_WAITING_BYTES) {
      this.codec.forget();
      this.countRefused(at);
      return at;
    }
    const scratch = this.parcels.scratch(CALL_HEAD_BYTES + most);
    this.keep(scratch, this.writeCall(scratch, 0, -1, call, deadlineNs, value), CALL, name, call);
    call.isWaiting = true;
    return OK;
  }

  /** OK when it was sent or waits for room, serialized, in its turn; TOO_LARGE or CLOSED. */
  sendReply(kind: number, number: number, generation: number, value: unknown): number {
    const most = this.codec.measure(value, this.maxBytes);
    const at = this.takeInTurn(undefined, kind, HEAD_BYTES + most);
    if (at >= 0) {
      this.commit(this.writeReply(this, at, number, generation, value));
      return OK;
    }
    if (at !== BACK_PRESSURED) {
      this.codec.forget();
      this.countRefused(at);
      return at;
    }
    const scratch = this.parcels.scratch(HEAD_BYTES + most);
    this.keep(scratch, this.writeReply(scratch, 0, number, generation, value), kind, undefined, undefined);
    return OK;
  }

  /** The same for values that were gathered, which always fit. */
  sendGathered(number: number, generation: number, { memory, length }: ValueBatch): number {
    const all = HEAD_BYTES + length;
    const at = this.takeInTurn(undefined, GATHERED, all);
    if (at < 0 && at !== BACK_PRESSURED) {
      this.countRefused(at);
      return at;
    }
    const to: RecordMemory = at >= 0 ? this : this.parcels.scratch(all);
    const begin = Math.max(at, 0);
    to.words[begin >> 2] = number;
    to.words[(begin >> 2) + 1] = generation;
    to.bytes.set(memory.bytes.subarray(0, length), begin + HEAD_BYTES);
    if (at >= 0) this.commit(all);
    else this.keep(to, all, GATHERED, undefined, undefined);
    return OK;
  }

  // ---- Inside ---------------------------------------------------------------------------------------------------

  /** The same for what may wait: nothing overtakes what already waits. */
  private takeInTurn(name: SentName | undefined, kind: number, needed: number): number {
    if (this.parcels.isEmpty) return name === undefined ? this.take(kind, needed) : this.takeFor(name, kind, needed);
    if (this.peers.isDead(this.to)) return CLOSED;
    return needed > this.producer.maxRecordBytes ? TOO_LARGE : BACK_PRESSURED;
  }

  private writeCall(
    memory: RecordMemory, at: number, name: number, call: PendingCall, deadlineNs: number, value: unknown,
  ): number {
    memory.words[at >> 2] = name;
    memory.words[(at >> 2) + 1] = call.number;
    memory.words[(at >> 2) + 2] = call.generation;
    memory.words[(at + CREDITS_AT) >> 2] = call.stream === undefined ? 0 : call.stream.credits;
    memory.view.setFloat64(at + DEADLINE_AT, deadlineNs, true);
    return CALL_HEAD_BYTES + this.codec.write(value, memory, at + CALL_HEAD_BYTES);
  }

  private writeReply(memory: RecordMemory, at: number, number: number, generation: number, value: unknown): number {
    memory.words[at >> 2] = number;
    memory.words[(at >> 2) + 1] = generation;
    return HEAD_BYTES + this.codec.write(value, memory, at + HEAD_BYTES);
  }

  private keep(
    scratch: RecordMemory, length: number, kind: number, name: SentName | undefined, call: PendingCall | undefined,
  ): void {
    const isFirst = this.parcels.isEmpty;
    this.parcels.keep(scratch, length, kind, name, call);
    if (isFirst) this.whenRoom(length, this.sendParcels, name);
  }

  /** Sends what waits, one after the other, as long as there is room. */
  private readonly sendParcels = (): void => {
    for (let parcel = this.parcels.next(); parcel !== undefined; parcel = this.parcels.next()) {
      const code = this.sendParcel(parcel);
      if (code === BACK_PRESSURED) {
        this.whenRoom(parcel.bytes.length, this.sendParcels, parcel.name);
        return;
      }
      // CLOSED: nobody is there to take any of them.
      this.parcels.drop();
    }
  };

  private sendParcel({ kind, bytes, name, call }: Parcel): number {
    const at = name === undefined ? this.take(kind, bytes.length) : this.takeFor(name, kind, bytes.length);
    if (at < 0) return at;
    this.bytes.set(bytes, at);
    if (name !== undefined) this.words[at >> 2] = name.number;
    this.commit(bytes.length);
    if (call !== undefined) call.isWaiting = false;
    return OK;
  }
}
