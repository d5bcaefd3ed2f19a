/** Steps that do not end are found while they last, with their stacks; short ones are not, however many there are. */
import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createRuntime, setSlo, setStall, type Runtime, type SloViolation, type StallReport } from '../index.js';
import { where } from '../realtime/fixtures/privileges.js';
import { sleep, until } from '../reactor/fixtures/inside.js';
import type { StallingTown, Way } from './fixtures/stalling.js';

const IS_LONG = process.env['PERCORE_STRESS'] === '1';
const THRESHOLD_MS = 20;
const HOLD_MS = 300;

describe('stalls', () => {
  let runtime: Runtime<StallingTown>;
  const told: StallReport[] = [];

  beforeAll(async () => {
    runtime = await createRuntime<StallingTown>({
      entry: new URL('./fixtures/stalling.js', import.meta.url), reactors: 1, metrics: true,
      stall: { thresholdMs: THRESHOLD_MS, reportsPerMinute: 1000 },
    });
    runtime.on('stalled', (stall) => {
      // The thread of the tests itself is watched, too, and is at times busy with tests.
      if (stall.reactorId === 0) told.push(stall);
    });
  }, 60_000);
  afterAll(() => runtime?.close({ drainMs: 2000 }));

  const counted = (): number => runtime.status().reactors[0]!.stalls;
  const hold = async (way: Way, ms: number = HOLD_MS): Promise<StallReport> => {
    const before = told.length;
    // On a busy machine a thread may wait for a CPU for most of this time, which is no stall.
    for (let attempt = 0; attempt < 20 && told.length === before; attempt++) {
      await runtime.call('hold', { way, ms }, { reactor: 0 });
      await until(() => told.length > before, way, 5 * ms).catch(() => undefined);
    }
    expect(told.length, `a stall by ${way}`).toBeGreaterThan(before);
    // It is over when a call is answered; what follows belongs to the next.
    await runtime.call('hold', { way: 'loop', ms: 0 }, { reactor: 0 });
    return told[before]!;
  };

  it.each<[Way, string, RegExp | undefined]>([
    ['loop', 'loop', /at loopFor \(.*stalling\.js:\d+:\d+\)/],
    ['regexp', 'regexp', /at matchFor \(.*stalling\.js:\d+:\d+\)/],
    ['outside', '', /at loopFor .*\n.*at callback /],
    ['io', '', /at loopFor .*\n.*at told /],
    ['sleep', 'sleep', /at .*stalling\.js/],
    ['allocate', 'allocate', /at allocateFor /],
    ['child', '', undefined],
  ])('%s is found, with task and stack', async (way, task, stack) => {
    const before = counted();
    // A busy machine may be late with an answer: then it is told once more.
    const from = told.length;
    let stall = await hold(way);
    if (stack !== undefined) stall = told.slice(from).find(({ hasAnswered }) => hasAnswered) ?? stall;
    expect(counted()).toBeGreaterThan(before);
    expect(stall.ns).toBeGreaterThan(THRESHOLD_MS * 1e6);
    expect(stall.hasAnswered).toBe(stack !== undefined);
    if (stack === undefined) expect(stall.stack).toBe('');
    else expect(stall.stack).toMatch(stack);
    // In the system call it cannot be asked; it may have been before.
    if (stack === undefined) expect(['', way]).toContain(stall.task);
    else expect(stall.task).toBe(task);
  }, 60_000);

  it('JSON.parse is found with its task and who has called it, where it begins to collect', async () => {
    // The first may be that of the handler, which makes the text.
    // A distribution may have stripped its symbols; then the stack is not known.
    const hasSymbols = readFileSync(process.execPath).includes('9ParseJson');
    const wanted = hasSymbols ? /^ {4}at JSON\.parse \(<anonymous>\)\n {4}at parseText \(.*stalling\.js/ : /^/;
    const isFound = ({ task, stack }: StallReport): boolean => task === 'parse' && wanted.test(stack);
    for (let i = 0; i < 10 && !told.some(isFound); i++) await hold('parse');
    expect(told.filter(isFound).length, JSON.stringify(told)).toBeGreaterThan(0);
  }, 60_000);

  it('many short steps in a row are none', async () => {
    setStall(runtime as Runtime, { thresholdMs: 200 });
    const before = counted();
    for (let i = 0; i < 60; i++) runtime.send('short', 10, { reactor: 0 });
    await runtime.call('hold', { way: 'loop', ms: 0 }, { reactor: 0 });
    await until(() => runtime.status().reactors[0]!.taskDepth === 0, 'all have run', 30_000);
    await sleep(100);
    expect(counted()).toBe(before);
    setStall(runtime as Runtime, { thresholdMs: THRESHOLD_MS });
  }, 60_000);

  it('is told while the thread is still blocked', async () => {
    const startMs = performance.now();
    const before = told.length;
    runtime.send('loop', 2000, { reactor: 0 });
    await until(() => told.length > before, 'a stall', 30_000);
    expect(performance.now() - startMs).toBeLessThan(1900);
    await runtime.call('hold', { way: 'loop', ms: 0 }, { reactor: 0 });
    // One stall is counted and told once.
    expect(told.length).toBe(before + 1);
  }, 60_000);

  it('all of those that are planted are counted, and few are told', async () => {
    setStall(runtime as Runtime, { reportsPerMinute: 5 });
    const [before, toldBefore] = [counted(), told.length];
    const planted = IS_LONG ? 50 : 10;
    const channel: unknown[] = [];
    const hear = (message: unknown): void => void channel.push(message);
    subscribe('percore:stall', hear);
    for (let i = 0; i < planted; i++) {
      runtime.send('loop', 200, { reactor: 0 });
      await runtime.call('hold', { way: 'loop', ms: 0 }, { reactor: 0 });
    }
    unsubscribe('percore:stall', hear);
    // One may hide in a moment in which the watcher had no CPU itself.
    expect(counted() - before).toBeGreaterThanOrEqual(0.8 * planted);
    expect(counted() - before).toBeLessThanOrEqual(planted);
    expect(told.length - toldBefore).toBeLessThanOrEqual(5);
    expect(channel.length).toBeLessThanOrEqual(5);
    setStall(runtime as Runtime, { reportsPerMinute: 1000 });
  }, 60_000);

  it('the case of a broken bound carries the stack', async () => {
    const cases: SloViolation[] = [];
    runtime.on('sloViolated', (violation) => void cases.push(violation));
    expect(setSlo(runtime as Runtime, { task: 'loop' }, { runNs: 30_000_000 })).toBe(1);
    await runtime.call('hold', { way: 'loop', ms: 0 }, { reactor: 0 });
    await sleep(5);
    await runtime.call('hold', { way: 'loop', ms: 0 }, { reactor: 0 });
    await hold('loop');
    await until(() => cases.length > 0, 'a violation', 10_000);
    expect(cases[0]!.stall?.stack).toMatch(/at loopFor/);
  }, 60_000);

  it('is switched off and on, and says so', async () => {
    setStall(runtime as Runtime, { thresholdMs: 0 });
    expect(runtime.status().stall).toEqual({ thresholdMs: 0, reportsPerMinute: 1000, refusal: undefined });
    const before = counted();
    runtime.send('loop', HOLD_MS, { reactor: 0 });
    await runtime.call('hold', { way: 'loop', ms: 0 }, { reactor: 0 });
    expect(counted()).toBe(before);
    setStall(runtime as Runtime, { thresholdMs: THRESHOLD_MS });
    await hold('loop');
    expect(() => setStall(runtime as Runtime, { thresholdMs: -1 })).toThrow(/options.thresholdMs.*0.*60000/);
  }, 60_000);

  where(IS_LONG)('ten minutes of cooperative load have none', async () => {
    setStall(runtime as Runtime, { thresholdMs: 10 });
    const before = counted();
    const endMs = performance.now() + 600_000;
    while (performance.now() < endMs) {
      for (let i = 0; i < 100; i++) runtime.send('short', 0.05, { reactor: 0 });
      await runtime.call('hold', { way: 'loop', ms: 0 }, { reactor: 0 });
    }
    expect(counted()).toBe(before);
  }, 700_000);
});
