/** The round trip of `spine`, spinning, in slices with and without figures, or with and without a counters page. */
import { closeSync, openSync, readFileSync, readSync } from 'node:fs';
import { createRuntime, publishCounters, setSlo, type Runtime } from 'percore';
import { pageLayout } from '../../../src/layout.js';
import { twoCpus } from '../../cpus.js';
import { check, progress, sleep } from '../../harness.js';
import type { SlicedTown, SlicePlan, Slices } from './sliced-round-trip-reactor.js';
import { slicesOf, type Sliced } from './slices.js';

/** What is switched: nothing, for what two equal states differ by; figures; figures and the recorder; the page. */
export type Switched = 'nothing' | 'figures' | 'recorder' | 'page';

const PAIRS = 200;
const WARMUP_MS = 2000;
const SLICE_MS = 25;
const SETTLE_MS = 5;
const PAGE_PAIRS = 30;
/** With three writings. */
const PAGE_SLICE_MS = 300;
const PAGE_SETTLE_MS = 200;
const MOST_START_MS = 10_000;
export const PAGE_EVERY_MS = 100;
/** Never exceeded, since what is measured is remembering and not reporting. */
const BOUND_NS = 1e9;

export async function slicedRoundTrip(what: Switched): Promise<Sliced> {
  progress(`round trip with ${what}`);
  await using runtime = await createRuntime<SlicedTown>({
    entry: new URL('./sliced-round-trip-reactor.js', import.meta.url), reactors: 2, pin: twoCpus(),
    idle: { strategy: 'spin' }, metrics: { isOn: false }, data: belowMain(),
  });
  if (what === 'recorder') {
    for (let priority = 0; priority < 8; priority++) setSlo(runtime as Runtime, { priority }, { responseNs: BOUND_NS });
  }
  const measure = async (plan: SlicePlan): Promise<Slices> => {
    const slices = await runtime.call('measure', plan, { reactor: 0 });
    check(slices.wrong === 0, `${slices.wrong} answers were wrong`);
    check(slices.ticks > 0, 'the live timer did not tick');
    return slices;
  };
  const result = what === 'page'
    ? await withPage(runtime as Runtime, measure)
    : await withFigures(what, measure);
  check(
    runtime.status().reactors.every(({ parks, dropped, stepErrors }) => parks + dropped + stepErrors === 0),
    'a reactor parked, dropped a message, or a step threw',
  );
  return result;
}

/**
 * Under `chrt -f` two reactors that spin would keep the main thread from both CPUs for ever, so they take the priority
 * below it; 0 where there is none. They do so themselves: a runtime that was asked for it would not let both spin.
 */
function belowMain(): number {
  const fields = readFileSync('/proc/self/stat', 'latin1').split(') ')[1].split(' ');
  return Math.max(0, Number(fields[37]) - 1);
}

async function withFigures(what: Switched, measure: (plan: SlicePlan) => Promise<Slices>): Promise<Sliced> {
  const isOn = slicesOf(PAIRS);
  const asked = what === 'nothing' ? isOn.map(() => false) : isOn;
  // Code that runs in both states has been compiled for both.
  await measure({ warmupMs: 0, settleMs: SETTLE_MS, sliceMs: WARMUP_MS / 40, isOn: asked.slice(0, 40) });
  const { rates } = await measure({ warmupMs: SETTLE_MS, settleMs: SETTLE_MS, sliceMs: SLICE_MS, isOn: asked });
  return { rates, isOn };
}

async function withPage(runtime: Runtime, measure: (plan: SlicePlan) => Promise<Slices>): Promise<Sliced> {
  const isOn = slicesOf(PAGE_PAIRS);
  const rates: number[] = [];
  await measure({ warmupMs: WARMUP_MS, settleMs: 0, sliceMs: PAGE_SLICE_MS, isOn: [undefined] });
  for (const isOnNow of isOn) {
    const page = isOnNow ? publishCounters(runtime, { everyMs: PAGE_EVERY_MS }) : undefined;
    if (page !== undefined) await untilWritten(page.path);
    await sleep(PAGE_SETTLE_MS);
    const slice = await measure({ warmupMs: SETTLE_MS, settleMs: 0, sliceMs: PAGE_SLICE_MS, isOn: [undefined] });
    rates.push(slice.rates[0]);
    page?.close();
  }
  return { rates, isOn };
}

/**
 * Until the page's thread writes, which it does once it has begun: beside two reactors that spin, that takes longer
 * than a slice, and what is to be measured is publishing and not the start of a thread.
 */
export async function untilWritten(path: string): Promise<void> {
  const fd = openSync(path, 'r');
  const bytes = Buffer.alloc(8);
  const publishedNs = (): number => {
    readSync(fd, bytes, 0, 8, pageLayout.fields.publishedNs.at);
    return bytes.readDoubleLE();
  };
  const endMs = performance.now() + MOST_START_MS;
  // The first writing was the main thread's.
  for (const firstNs = publishedNs(); publishedNs() === firstNs;) {
    check(performance.now() < endMs, 'the thread of the page does not begin');
    await sleep(10);
  }
  closeSync(fd);
}
