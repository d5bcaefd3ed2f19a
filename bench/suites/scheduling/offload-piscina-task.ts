/** The task that the bare piscina runs. The worker pins itself when it is loaded. */
import { workerData } from 'piscina';
import { pinThisThread } from '../../cpus.js';

export interface OffloadTaskData {
  readonly cpu: number;
}

pinThisThread((workerData as OffloadTaskData).cpu);

export { spin as default } from './offload-loop.js';
