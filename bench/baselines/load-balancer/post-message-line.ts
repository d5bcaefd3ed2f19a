/**
 * Baseline `postMessage a line`: the main thread reads and parses, sends each line in a message of its own to the
 * worker that owns its key, and gets each result as a string. This is the program that one writes first.
 *
 * A line travels as a string of its bytes (latin1, so that nothing is decoded), because structured clone copies such a
 * string faster than any typed array of that size.
 */
import { Worker } from 'node:worker_threads';
import { hashKey } from '../../../examples/load-balancer/key-hash.js';
import { WORKERS, ownerOfHash, serve, steps } from './program.js';
import { ResultPage } from './result-page.js';

/** One line on its way to its owner: key and payload, with the space between them. */
export interface LineMessage {
  readonly seq: number;
  readonly band: number;
  readonly hash: number;
  readonly keyLength: number;
  readonly text: string;
}

/** When so many lines are under way, the inputs are held back. */
const MOST_UNDER_WAY = 16_384;

await serve(({ emit, progressed }) => {
  let underWay = 0;
  let isFlushDue = false;
  /** The bytes that are being split, and the same bytes with the methods of a Buffer. */
  let memory: Uint8Array | undefined;
  let text: Buffer;
  const page = new ResultPage(emit);
  const flush = (): void => {
    isFlushDue = false;
    page.flush();
    progressed();
  };
  const take = (result: string): void => {
    underWay--;
    page.reserve(result.length);
    page.at += page.bytes.write(result, page.at, 'latin1');
    // Node delivers many messages in a row, so write all their results at once.
    if (isFlushDue) return;
    isFlushDue = true;
    setImmediate(flush);
  };
  const workers = Array.from({ length: WORKERS }, (_, id) =>
    new Worker(new URL('./post-message-line-worker.js', import.meta.url), { workerData: { id, steps } })
      .on('message', take),
  );
  return {
    line(bytes, band, keyStart, keyEnd, _payloadStart, payloadEnd, seq) {
      const hash = hashKey(bytes, keyStart, keyEnd);
      if (bytes !== memory) {
        memory = bytes;
        text = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
      }
      const message: LineMessage = {
        seq,
        band,
        hash,
        keyLength: keyEnd - keyStart,
        text: text.toString('latin1', keyStart, payloadEnd),
      };
      underWay++;
      workers[ownerOfHash(hash)].postMessage(message);
    },
    endOfRead: () => undefined,
    isFull: () => underWay > MOST_UNDER_WAY,
    isIdle: () => underWay === 0 && !isFlushDue,
    close: () => Promise.all(workers.map((worker) => worker.terminate())),
  };
});
