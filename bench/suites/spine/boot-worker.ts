/** Answers one message. */
import { parentPort } from 'node:worker_threads';

parentPort!.once('message', (word: number) => parentPort!.postMessage(~word));
