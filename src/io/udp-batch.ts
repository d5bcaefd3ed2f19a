/**
 * Where received datagrams lie while a socket delivers them: one region of 64 slots, which one system call fills. A
 * thread has one such batch for each slot size and lends it to the socket that runs. If a handler throws or pauses in
 * the middle of a batch, its socket keeps the batch until the rest is delivered, and the next socket gets another one.
 *
 * A peer is a number: generation * 64 + slot. Each batch has a generation of its own, so a number that is kept too long
 * is refused and never becomes somebody else's address.
 */
import { DATAGRAM_BATCH, datagramEntryLayout } from '../layout.js';
import type { DatagramReceiverHandle, NativeDatagrams } from '../native.js';
import type { IoCore } from './core.js';

const GENERATIONS = 2 ** 24;
export const ENTRY_WORDS: number = datagramEntryLayout.bytes >> 2;
export const OFFSET: number = datagramEntryLayout.fields.offset.at >> 2;
export const LENGTH: number = datagramEntryLayout.fields.length.at >> 2;
export const PEER: number = datagramEntryLayout.fields.peer.at >> 2;
export const CUT_BYTES: number = datagramEntryLayout.fields.cutBytes.at >> 2;

export class ReceiveBatch {
  readonly handle: DatagramReceiverHandle;
  readonly region: Uint8Array;
  /** The same bytes as words, for copying aligned datagrams one word at a time. */
  readonly words: Int32Array;
  readonly entries: Int32Array = new Int32Array(DATAGRAM_BATCH * ENTRY_WORDS);
  generation = 0;
  /** The entry that is delivered next, of `count` entries. */
  next = 0;
  count = 0;

  constructor(datagrams: NativeDatagrams, readonly slotBytes: number) {
    this.handle = datagrams.createReceiver(slotBytes);
    this.region = new Uint8Array(slotBytes * DATAGRAM_BATCH);
    this.words = new Int32Array(this.region.buffer);
  }
}

/** The batches of one thread. */
export class BatchPool {
  private readonly free: ReceiveBatch[] = [];
  private generation = 0;
  /** The batch that is delivered, or was last. Only its slots are valid as peers. */
  current: ReceiveBatch | undefined;

  constructor(private readonly datagrams: NativeDatagrams) {}

  /** A batch with slots of `slotBytes`; a new one if none is free. */
  take(slotBytes: number): ReceiveBatch {
    for (let i = this.free.length - 1; i >= 0; i--) {
      if (this.free[i]!.slotBytes !== slotBytes) continue;
      const batch = this.free[i]!;
      this.free[i] = this.free[this.free.length - 1]!;
      this.free.pop();
      return batch;
    }
    return new ReceiveBatch(this.datagrams, slotBytes);
  }

  give(batch: ReceiveBatch): void {
    batch.next = batch.count = 0;
    this.free.push(batch);
  }

  /** Makes every peer of this batch invalid, since its slots are about to be overwritten. */
  renew(batch: ReceiveBatch): void {
    this.generation = (this.generation + 1) % GENERATIONS;
    batch.generation = this.generation;
  }
}

const pools = new WeakMap<IoCore, BatchPool>();

export function batchPool(core: IoCore): BatchPool {
  let pool = pools.get(core);
  if (pool === undefined) {
    pool = new BatchPool(core.native.datagrams);
    pools.set(core, pool);
  }
  return pool;
}
