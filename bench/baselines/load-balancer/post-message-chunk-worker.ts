/** The owner's half of `postMessage a chunk`. */
import { parentPort, workerData } from 'node:worker_threads';
import { LineWork } from './line-work.js';
import { LINE_HEAD, type Batch } from './post-message-chunk-format.js';

const { id, steps } = workerData as { id: number; steps: number };
const work = new LineWork(id, steps);
const port = parentPort!;

port.on('message', (batch: Batch) => {
  const bytes = new Uint8Array(batch.lines);
  const view = new DataView(batch.lines);
  const out = new Uint8Array(batch.results);
  let resultBytes = 0;
  for (let at = 0; at < batch.lineBytes;) {
    const keyStart = at + LINE_HEAD;
    const payloadStart = keyStart + view.getInt32(at + 16, true);
    const payloadEnd = payloadStart + view.getInt32(at + 20, true);
    resultBytes = work.work(
      bytes, view.getInt32(at + 12, true), keyStart, payloadStart, payloadStart, payloadEnd, view.getFloat64(at, true),
      view.getInt32(at + 8, true), out, resultBytes,
    );
    at = (payloadEnd + 7) & ~7;
  }
  batch.resultBytes = resultBytes;
  port.postMessage(batch, [batch.lines, batch.results]);
});
