/** The function that piscina's one worker runs: it returns its argument. The worker pins itself when it is loaded. */
import { workerData } from 'piscina';
import { pinThisThread } from '../../cpus.js';

export interface PiscinaTaskData {
  readonly cpu: number;
}

pinThisThread((workerData as PiscinaTaskData).cpu);

export default function echo(argument: number): number {
  return argument;
}
