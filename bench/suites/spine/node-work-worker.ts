/** Does the work in a worker that does nothing else. */
import { parentPort, workerData } from 'node:worker_threads';
import { pinThisThread } from '../../cpus.js';
import { doNodeWork, type NodeWork } from './node-work.js';

export interface NodeWorkerData {
  readonly cpu: number;
  readonly work: NodeWork;
}

const { cpu, work } = workerData as NodeWorkerData;
pinThisThread(cpu);
parentPort!.postMessage(await doNodeWork(work));
