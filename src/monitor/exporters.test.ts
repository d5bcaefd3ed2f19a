/** What others read: the SDK of OpenTelemetry, prom-client, traces of Chrome, profiles of V8, flights by a signal. */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { resourceFromAttributes } from '@opentelemetry/resources';
import { AggregationTemporality, DataPointType, MeterProvider, MetricReader } from '@opentelemetry/sdk-metrics';
import { Gauge, Registry } from 'prom-client';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  chromeTrace, createRuntime, dumpFlightOnSignal, exportMetrics, flightsOf, histogramsOf, metricsOf, noteEvent,
  prometheusText, registerMetrics, traceTasks, type ChromeTraceEvent, type Runtime,
} from '../index.js';
import { inside, remoteRuntime, sleep, until } from '../reactor/fixtures/inside.js';
import { readFamilies } from './families.js';

class OnDemand extends MetricReader {
  protected async onShutdown(): Promise<void> {}
  protected async onForceFlush(): Promise<void> {}
}

describe('what a runtime counts, for others', () => {
  let runtime: Runtime;
  beforeAll(async () => {
    runtime = await remoteRuntime(2, { metrics: { tasks: 16 } });
    traceTasks(runtime);
    // A bound or a wish is taken over by work, a millisecond later at most.
    await inside(runtime, 1, (reactor) => {
      reactor.spawn({ name: 'orders', priority: 5 }, () => {
        const endNs = reactor.nowNs() + 3e5;
        while (reactor.nowNs() < endNs);
      });
    });
    await until(async () => {
      await inside(runtime, 0, (reactor) => {
        reactor.spawn({ name: `gateway ${Math.random()}` }, () => {
          const endNs = reactor.nowNs() + 2e6;
          while (reactor.nowNs() < endNs);
          reactor.address('orders', { reactor: 1 }).send(1);
        }).send(0);
      });
      return chromeTrace(runtime).traceEvents.some(({ ph }) => ph === 'f')
        && metricsOf(runtime).tasks.some(({ name, messages }) => name === 'orders' && messages > 0);
    }, 'it has run and was traced');
  }, 30_000);
  afterAll(() => runtime?.close({ drainMs: 1000 }));

  it('is read by the SDK of OpenTelemetry', async () => {
    const reader = new OnDemand();
    const provider = new MeterProvider({ readers: [reader] });
    const end = exportMetrics(runtime, provider.getMeter('percore'));
    const read = async () => new Map((await reader.collect()).resourceMetrics.scopeMetrics
      .flatMap(({ metrics }) => metrics).map((metric) => [metric.descriptor.name, metric]));
    const metrics = await read();
    const steps = metrics.get('percore.task.steps')!;
    expect([steps.descriptor.unit, 'isMonotonic' in steps && steps.isMonotonic]).toEqual(['1', true]);
    const ofOrders = (name: string) => metrics.get(name)!.dataPoints.filter(
      ({ attributes }) => attributes['percore.task'] === 'orders');
    expect(ofOrders('percore.task.steps')[0]!.attributes).toEqual(
      { 'percore.reactor': '1', 'percore.task': 'orders', 'percore.band': '5' });
    expect(Number(ofOrders('percore.task.steps')[0]!.value)).toBeGreaterThan(0);
    const worst = ofOrders('percore.task.run').find(({ attributes }) => attributes['percore.quantile'] === '1')!;
    expect(metrics.get('percore.task.run')!.descriptor.unit).toBe('s');
    expect(worst.value).toBeGreaterThanOrEqual(3e-4);
    expect(worst.value).toBeLessThan(60);
    expect(Number(ofOrders('percore.task.run.count')[0]!.value)).toBeGreaterThan(0);
    expect(metrics.get('percore.busy')!.descriptor).toMatchObject({ unit: 's', description: expect.any(String) });
    expect([...metrics.keys()].filter((name) => !/^percore(?:\.[a-z][a-z0-9_]*)+$/.test(name))).toEqual([]);
    const value = async (): Promise<unknown> => (await read()).get('percore.turns')?.dataPoints
      .find(({ attributes }) => attributes['percore.reactor'] === '1')?.value;
    const before = await value();
    await inside(runtime, 1, () => undefined);
    const after = await value();
    expect(after).toBeGreaterThan(before as number);
    end();
    await inside(runtime, 1, () => undefined);
    expect([after, undefined]).toContain(await value());
    await provider.shutdown();
    expect(() => exportMetrics(runtime, {} as never)).toThrow(/createObservableCounter must be a function/);
  });

  it('is read by it as histograms, whose buckets hold what the percentiles say', async () => {
    const reader = new OnDemand({ metricProducers: [histogramsOf(runtime, resourceFromAttributes({}))] });
    const provider = new MeterProvider({ readers: [reader] });
    const { resourceMetrics, errors } = await reader.collect();
    expect(errors).toEqual([]);
    const metrics = resourceMetrics.scopeMetrics.flatMap((scope) => scope.metrics);
    expect(metrics.map(({ descriptor }) => descriptor.name)).toEqual([
      ...['schedule_in', 'response', 'relief', 'run'].map((name) => `percore.task.${name}.histogram`),
      'percore.lane.latency.histogram',
    ]);
    const run = metrics[3]!;
    if (run.dataPointType !== DataPointType.HISTOGRAM) expect.fail('not a histogram');
    expect([run.descriptor.unit, run.aggregationTemporality]).toEqual(['s', AggregationTemporality.CUMULATIVE]);
    const { attributes, value } = run.dataPoints.find((point) => point.attributes['percore.task'] === 'orders')!;
    expect(attributes).toEqual({ 'percore.reactor': '1', 'percore.task': 'orders', 'percore.band': '5' });
    const { count, p50Ns, maxNs } = metricsOf(runtime).tasks.find(({ name }) => name === 'orders')!.figures.run;
    const { boundaries, counts } = value.buckets;
    expect([value.count, counts.length, counts.reduce((sum, each) => sum + each, 0)])
      .toEqual([count, boundaries.length + 1, count]);
    // A sum takes each value as the middle of its step.
    expect(Math.abs(value.max! - maxNs / 1e9)).toBeLessThan(1e-12);
    expect(value.sum!).toBeGreaterThanOrEqual(count * value.min! * 0.984);
    let seen = 0;
    const half = counts.findIndex((each) => (seen += each) >= count / 2);
    expect(boundaries[half]! * 1e9).toBeGreaterThanOrEqual(p50Ns / 1.04);
    expect((boundaries[half - 1] ?? 0) * 1e9).toBeLessThanOrEqual(p50Ns * 1.04);
    await provider.shutdown();
  });

  it('has one set of labels for each task, so that thousands of tasks are text within a fraction of a second', () => {
    const families = readFamilies(runtime).filter(({ name }) => name.startsWith('task.'));
    const labels = new Set(families.flatMap(({ samples }) => samples.map((sample) => sample.labels)));
    expect(families.length).toBeGreaterThan(10);
    expect(labels.size).toBe(metricsOf(runtime).tasks.length);
  });

  it('is in a registry of prom-client, which writes what prometheusText writes', async () => {
    const registry = new Registry();
    const end = registerMetrics(runtime, registry);
    const lines = (text: string): string[] =>
      text.split('\n').filter((line) => line.startsWith('percore_task_')).sort();
    const text = await registry.metrics();
    const own = prometheusText(runtime);
    expect(lines(text).map((line) => line.split(' ')[0]!.length)).toEqual(
      lines(own).map((line) => line.split(' ')[0]!.length));
    expect(text).toMatch(/^percore_task_run_seconds_count\{reactor="1",task="orders",band="5"\} [1-9]/m);
    expect(text).toMatch(/^# TYPE percore_task_run_seconds summary$/m);
    expect(() => registerMetrics(runtime, registry)).toThrow(/already been registered/);
    // All or none.
    const other = new Registry();
    new Gauge({ name: 'percore_task_depth', help: 'of the program itself', registers: [other] });
    expect(() => registerMetrics(runtime, other)).toThrow(/already been registered/);
    expect((await other.getMetricsAsJSON()).map(({ name }) => name)).toEqual(['percore_task_depth']);
    // A word at the end of a name that is no unit stays.
    expect(text).toMatch(/^percore_dropped_by_reason_not_bytes_total\{/m);
    registry.resetMetrics();
    expect((await registry.getMetricsAsJSON()).length).toBeGreaterThan(50);
    end();
    expect((await registry.metrics()).trim()).toBe('');
  });

  it('shows collections of a thread on a track of their own, amid the runs in which they were', async () => {
    const collected = (): ChromeTraceEvent[] => {
      const { traceEvents } = chromeTrace(runtime);
      const track = traceEvents.find(({ name, args }) =>
        name === 'thread_name' && args!['name'] === 'collections of reactor 1')?.tid;
      return traceEvents.filter(({ ph, tid }) => ph === 'X' && tid === track);
    };
    await until(async () => {
      await inside(runtime, 1, () => {
        const kept: object[] = [];
        for (let i = 0; i < 200_000; i++) kept.push({ i });
      });
      return collected().length > 0;
    }, 'it has collected');
    const slices = collected();
    const runs = chromeTrace(runtime).traceEvents.filter(({ ph, tid }) => ph === 'X' && tid === 2);
    for (const { name, cat } of slices) {
      expect(cat).toBe('collection');
      expect(name).toMatch(/^(?:scavenge|(?:minor )?mark and sweep|incremental marking|weak callbacks|collection)$/);
    }
    // Node tells when a collection began by a clock of its own.
    const isWithin = ({ ts, dur }: ChromeTraceEvent): boolean => runs.some((run) =>
      ts! > run.ts! - 1000 && ts! + dur! < run.ts! + run.dur! + 1000);
    expect(slices.some(isWithin)).toBe(true);
    for (const [i, { ts }] of slices.entries()) if (i > 0) expect(ts).toBeGreaterThanOrEqual(slices[i - 1]!.ts!);
  });

  it('is a trace by the rules of the format: slices do not overlap, and both ends of an arrow lie in slices', () => {
    const { traceEvents } = JSON.parse(JSON.stringify(chromeTrace(runtime))) as { traceEvents: ChromeTraceEvent[] };
    for (const event of traceEvents) {
      expect(['X', 's', 'f', 'i', 'M']).toContain(event.ph);
      expect([event.pid, Number.isInteger(event.tid), typeof event.name]).toEqual([process.pid, true, 'string']);
      if (event.ph !== 'M') expect(event.ts).toBeGreaterThanOrEqual(0);
      if (event.ph === 'X') expect(event.dur).toBeGreaterThanOrEqual(0);
    }
    const of = (ph: string, tid?: number): ChromeTraceEvent[] =>
      traceEvents.filter((event) => event.ph === ph && (tid === undefined || event.tid === tid));
    const names = of('M').filter(({ name }) => name === 'thread_name').map(({ args }) => String(args!['name']));
    expect(names.filter((name) => !name.startsWith('collections'))).toEqual(['reactor 0', 'reactor 1', 'main thread']);
    for (const tid of [1, 2, 3]) {
      const slices = of('X', tid);
      for (const [i, slice] of slices.entries()) {
        if (i > 0) expect(slice.ts! + 1e-3).toBeGreaterThanOrEqual(slices[i - 1]!.ts! + slices[i - 1]!.dur!);
      }
    }
    const arrows = of('s');
    expect(arrows.length).toBeGreaterThan(0);
    expect(new Set(arrows.map(({ id }) => id)).size).toBe(arrows.length);
    const isInside = ({ ts, tid }: ChromeTraceEvent): boolean =>
      of('X', tid).some((slice) => ts! >= slice.ts! - 1e-3 && ts! <= slice.ts! + slice.dur! + 1e-3);
    for (const start of arrows) {
      const ends = of('f').filter(({ id }) => id === start.id);
      expect([ends.length, ends[0]!.bp]).toEqual([1, 'e']);
      expect(ends[0]!.ts).toBeGreaterThanOrEqual(start.ts!);
      expect([isInside(start), isInside(ends[0]!)]).toEqual([true, true]);
    }
    const taken = of('X', 2).filter(({ name }) => name === 'orders');
    expect(taken.some(({ args, dur }) => args!['sender'] === 0 && dur! >= 300)).toBe(true);
    traceTasks(runtime, false);
    expect(() => chromeTrace(runtime, { lastMs: 0 })).toThrow(expect.objectContaining({ argument: 'options.lastMs' }));
  });

  it('is profiled in the thread that asks, into a file that Chrome reads', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'percore-profile-'));
    const profiled = await createRuntime({ entry: new URL('./fixtures/profiled.js', import.meta.url), reactors: 1 });
    try {
      const [path, refusal] = await profiled.call('profile', folder, { timeoutMs: 20_000 }) as [string, string];
      expect(refusal).toContain('already');
      interface Node { readonly id: number; readonly callFrame: { functionName: string }; readonly children?: number[] }
      const profile = JSON.parse(readFileSync(path, 'utf8')) as {
        nodes: Node[]; samples: number[]; timeDeltas: number[]; startTime: number; endTime: number;
      };
      const ids = new Set(profile.nodes.map(({ id }) => id));
      expect(path).toBe(join(folder, 'orders.cpuprofile'));
      expect(profile.nodes[0]!.callFrame.functionName).toBe('(root)');
      expect(profile.nodes.every(({ children = [] }) => children.every((id) => ids.has(id)))).toBe(true);
      expect(profile.samples.every((id) => ids.has(id))).toBe(true);
      expect([profile.samples.length > 0, profile.timeDeltas.length]).toEqual([true, profile.samples.length]);
      expect(profile.endTime - profile.startTime).toBeGreaterThanOrEqual(150_000);
      expect(profile.nodes.some(({ callFrame }) => callFrame.functionName === 'burnsForAWhile')).toBe(true);
    } finally {
      await profiled.close();
      rmSync(folder, { recursive: true, force: true });
    }
  });

  it('tells its flights, of reactors that answer, and all of them by a signal', async () => {
    noteEvent(runtime, 'asked', 'by a test');
    noteEvent(runtime, 'two\nlines', 'red: \u001b[31m\u2028');
    await inside(runtime, 0, (reactor) => {
      reactor.spawn({ name: 'fails', priority: 1 }, () => {
        throw new RangeError('planned');
      }).send(0);
    });
    runtime.on('stepError', () => undefined);
    const hasNoted = async (): Promise<boolean> =>
      (await flightsOf(runtime))[0]!.events?.some(({ detail }) => detail.includes('planned')) === true;
    await until(hasNoted, 'noted');
    let text = '';
    const end = dumpFlightOnSignal(runtime, { timeoutMs: 10_000, write: (more) => void (text += more) });
    process.kill(process.pid, 'SIGUSR2');
    await until(() => text !== '', 'it is written');
    expect(text).toMatch(/^reactor 0: \d+ events\n(?: .*\n)*? +[\d.]+ s {2}stepError {2}task "fails": planned$/m);
    expect(text).toMatch(/^reactor 1: \d+ events$/m);
    expect(text).toMatch(/^main thread: \d+ events\n(?: .*\n)*? +[\d.]+ s {2}asked {2}by a test$/m);
    expect(text).toMatch(/^ +[\d.]+ s {2}two\\nlines {2}red: \\u\{1b\}\[31m\\u\{2028\}$/m);
    end();
    expect(process.listenerCount('SIGUSR2')).toBe(0);
    // One that is blocked does not keep the others from being told.
    await until(async () => {
      const blocked = inside(runtime, 1, (reactor) => {
        const endNs = reactor.nowNs() + 4e8;
        while (reactor.nowNs() < endNs);
      });
      await sleep(20);
      const flights = await flightsOf(runtime, { timeoutMs: 100 });
      await blocked;
      return flights.length === 3 && (flights[0]!.events?.length ?? 0) > 0 && flights[1]!.events === undefined;
    }, 'it has no answer', 30_000);
  });
});
