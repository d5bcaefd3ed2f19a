/** Both workers of the `postMessage` round trip: a number goes over a MessageChannel, and its complement comes back. */
import { parentPort, workerData, type MessagePort } from 'node:worker_threads';
import { pinThisThread } from '../../cpus.js';
import { RoundTripClock } from './round-trip-clock.js';
import type { Plan } from './round-trip.js';

export interface RoundTripWorkerData {
  readonly port: MessagePort;
  readonly cpu: number;
  readonly isAsking: boolean;
  readonly plan: Plan;
}

const { port, cpu, isAsking, plan } = workerData as RoundTripWorkerData;
pinThisThread(cpu);
const nowNs = (): number => performance.now() * 1e6;

if (isAsking) {
  const clock = new RoundTripClock();
  let round = 0;
  port.on('message', (answer: number) => {
    if (clock.note(nowNs(), answer === ~round)) port.postMessage(++round);
    else parentPort!.postMessage(clock.result());
  });
  clock.start(plan, nowNs());
  port.postMessage(round);
} else {
  port.on('message', (question: number) => port.postMessage(~question));
}
