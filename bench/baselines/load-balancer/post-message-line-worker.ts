/** The owner's half of `postMessage a line`. */
import { parentPort, workerData } from 'node:worker_threads';
import { MAX_LINE_BYTES } from '../../../examples/load-balancer/line-rules.js';
import { maxResultBytes } from '../../../examples/load-balancer/result-format.js';
import { LineWork } from './line-work.js';
import type { LineMessage } from './post-message-line.js';

const { id, steps } = workerData as { id: number; steps: number };
const work = new LineWork(id, steps);
const line = Buffer.alloc(MAX_LINE_BYTES);
const result = Buffer.alloc(maxResultBytes(MAX_LINE_BYTES));
const port = parentPort!;

port.on('message', ({ seq, band, hash, keyLength, text }: LineMessage) => {
  const end = line.write(text, 'latin1');
  // A line may end with its key; the payload is empty then.
  const payloadStart = Math.min(keyLength + 1, end);
  port.postMessage(
    result.toString('latin1', 0, work.work(line, band, 0, keyLength, payloadStart, end, seq, hash, result, 0)),
  );
});
