/**
 * The load balancer of the examples as a program of its own, whose main thread switches figures, the recorder or the
 * page on and off in slices, and prints the lines a second of each slice in its report. It uses that example's own
 * parts; only what starts them is here.
 *
 *     node sliced-load-balancer-program.js ... --with figures      what precedes it are the example's own options
 */
import { createRuntime, createLoads, publishCounters, setMetrics, setSlo } from 'percore';
import { JobCounters } from '../../../examples/load-balancer/counters.js';
import { drain } from '../../../examples/load-balancer/ending.js';
import { parseOptions } from '../../../examples/load-balancer/options.js';
import type { JobData, JobServices } from '../../../examples/load-balancer/reactor.js';
import { jobReport } from '../../../examples/load-balancer/report.js';
import { StopSignals } from '../../../examples/load-balancer/stop-signals.js';
import { twoCpus } from '../../cpus.js';
import { sleep } from '../../harness.js';
import { PAGE_EVERY_MS, untilWritten, type Switched } from './sliced-round-trip.js';
import { slicesOf } from './slices.js';

const REACTORS = 2;
const PAIRS = 200;
const SLICE_MS = 40;
const SETTLE_MS = 10;
const PAGE_PAIRS = 30;
const PAGE_SLICE_MS = 300;
const PAGE_SETTLE_MS = 200;
const WARMUP_MS = 4000;
const WARMUP_PAIRS = 40;
const BOUND_NS = 1e9;

// Of all contenders: --port 0 --output-port 0 --json; ours come last.
const given = process.argv.slice(2);
const what = given.at(-1) as Switched;
const options = parseOptions(given.slice(0, -2));
const signals = new StopSignals(options.drainMs);
const counterMemory = JobCounters.allocate(REACTORS);
const data: JobData = {
  counters: counterMemory, loads: createLoads(REACTORS), host: options.host,
  outputBacklogBytes: options.outputBacklogBytes, workSteps: 0, isRaw: options.isRaw, keyField: options.keyField,
  urgent: options.urgent, dies: -1, dieAfter: Infinity, isRebalanced: false,
};
const startedMs = performance.now();
const runtime = await createRuntime<{ calls: JobServices }>({
  entry: new URL('../../../examples/load-balancer/reactor.js', import.meta.url), reactors: REACTORS, pin: twoCpus(),
  metrics: { isOn: false }, data,
});
const counters = Array.from({ length: REACTORS }, (_, id) => new JobCounters(counterMemory, REACTORS, id));
if (what === 'recorder') {
  for (let priority = 0; priority < 8; priority++) setSlo(runtime, { priority }, { responseNs: BOUND_NS });
}
const ports = await runtime.call('listen', { input: 0, output: 0 }, { reactor: 0 });
await runtime.call('listen', ports, { reactor: 1 });
process.stdout.write(`listening input=127.0.0.1:${ports.input} output=127.0.0.1:${ports.output}\n`);

const worked = (): number => counters.reduce((sum, one) => sum + one.results(), 0);
const isOn = slicesOf(what === 'page' ? PAGE_PAIRS : PAIRS);
const [sliceMs, settleMs] = what === 'page' ? [PAGE_SLICE_MS, PAGE_SETTLE_MS] : [SLICE_MS, SETTLE_MS];
const rates: number[] = [];
// The client warms it up with a load of its own, and begins to measure then.
while (worked() === 0) await sleep(10);
await sleep(WARMUP_MS);
// Code that runs in both states has been compiled for both.
for (const isOnNow of what === 'figures' || what === 'recorder' ? slicesOf(WARMUP_PAIRS) : []) {
  setMetrics(runtime, isOnNow);
  await sleep(SLICE_MS);
}
for (const isOnNow of isOn) {
  const page = what === 'page' && isOnNow ? publishCounters(runtime, { everyMs: PAGE_EVERY_MS }) : undefined;
  if (what === 'figures' || what === 'recorder') setMetrics(runtime, isOnNow);
  if (page !== undefined) await untilWritten(page.path);
  await sleep(settleMs);
  const [fromMs, from] = [performance.now(), worked()];
  await sleep(sliceMs);
  rates.push((worked() - from) / (performance.now() - fromMs) * 1000);
  page?.close();
}
process.stdout.write('measured\n');
await signals.asked;
await drain(runtime, counters, new Set(counters.keys()), signals);
const status = runtime.status();
await runtime.close({ drainMs: 5000 });
const report = jobReport(counters, status, performance.now() - startedMs);
process.stdout.write(`${JSON.stringify({ ...report, rates, isOn })}\n`);
