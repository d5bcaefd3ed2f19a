/** Times one operation by tinybench: the median time of a call with many operations, divided by their number. */
import { parentPort, workerData } from 'node:worker_threads';
import { Bench } from 'tinybench';
import { pinThisThread, twoCpus } from '../../cpus.js';
import { OPERATIONS, operationsOf } from './operations.js';

export interface MicroWorkerData { readonly operation: string }

const WARMUP_MS = 300;
const MEASURE_MS = 300;

const { operation } = workerData as MicroWorkerData;
pinThisThread(twoCpus()[1]);
const bench = new Bench({ warmupTime: WARMUP_MS, time: MEASURE_MS });
bench.add(operation, operationsOf(operation));
const [task] = await bench.run();
const { result } = task;
if (result.state !== 'completed') throw new Error(`${operation}: tinybench says ${result.state}`);
parentPort!.postMessage((result.latency.p50 / OPERATIONS) * 1e6);
