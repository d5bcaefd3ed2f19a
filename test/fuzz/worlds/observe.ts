/**
 * What observes a runtime: figures, bounds, stalls, the counters page, traces, flights and exporters, of a runtime with
 * all of it switched on; and in each reactor what takes a reactor as well (reactor-entry.ts).
 */
import * as percore from 'percore';
import { createRateState } from 'percore/timers';
import {
  aFunction, anything, aText, int, oneOf, options, type Fuzzer, type Hints, type Make, type World,
} from '../fuzzer.js';
import { observingHints, observingMakers } from './observing.js';
import { hints as runtimeHints } from './runtime.js';

const entry = new URL('../reactor-entry.js', import.meta.url);
let runtime: percore.Runtime;

/** An instrument, a meter and a registry that do what they should, or now and then throw. */
const instrument = (act: (...args: any[]) => unknown) => ({
  addCallback: (callback: (result: object) => void) => { callback({ observe: act }); },
  removeCallback: () => undefined,
});
const meter: Make = (fuzzer) => {
  const act = fuzzer.chance.is(0.8) ? () => undefined : aFunction(fuzzer) as () => unknown;
  return {
    createObservableCounter: () => instrument(act), createObservableGauge: () => instrument(act),
    ...(fuzzer.chance.is(0.1) ? { createObservableCounter: act } : {}),
  };
};
const registry: Make = (fuzzer) => ({
  registerMetric: fuzzer.chance.is(0.8) ? () => undefined : aFunction(fuzzer),
  removeSingleMetric: fuzzer.chance.is(0.8) ? () => undefined : aFunction(fuzzer),
});

export const hints: Hints = {
  ...runtimeHints,
  ...observingHints(() => runtime),
  setStall: [() => runtime, options({}, { thresholdMs: oneOf(0, 1, 50, 60_000), reportsPerMinute: int(0, 10) })],
  traceTasks: [() => runtime, oneOf(true, false, undefined)],
  chromeTrace: [() => runtime, options({}, { lastMs: int(1, 1000) })],
  closeOnSignal: [() => runtime, options({ signals: oneOf(['SIGCONT'], []) }, {
    drainMs: int(0, 9), afterwards: aFunction,
  })],
  dumpFlightOnSignal: [() => runtime, options({ write: () => () => undefined }, {
    signal: oneOf('SIGUSR2', 'SIGHUP', 'SIGKILL'), timeoutMs: int(1, 20),
  })],
  flightsOf: [() => runtime, options({}, { timeoutMs: int(1, 20) })],
  cpuProfile: [() => runtime, oneOf('one', '../two', 'three'), options({ ms: int(1, 10) }, {
    folder: oneOf('.', '/nowhere/at/all'), intervalUs: int(100, 1000),
  })],
  exportMetrics: [() => runtime, meter],
  histogramsOf: [() => runtime, anything],
  registerMetrics: [() => runtime, registry],
  onMetrics: [() => runtime, options({}, { everyMs: int(10, 50) }), aFunction],
  prometheusText: [() => runtime],
  publishCounters: [() => runtime, options({}, {
    path: oneOf('counters', '/nowhere/at/all', '/dev/null'), everyMs: int(10, 99),
    rates: () => ({ some: createRateState() }),
  })],
  serveInspection: [() => runtime, options({}, {
    port: oneOf(0, 70_000), host: oneOf('127.0.0.1', 'nowhere.invalid'),
  })],
  'CountersPage.addRate': [aText, () => createRateState()],
  createRateState: [],
  emit: [anything],
};

const makers = [
  'setStall', 'traceTasks', 'chromeTrace', 'closeOnSignal', 'dumpFlightOnSignal', 'flightsOf', 'cpuProfile',
  'exportMetrics', 'histogramsOf', 'registerMetrics', 'onMetrics',
  'prometheusText', 'publishCounters', 'serveInspection',
].map((name) => [name, (percore as unknown as Record<string, (...args: any[]) => unknown>)[name]!] as const);

/** What is returned to end something is ended at the end of the round. */
const endings: (() => unknown)[] = [];

export const world: World = {
  hints,
  makers: [
    ...[...makers, ...observingMakers].map(([name, call]) => [name, (...args: any[]): unknown => {
      const result = call(...args);
      if (typeof result === 'function') endings.push(result as () => unknown);
      return result;
    }] as const),
    ['createRateState', createRateState],
  ],
  leftOut: ['Runtime.ready'],
  bound(name, args) {
    // A second of profile by default, or longer, is no fault.
    if (name === 'cpuProfile') {
      const given = args[2] as { ms?: unknown } | undefined;
      if (typeof given?.ms !== 'number' || (given.ms > 20 && given.ms <= 3_600_000)) args[2] = { ms: 5 };
    }
    // Only loopback is anybody's here.
    if (name === 'serveInspection') {
      const given = args[1] as { host?: unknown } | undefined;
      if (typeof given?.host === 'string' && given.host !== 'nowhere.invalid') args[1] = { host: '127.0.0.1' };
    }
    return args;
  },
  async begin(fuzzer: Fuzzer) {
    runtime = await percore.createRuntime({
      entry, reactors: 2, pin: false, idle: { strategy: 'park' }, laneBytes: 2 ** 16, metrics: { tasks: 32 },
      stall: { thresholdMs: 20, reportsPerMinute: 3 }, classes: { bulk: { priority: 1 } },
      data: { seed: fuzzer.chance.below(1e9), observes: true },
    });
    runtime.on('stepError', ({ error }: { error: Error }) => fuzzer.judgeRemote(error));
    runtime.on('messageDropped', () => undefined);
    runtime.on('stalled', () => undefined);
    fuzzer.adopt(runtime, 'the runtime');
  },
  async end(fuzzer: Fuzzer) {
    for (const reactor of [0, 1]) {
      const found = await runtime.call('fuzz', undefined, { reactor, timeoutMs: 9000 }).catch(() => []) as string[];
      for (const each of found) fuzzer.note(each);
    }
    for (const end of endings.splice(0)) fuzzer.call('what ends it', end);
    await runtime.close({ drainMs: 200 });
  },
  calls: 120,
};
