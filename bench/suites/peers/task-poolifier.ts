/** The worker for poolifier. `workerData` is the URL of the module, which it imports. */
import { workerData } from 'node:worker_threads';
import echo from './task-worker.js';

const { ThreadWorker } = (await import(workerData as string)) as {
  ThreadWorker: new (run: (argument: number) => number) => unknown;
};
export default new ThreadWorker((argument) => echo(argument));
