/**
 * The functions of `percore` and `percore/realtime` that take a reactor, or the runtime for its main thread: makers for
 * the main thread (party-main.ts) and for the fuzzer in each reactor (reactor-entry.ts).
 */
import * as percore from 'percore';
import * as realtime from 'percore/realtime';
import { askingHints, callShard, readStream, type Parties } from './asking.js';
import { HostileError } from '../hostile.js';
import {
  aFunction, aText, anything, bytes, int, oneOf, options, type Hints, type Make,
} from '../fuzzer.js';

const limits = {
  timeoutMs: int(1, 20), signal: oneOf(AbortSignal.abort(), new AbortController().signal), priority: int(0, 7),
};
const aName: Make = ({ chance }) => `name ${chance.below(1e9)}`;
const topics = oneOf('prices', 'prices.usd', 'orders');
const aKey = oneOf('a', 'b', new Uint8Array(8), '');
const moduleOf = (name: string): string => new URL(`../${name}.js`, import.meta.url).href;
/** One that does what is asked, and one without a default export. */
const modules = oneOf(moduleOf('program'), moduleOf('hostile'));

/** A body that ends at once, waits, asks its own Self for something, or fails. */
const aBody: Make = (fuzzer) => {
  const act = fuzzer.chance.below(6);
  const self = (given: object): void => fuzzer.adopt(given, 'a Self');
  if (act === 0) return function* (given: object) { self(given); yield; return 1; };
  if (act === 1) return async (given: object) => { self(given); };
  if (act === 2) return function* () { yield 5; throw new HostileError('thrown by a body'); };
  if (act === 3) return function* () { yield Promise.reject(new HostileError('yielded by a body')); };
  if (act === 4) return function* (given: object) { self(given); for (;;) yield percore.AGAIN; };
  return aFunction(fuzzer);
};

const disciplines = oneOf(
  'strict', 'roundRobin', 'weighted', 'shares', 'deadline', { kind: 'strict', ageing: { everyNs: 1000 } },
  { kind: 'shares', shares: { 3: 5 } }, { kind: 'own', module: moduleOf('program') },
);
const stop = { onBucketLeaves: aFunction, onBucketArrives: aFunction };
const declared: Make = options({}, {
  reactors: oneOf({ front: 0, back: 1 }, { front: 'main' }, {}),
  tasks: ({ chance }) => ({ parse: { on: chance.one(['front', 'nobody', 0]), module: moduleOf('program') } }),
  topics: oneOf({ prices: {} }, { prices: { priority: 99 } }), sends: oneOf({ parse: ['prices'] }, []),
  classes: oneOf({ bulk: { priority: 1 } }, 5), rings: oneOf({ orders: { kind: 'spsc', capacity: 4 } }, {}),
});

export function hintsOf(of: Parties): Hints {
  const asked: Make = options({}, { ...limits, reactor: oneOf(0, 1, 'main') });
  return {
    createProcess: [of, options({ name: aName }, {
      priority: int(0, 7), capacity: int(1, 10), signal: limits.signal,
      supervise: options({}, { policy: oneOf('restart', 'stop', 'escalate'), most: int(0, 3), withinMs: int(1, 99) }),
    }), aBody],
    tasksOf: [of],
    topicsOf: [of],
    createTopic: [of, options({ name: topics }, { priority: int(0, 7), retain: oneOf(true, false) })],
    subscribe: [of, oneOf('prices', 'prices.*', '*', 'orders'), options({}, {
      priority: int(0, 7), capacity: int(1, 9), whenSlow: oneOf('wait', 'drop-newest', 'drop-oldest', 'evict'),
      evictAfterMs: int(0, 99), concurrency: int(1, 3),
    }), aFunction],
    subscribeBatches: [of, oneOf('prices', '*'), options({}, { capacity: int(1, 9) }), aFunction],
    publishBatch: [oneOf([], [1, 2, 3], ['text', {}])],
    subscribeBytes: [of, oneOf('prices', '*'), options({}, { capacity: int(1, 9) }), aFunction],
    createService: [of, options({ name: aName }), () => () => ({ get: (key: unknown) => key, stop: () => undefined })],
    on: [aKey, asked],
    at: [int(0, 1), asked],
    map: [oneOf('get', 'nothing'), oneOf([], [1]), asked],
    mapReduce: [oneOf('get', 'nothing'), oneOf([], [1]), aFunction, anything, asked],
    offload: [of, modules, anything, options({}, {
      priority: int(0, 7), key: aText, signal: limits.signal, deadlineMs: int(0, 50), transfer: oneOf([], 5),
    })],
    offloadStatus: [of],
    createKeyed: [of, options({ name: aName }, { priority: int(0, 7), stage: int(0, 7), ...stop }), aFunction],
    keyedAddress: [of, oneOf('keyed', 'nobody'), options({}, { priority: int(0, 7), capacity: int(1, 9) })],
    'KeyedAddress.send': [aKey, anything],
    createBuckets: [of, options({ name: aName }, { stage: int(0, 7), ...stop })],
    createBalancer: [of, options({}, {
      everyMs: int(1, 50), hysteresis: oneOf(0.1, 1), mostMoves: int(0, 20), restMs: int(0, 50), leastBusy: oneOf(0, 1),
      onDeath: oneOf('move', 'stay'),
    })],
    moveAllBuckets: [of, int(0, 1), options({}, { to: oneOf([0], [1], []) })],
    openControl: [of],
    defineTopology: [declared],
    readTopology: [oneOf('/nowhere/at/all.json', moduleOf('program'), '/dev/null')],
    callStream: [of, oneOf('streams', 'echo', 'nobody'), anything, options({}, { ...limits, credits: int(1, 9) })],
    capacity: [of, oneOf(undefined, {})],
    priorityOf: [of, oneOf('bulk', 'nobody')],
    setDiscipline: [of, disciplines, oneOf(undefined, { reactor: 0 }, { reactor: 'main' })],
    createSteering: [
      of, options({ name: aName }, { loads: () => percore.createLoads(2), timeoutMs: int(1, 50) }), aFunction,
    ],
    take: [int(0, 3)],
    window: [options({}, { count: int(1, 3), ms: int(1, 5) })],
    run: [of, options({ name: aName }, { concurrency: int(1, 3), signal: limits.signal }), aFunction],
    setPolicy: [of, () => realtime.other(), oneOf(undefined, { reactor: 0 })],
    ...plainHints,
    ...askingHints(of),
  };
}

