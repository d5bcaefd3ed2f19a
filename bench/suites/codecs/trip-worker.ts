/** Measures one trip on one CPU with tinybench, many operations a call, and checks what came back. */
import { parentPort, workerData } from 'node:worker_threads';
import { Bench } from 'tinybench';
import { pinThisThread } from '../../cpus.js';
import { BATCH, trips, type TripName } from './trips.js';

export interface TripWorkerData {
  readonly name: TripName;
  readonly cpu: number;
}
export interface TripResult {
  /** Values to memory and back in a second, in millions. */
  readonly rate: number;
  readonly isRight: boolean;
}

const { name, cpu } = workerData as TripWorkerData;
pinThisThread(cpu);
const trip = trips[name]();
// A second, since the optimizing compiler takes that long to have seen everything; before, the figure is luck.
const bench = new Bench({ time: 300, warmupTime: 1000 });
bench.add(name, () => trip.run());
const [task] = await bench.run();
if (task.result.state !== 'completed') throw new Error(`${name}: tinybench ended with state ${task.result.state}`);
const result: TripResult = { rate: BATCH / task.result.latency.p50 / 1000, isRight: trip.isRight() };
parentPort!.postMessage(result);
