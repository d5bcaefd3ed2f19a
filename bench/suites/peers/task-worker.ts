/** The function that the one worker of piscina and tinypool runs: it returns its argument. */
import { isMainThread } from 'node:worker_threads';
import { pinThisThread } from '../../cpus.js';

/** The variable that names the CPU. It is in the environment, since each pool passes on `workerData` in its own way. */
export const CPU_VARIABLE = 'PERCORE_PEER_CPU';

if (!isMainThread) pinThisThread(Number(process.env[CPU_VARIABLE]));

export default function echo(argument: number): number {
  return argument;
}
