/**
 * `dispatch-process.js percore|setImmediate|queueMicrotask UNDER_WAY`: prints how long each of many small steps took.
 */
import { createRuntime } from 'percore';
import { check } from '../../harness.js';
import { Batches } from './dispatch-batches.js';
import type { DispatchServices } from './dispatch-reactor.js';
import type { DispatchReport, Way } from './dispatch.js';

const underWay = Number(process.argv[3]);
const nowNs = (): number => Number(process.hrtime.bigint());

async function percore(): Promise<number> {
  await using runtime = await createRuntime<{ calls: DispatchServices }>({
    entry: new URL('./dispatch-reactor.js', import.meta.url), reactors: 1,
  });
  const nsEach = await runtime.call('measure', underWay, { timeoutMs: 60_000 });
  const { stepErrors, dropped } = runtime.status().reactors[0];
  check(stepErrors === 0 && dropped === 0, 'a step threw, or a message was dropped');
  return nsEach;
}

/** One function for all steps, as in a program that counts what comes. */
function node(way: (callback: () => void) => void): Promise<number> {
  return new Promise((resolve) => {
    const batches = new Batches(underWay, nowNs, resolve, () => way(step));
    let number = 0;
    const step = (): void => batches.step(number++);
    batches.begin();
  });
}

const WAYS: Record<Way, () => Promise<number>> = {
  percore, setImmediate: () => node(setImmediate), queueMicrotask: () => node(queueMicrotask),
};
const report: DispatchReport = { nsEach: await WAYS[process.argv[2] as Way]() };
console.log(JSON.stringify(report));
