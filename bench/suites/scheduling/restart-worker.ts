/** Notes when its first message comes. */
import { parentPort, workerData } from 'node:worker_threads';

const memory = workerData as SharedArrayBuffer;
const count = new Int32Array(memory, 0, 1);
const cameNs = new BigInt64Array(memory, 8, 1);
parentPort!.once('message', () => {
  Atomics.store(cameNs, 0, process.hrtime.bigint());
  Atomics.add(count, 0, 1);
});
