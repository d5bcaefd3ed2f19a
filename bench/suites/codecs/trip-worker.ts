/** Measures one trip on one CPU with tinybench, many operations in each call, and checks what comes back. */
import { parentPort, workerData } from 'node:worker_threads';
import { Bench } from 'tinybench';
import { pinThisThread } from '../../cpus.js';
import { BATCH, trips, type TripName } from './trips.js';

export interface TripWorkerData {
  readonly name: TripName;
  readonly cpu: number;
}
export interface TripResult {
  /** Millions of values to memory and back in a second. */
  readonly rate: number;
  readonly isRight: boolean;
}

const { name, cpu } = workerData as TripWorkerData;
pinThisThread(cpu);
const trip = trips[name]();
// One second, since the optimizing compiler takes that long to see everything. Before that, the figure depends on luck.
const bench = new Bench({ time: 300, warmupTime: 1000 });
bench.add(name, () => trip.run());
const [task] = await bench.run();
if (task.result.state !== 'completed') throw new Error(`${name}: tinybench ended with state ${task.result.state}`);
const result: TripResult = { rate: BATCH / task.result.latency.p50 / 1000, isRight: trip.isRight() };
parentPort!.postMessage(result);
