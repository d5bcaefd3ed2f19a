/**
 * The producing worker of `thread-stream`. It writes prepared buffers until the destination has enough, and waits for
 * `drain` when it has to.
 */
import { once } from 'node:events';
import { parentPort, workerData } from 'node:worker_threads';
import ThreadStream from 'thread-stream';
import { pinThisThread } from '../../cpus.js';
import { DIGITS, figures, type ThreadStreamWorkerData } from './thread-stream.js';

/** After so many messages it looks whether there are enough. */
const SLICE = 1024;

const data = workerData as ThreadStreamWorkerData;
const result = new Float64Array(data.shared);
pinThisThread(data.producer);
// Its type only allows text, but it takes buffers as they are, whereas it would copy text into a buffer.
const messages = Array.from(
  data.lengths,
  (length, i) => Buffer.from(String(i).padStart(DIGITS, '0').padEnd(length, '.')) as unknown as string,
);
const stream = new ThreadStream({
  filename: new URL('./thread-stream-destination.js', import.meta.url).href,
  workerData: data,
  sync: false,
});
await once(stream, 'ready');
let sent = 0;
while (result[figures.isEnough] === 0) {
  let hasRoom = true;
  for (let i = 0; i < SLICE; i++) hasRoom = stream.write(messages[sent++ % messages.length]);
  if (!hasRoom) await once(stream, 'drain');
}
stream.end();
await once(stream, 'close');
parentPort!.postMessage(sent);
