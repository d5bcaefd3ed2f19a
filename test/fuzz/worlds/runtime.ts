/**
 * `createRuntime` and its runtime in the main thread; reactors that answer, and that fuzz themselves: see
 * reactor-entry.ts.
 */
import * as percore from 'percore';
import {
  aFunction, aText, anything, bytes, int, oneOf, options, wait, type Fuzzer, type Hints, type Make, type World,
} from '../fuzzer.js';

const entry = new URL('../reactor-entry.js', import.meta.url);
const to = { reactor: oneOf(0, 1, 'main') };
const way = {
  priority: int(0, 7), timeoutMs: int(1, 20), signal: oneOf(AbortSignal.abort(), new AbortController().signal),
};
const runtimeOptions: Make = options(
  { entry: () => entry, reactors: oneOf(1, 2) },
  {
    pin: oneOf(false, true), laneBytes: oneOf(2 ** 14, 2 ** 16),
    budget: options({}, { steps: int(1, 100), us: int(1, 100) }),
    publishEvery: options({}, { records: int(1, 100), us: int(1, 100) }),
    idle: options({}, { strategy: oneOf('park', 'adaptive') }), io: options({}, { source: oneOf('epoll', 'io_uring') }),
    data: anything, startTimeoutMs: int(3000, 9000), main: aFunction,
  },
);

export const hints: Hints = {
  createRuntime: [runtimeOptions],
  call: [oneOf('echo', 'throws', 'later', 'nobody'), anything, options({}, { ...to, ...way, key: aText })],
  send: [oneOf('values', 'bytes', 'nobody'), anything, options(to, { priority: int(0, 7) })],
  sendBytes: [bytes],
  address: [oneOf('values', 'bytes', 'nobody'), options(to, { priority: int(0, 7) })],
  whenRoom: [options(to, { priority: int(0, 7) }), aFunction],
  spawn: [
    options({ name: (fuzzer) => `task ${fuzzer.chance.below(1e9)}` }, { priority: int(0, 7), capacity: int(1, 10) }),
    aFunction,
  ],
  spawnBytes: [
    options({ name: (fuzzer) => `task ${fuzzer.chance.below(1e9)}` }, { priority: int(0, 7), capacity: int(1, 10) }),
    aFunction,
  ],
  handle: [(fuzzer) => `handler ${fuzzer.chance.below(1e9)}`, aFunction],
  ownerOf: [aText],
  setIdleStrategy: [options({}, { strategy: oneOf('park', 'adaptive') }), oneOf(0, undefined)],
  onStop: [aFunction],
  'Runtime.close': [options({}, { drainMs: int(0, 50) })],
  'LocalTask.send': [anything],
  'Address.send': [anything],
  wait: [wait],
  hashKey: [bytes, int(0, 4), int(0, 8)],
  bucketOf: [int(0, 1e6)],
};

let runtime: percore.Runtime | undefined;
let rounds = 0;

export const world: World = {
  hints,
  makers: [
    ['createRuntime', percore.createRuntime as (...args: any[]) => unknown],
    ...Array.from(
      { length: 10 },
      () =>
        [
          ['hashKey', percore.hashKey], ['bucketOf', percore.bucketOf],
        ] as const,
    ).flat(),
  ],
  // For createRuntime alone, though it is no private one.
  leftOut: ['Runtime.ready'],
  bound(name, args) {
    if (name !== 'createRuntime') return args;
    // Each is a thread or several, and a process has room for few: one call in ten, and few reactors.
    const [first] = args as [Record<string, unknown> | undefined];
    try {
      const isNumber = typeof first?.['reactors'] === 'number' && first['reactors'] > 2 && first['reactors'] < 1000;
      if (isNumber || first?.['reactors'] === undefined || first['reactors'] === 'auto')
        return [{ ...first, reactors: 1 }];
    } catch {
      // A getter that throws is what it shall find.
    }
    return args;
  },
  async begin(fuzzer: Fuzzer) {
    runtime = await percore.createRuntime({
      entry, reactors: 2, pin: false, idle: { strategy: 'park' }, laneBytes: 2 ** 16,
      data: { seed: fuzzer.chance.below(1e9), round: rounds++ },
    });
    runtime.on('stepError', ({ error }: { error: Error }) => fuzzer.judgeRemote(error));
    runtime.on('messageDropped', () => undefined);
    fuzzer.adopt(runtime, 'the runtime');
  },
  async end(fuzzer: Fuzzer) {
    for (const reactor of [0, 1]) {
      const found = await runtime!.call('fuzz', undefined, { reactor, timeoutMs: 5000 }).catch(() => []) as string[];
      for (const each of found) fuzzer.note(each);
    }
    await runtime!.close({ drainMs: 200 });
  },
  calls: 120,
};
