/**
 * `percore/realtime`: topology, memory, real-time FIFOs, an executor and an app of levels. None asks for a real-time
 * priority, which would stop the machine for everybody else.
 */
import { existsSync } from 'node:fs';
import * as realtime from 'percore/realtime';
import { struct } from 'percore/queues';
import {
  aFunction, anything, aText, int, oneOf, options, type Fuzzer, type Hints, type Make, type World,
} from '../fuzzer.js';
import { app, code } from '../levels-entry.js';

const entry = new URL('../levels-entry.js', import.meta.url);
const codec = () => struct({ atNs: 'f64', value: 'i32' });
const fifo: Make = (fuzzer) => fuzzer.chance.is(0.5) && fifos.length > 0 ? fuzzer.chance.one(fifos)
  : realtime.createRealtimeFifo({ capacity: 4, codec: codec() });
const fifos: unknown[] = [];
const memory: Make = ({ chance }) => chance.one([
  new Uint8Array(10_000), new ArrayBuffer(5), new SharedArrayBuffer(4096), new DataView(new ArrayBuffer(8)),
]);
const record: Make = options({ atNs: oneOf(1, 0.5, NaN), value: int(-5, 5) });
const files: Make = (fuzzer) => fuzzer.chance.one([
  () => undefined, () => '', () => '0-3', () => 'max 100000', aFunction(fuzzer),
]);
const declaration: Make = options(
  { cores: oneOf([{}], [{}, {}], [{ cpu: 0, init: { spawns: ['work'] } }]) },
  {
    tasks: ({ chance }) => ({
      work: { priority: chance.one([1, 2, 255, 256]), spawns: chance.one([['work'], ['nobody'], undefined]) },
      other: { priority: 2, core: chance.one([0, 1, 7]), uses: chance.one([['shared'], []]) },
    }),
    resources: oneOf({ shared: { value: 'u32' } }, { shared: { value: 'u33' } }, {}),
    main: oneOf({ spawns: ['work'] }, { schedules: ['nobody'] }, {}),
  },
);
const started: Make = options({ entry: () => entry }, {
  lowestPriority: int(1, 98), cpus: oneOf([0], [0, 0], [4000]), laneBytes: oneOf(2 ** 14, 2 ** 16), data: anything,
  restShare: oneOf(0, 0.06, 0.5, 0.001),
  startTimeoutMs: int(3000, 9000), idle: oneOf({ strategy: 'park' }),
});
const work: Make = options({ module: () => new URL('../program.js', import.meta.url) }, {
  export: oneOf('default', 'x'),
});

const hints: Hints = {
  clearCore: [() => realtime.cpuBudget().allowed.at(-1)!],
  collectGarbage: [oneOf('minor', 'major', undefined)],
  cpuTopology: [(fuzzer) => (fuzzer.chance.is(0.5) ? undefined : files(fuzzer))],
  inspectMachine: [options({}, { isTrying: oneOf(true, false), files })],
  lockMemory: [options({}, { withFuture: oneOf(false) })],
  unlockMemory: [],
  lockedBytes: [],
  prefault: [memory],
  residentBytes: [memory],
  useHugePages: [memory, oneOf(true, false)],
  createRealtimeFifo: [options({ codec }, { capacity: oneOf(2, 4, 1024, 3) })],
  openRealtimeFifo: [fifo],
  readRealtimeFifo: [fifo, options({}, { pollMs: int(1, 3), signal: () => AbortSignal.timeout(20) })],
  realtimeFifoStatus: [fifo],
  fifoToPipe: [fifo, options({ path: oneOf('a-pipe', '/nowhere/at/all'), signal: () => AbortSignal.timeout(20) }, {
    pollMs: int(1, 3), format: aFunction,
  })],
  write: [record],
  defineApp: [declaration],
  implementApp: [oneOf(app), (fuzzer) => (fuzzer.chance.is(0.7) ? code : { tasks: { work: aFunction(fuzzer) } })],
  startApp: [oneOf(app), started],
  'RunningApp.spawn': [oneOf('work', 'other', 'nobody'), oneOf(undefined, 5)],
  'RunningApp.schedule': [oneOf('work', 'nobody'), oneOf(0, 1e9, NaN), oneOf(undefined, 5)],
  'RunningApp.close': [options({}, { drainMs: int(0, 50) })],
  createExecutor: [options({}, {
    cpuAffinity: oneOf([0], []), workerThreads: int(1, 2), isParking: oneOf(true), onMetrics: aFunction,
    metricsEveryMs: int(10, 50), answerBytes: oneOf(1024, 65_536),
  })],
  spawnRealtime: [work, anything],
  blockOn: [work, anything, options({ timeoutMs: int(1, 50) })],
  every: [work, options({ intervalNs: oneOf(1e6, 1e7) })],
  onEvent: [work],
  raiseEvent: [(fuzzer) => fuzzer.ofClass(/^Object$/)],
  onStop: [aText],
};

const named = (...names: string[]) => names.map((name) =>
  [name, (realtime as unknown as Record<string, (...args: any[]) => unknown>)[name]!] as const);

/** Names of properties that would ask for a real-time priority. */
const isGreedy = (policy: unknown): boolean =>
  policy !== undefined && (policy as { kind?: string } | null)?.kind !== 'other';

let running: { close(): Promise<unknown> } | undefined;

export const world: World = {
  hints,
  makers: named(
    'clearCore', 'collectGarbage', 'cpuTopology', 'inspectMachine', 'lockMemory', 'unlockMemory', 'lockedBytes',
    'prefault', 'residentBytes', 'useHugePages', 'openRealtimeFifo', 'readRealtimeFifo', 'realtimeFifoStatus',
    'fifoToPipe', 'defineApp', 'implementApp', 'startApp', 'createExecutor', 'raiseEvent',
  ).concat([['createRealtimeFifo', (...args: any[]) => {
    const made = realtime.createRealtimeFifo(...args as [never]);
    if (fifos.push(made) > 5) fifos.shift();
    return made;
  }]]),
  leftOut: ['Runtime.ready', 'RealtimeExecutor.runtime', 'RunningApp.runtime'],
  bound(name, args) {
    const given = args[name === 'startApp' ? 1 : 0] as Record<string, unknown> | undefined;
    if (name === 'startApp' && typeof given === 'object' && given !== null) args[1] = { ...given, isPreemptive: false };
    if (name === 'createExecutor' && typeof given === 'object' && given !== null) {
      const { workerThreads, policy } = given;
      if (isGreedy(policy) || (typeof workerThreads === 'number' && workerThreads > 2 && workerThreads < 256))
        args[0] = { workerThreads: 1 };
    }
    // Without an end they go on for ever, as they say.
    if ((name === 'fifoToPipe' || name === 'readRealtimeFifo') && typeof args[1] === 'object' && args[1] !== null
      && !((args[1] as { signal?: unknown }).signal instanceof AbortSignal))
      args[1] = { ...args[1], signal: AbortSignal.timeout(20) };
    // Of what is mapped later all would be locked as well.
    if (name === 'lockMemory' && given?.['withFuture'] !== false) args[0] = { withFuture: false };
    if (name === 'clearCore' && typeof args[0] === 'number' && !existsSync(`/sys/devices/system/cpu/cpu${args[0]}`))
      args[0] = NaN;
    return args;
  },
  async begin(fuzzer: Fuzzer) {
    running = await realtime.startApp(app, { entry, isPreemptive: false, laneBytes: 2 ** 16 });
    fuzzer.adopt(running, 'the app');
  },
  async end() {
    realtime.unlockMemory();
    await running!.close();
  },
  calls: 120,
};