/** Of functions that need no runtime. */
const plainHints: Hints = {
  tryDiscipline: [aFunction, options({}, { seed: int(0, 99), steps: int(1, 100) })],
  createLoads: [int(1, 4)],
  createIds: [options({}, { origin: oneOf(0n, 5n, 2n ** 48n), nowMs: () => () => Date.now() })],
  nextBytes: [(fuzzer) => fuzzer.chance.one([new Uint8Array(16), new Uint8Array(3)]), int(0, 4)],
  formatId: [oneOf(0n, 5n, 2n ** 128n)],
  parseId: [oneOf('0'.repeat(32), 'x', 'f'.repeat(33))],
  readId: [bytes, int(0, 9)],
  partsOfId: [oneOf(0n, 5n, 2n ** 128n)],
  formatDump: [oneOf({ sends: {}, parties: [] }, {})],
  takes: [],
  capabilities: [],
  cpuBudget: [oneOf(undefined, () => 'max 100000', () => undefined)],
  Histogram: [oneOf(undefined, new Float64Array(percore.HISTOGRAM_WORDS))],
  PercoreError: [oneOf('ERR_PERCORE_CLOSED', 'x'), aText, options({}, { cause: anything })],
  other: [options({}, { nice: int(-5, 5) })],
  fifo: [int(0, 99)],
  roundRobin: [int(0, 99)],
  deadline: [options({ runtimeNs: int(1, 1e6), deadlineNs: int(1, 1e6), periodNs: int(1, 1e6) })],
  nameOfCode: [int(-9, 2)],
};

type Named = readonly [string, (...args: any[]) => unknown];
const named = (from: object, ...names: string[]): Named[] =>
  names.map((name) => [name, (from as Record<string, (...args: any[]) => unknown>)[name]!]);

export const partyMakers: readonly Named[] = [
  ...named(
    percore, 'createProcess', 'tasksOf', 'topicsOf', 'createTopic', 'subscribe', 'subscribeBatches', 'subscribeBytes',
    'createService', 'openService', 'offload', 'offloadStatus', 'createKeyed', 'keyedAddress', 'createBuckets',
    'createBalancer',
    'moveAllBuckets', 'openControl', 'startTopology', 'callStream', 'capacity', 'priorityOf', 'setDiscipline',
    'createSteering', 'createStream',
  ),
  ...named(realtime, 'setPolicy'),
  ['readStream', readStream], ['callShard', callShard], ['openControl', percore.openControl as never],
];

export const plainMakers: readonly Named[] = [
  ...named(
    percore, 'tryDiscipline', 'createLoads', 'createIds', 'formatId', 'parseId', 'readId', 'partsOfId', 'formatDump',
    'takes', 'defineTopology', 'readTopology', 'capabilities', 'cpuBudget', 'nameOfCode',
  ),
  ...named(realtime, 'cpuBudget', 'other', 'fifo', 'roundRobin', 'deadline'),
  ['Histogram', (...args: any[]) => new (percore.Histogram as new (...args: any[]) => object)(...args)],
  ['PercoreError', (...args: any[]) => void new (percore.PercoreError as new (...args: any[]) => object)(...args)],
];

/** They check nothing, and say so: each message goes through them. */
export const unchecked: readonly string[] = ['Buckets.enter', 'Buckets.leave', 'Buckets.took'];

/** Arguments that would be right, and take the machine, or run files of others. */
export function boundParty(name: string, args: unknown[]): unknown[] {
  if (name === 'setPolicy' && ['fifo', 'roundRobin', 'deadline'].includes((args[1] as { kind?: string })?.kind ?? ''))
    args[1] = realtime.other();
  const steps = name === 'tryDiscipline' ? (args[1] as { steps?: number } | undefined)?.steps : undefined;
  // Of a hundred thousand steps, which is the default, each may be answered by a function that does harm.
  if (name === 'tryDiscipline' && !(typeof steps === 'number' && steps > 1e5)) return args;
  return name === 'tryDiscipline' ? [args[0]] : args;
}
