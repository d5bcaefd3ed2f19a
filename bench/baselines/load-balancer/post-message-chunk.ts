/**
 * Baseline `postMessage a chunk`: what a careful author would write. All lines of one read for the same owner travel in
 * one message, packed into a buffer that is transferred and not copied. The results come back in another buffer, and
 * both buffers are reused.
 *
 *     main    read --> split, hash --> pack for owner 0 or 1 --transfer--> worker: works the lines, writes the results
 *             write results to the outputs <-------------------transfer--- lines (to be used again), results
 */
import { Worker } from 'node:worker_threads';
import { hashKey } from '../../../examples/load-balancer/key-hash.js';
import { MAX_LINE_BYTES } from '../../../examples/load-balancer/line-rules.js';
import { maxResultBytes } from '../../../examples/load-balancer/result-format.js';
import { LINE_HEAD, type Batch } from './post-message-chunk-format.js';
import { WORKERS, ownerOfHash, serve, steps } from './program.js';

/** The size of a buffer. It holds the lines of a read of 64 KiB; the longest line fits with its head. */
const BATCH_BYTES = 2 * MAX_LINE_BYTES + 1024;
/** When so many batches are under way, the inputs are held back. */
const MOST_UNDER_WAY = 64;

/** One batch that is being filled, with its views. */
class Filling {
  readonly batch: Batch;
  readonly bytes: Uint8Array;
  readonly view: DataView;
  at = 0;
  resultBound = 0;

  constructor(lines: ArrayBuffer) {
    this.batch = { lines, results: new ArrayBuffer(BATCH_BYTES), lineBytes: 0, resultBytes: 0 };
    this.bytes = new Uint8Array(lines);
    this.view = new DataView(lines);
  }

  hasRoomFor(keyLength: number, payloadLength: number): boolean {
    return (
      this.at + LINE_HEAD + keyLength + payloadLength + 8 <= BATCH_BYTES &&
      this.resultBound + maxResultBytes(keyLength) <= BATCH_BYTES
    );
  }

  put(
    source: Uint8Array, band: number, keyStart: number, keyEnd: number, payloadStart: number, payloadEnd: number,
    seq: number, hash: number,
  ): void {
    const { view, at } = this;
    view.setFloat64(at, seq, true);
    view.setInt32(at + 8, hash, true);
    view.setInt32(at + 12, band, true);
    view.setInt32(at + 16, keyEnd - keyStart, true);
    view.setInt32(at + 20, payloadEnd - payloadStart, true);
    this.copy(source, keyStart, keyEnd, at + LINE_HEAD);
    this.copy(source, payloadStart, payloadEnd, at + LINE_HEAD + keyEnd - keyStart);
    this.at = (at + LINE_HEAD + keyEnd - keyStart + payloadEnd - payloadStart + 7) & ~7;
    this.resultBound += maxResultBytes(keyEnd - keyStart);
  }

  private copy(source: Uint8Array, from: number, to: number, at: number): void {
    const { bytes } = this;
    if (to - from > 96) bytes.set(source.subarray(from, to), at);
    else for (; from < to; from++, at++) bytes[at] = source[from];
  }
}

await serve(({ emit, progressed }) => {
  let underWay = 0;
  const spare: ArrayBuffer[] = [];
  const filling: (Filling | undefined)[] = Array.from({ length: WORKERS }, () => undefined);
  const take = ({ lines, results, resultBytes }: Batch): void => {
    underWay--;
    spare.push(lines);
    // The outputs keep the results until they are sent, so this buffer is not reused but left to the collector.
    emit(new Uint8Array(results, 0, resultBytes));
    progressed();
  };
  const workers = Array.from({ length: WORKERS }, (_, id) =>
    new Worker(new URL('./post-message-chunk-worker.js', import.meta.url), { workerData: { id, steps } })
      .on('message', take),
  );
  const send = (owner: number): void => {
    const full = filling[owner]!;
    filling[owner] = undefined;
    full.batch.lineBytes = full.at;
    underWay++;
    workers[owner].postMessage(full.batch, [full.batch.lines, full.batch.results]);
  };
  return {
    line(bytes, band, keyStart, keyEnd, payloadStart, payloadEnd, seq) {
      const hash = hashKey(bytes, keyStart, keyEnd);
      const owner = ownerOfHash(hash);
      if (filling[owner]?.hasRoomFor(keyEnd - keyStart, payloadEnd - payloadStart) === false) send(owner);
      const batch = (filling[owner] ??= new Filling(spare.pop() ?? new ArrayBuffer(BATCH_BYTES)));
      batch.put(bytes, band, keyStart, keyEnd, payloadStart, payloadEnd, seq, hash);
    },
    endOfRead() {
      for (let owner = 0; owner < WORKERS; owner++) if (filling[owner] !== undefined) send(owner);
    },
    isFull: () => underWay > MOST_UNDER_WAY,
    isIdle: () => underWay === 0,
    close: () => Promise.all(workers.map((worker) => worker.terminate())),
  };
});
