/** Right arguments, mostly, for what the control of a party is asked, for topologies, services and streams. */
import * as percore from 'percore';
import { OK } from 'percore/queues';
import * as queues from 'percore/queues';
import { aFunction, anything, int, oneOf, options, type Fuzzer, type Hints, type Make } from '../fuzzer.js';

/** Who asks, most of the time. */
export type Parties = (fuzzer: Fuzzer) => object;

export const programs = new URL('../program.js', import.meta.url).href;
/** So few that a thing is often asked about that is there, and a name is often taken. */
const aThing = oneOf('thing 0', 'thing 1', 'thing 2', 'thing 3', 'values');
const aRing = oneOf('ring 0', 'ring 1');
const aPriority = { priority: int(0, 7) };
const aTask = oneOf('values', 'bytes', 'thing 0', 'thing 1');
const steps = oneOf('step', 'later', 'step', 'body', 'connection', 'throwing', 'default');
const aProgram = { module: oneOf(programs), export: steps };
const aParty = oneOf(0, 1, 'main');

const ringSettings: Make = (fuzzer) => {
  const sized = fuzzer.chance.one([
    { capacity: 8, recordBytes: 16 }, { capacityBytes: 1024 }, { capacityBytes: 4096, codec: 'value' },
    { capacity: 4, codec: { struct: { price: 'float64', size: 'int32' } } },
  ]);
  const { kind } = options({}, { kind: oneOf('spsc', 'mpsc', 'spmc') })(fuzzer) as { kind?: unknown };
  return { name: aRing(fuzzer), ...sized, ...(kind === undefined ? {} : { kind }) };
};

/** What each verb carries. */
const FIELDS: Readonly<Record<string, Make>> = {
  reactor: options({}, { name: aThing }),
  ring: ringSettings,
  cursor: options({ name: aThing, ring: aRing }, {
    ...aPriority, task: aTask, of: aParty, whenSlow: oneOf('wait', 'block', 'drop-newest', 'drop-oldest', 'evict'),
  }),
  split: options({ name: aThing, from: aRing }, {
    ...aPriority, to: oneOf([{ task: 'values' }, { task: 'values' }], [{ cursor: 'thing 0' }, { task: 'values' }], []),
    percent: oneOf([50, 50], [100], [60, 50]), overlapped: oneOf(true), of: aParty,
  }),
  close: options({ name: aThing }),
  register: options({ name: aThing, ...aProgram }),
  spawn: options({ name: aThing, ...aProgram }, {
    ...aPriority, capacity: int(1, 9), concurrency: int(1, 3), process: oneOf(true, false),
    takesBytes: oneOf(true, false), data: oneOf('sends', 'publishes', 1), program: aThing,
    supervise: options({ policy: oneOf('restart', 'stop', 'escalate') }, { most: int(0, 3), withinMs: int(1, 99) }),
    sends: oneOf({ values: { reactor: 1 } }, { nobody: {} }, {}), publishes: oneOf({ prices: {} }, {}),
    subscribes: oneOf({ prices: {} }, { prices: { whenSlow: 'drop-oldest' } }, {}),
  }),
  join: options({ name: aThing }),
  send: options({ message: oneOf(1, 'text', new Uint8Array(8), { price: 1, size: 2 }) }, {
    task: aTask, cursor: aThing,
  }),
  sync: options({}),
  seq: options({}, { count: int(1, 9) }),
  timer: options({ name: aThing, task: aTask }, {
    afterNs: int(0, 1e6), everyNs: int(1e5, 1e7), message: anything, ...aPriority, cancel: oneOf(true),
  }),
  io: options({ name: aThing }, {
    listen: oneOf({ port: 0, host: '127.0.0.1' }, { port: 0 }, {}), ...aProgram, data: anything, close: oneOf(true),
  }),
  list: options({}, { what: oneOf('reactor', 'ring', 'cursor', 'split', 'program', 'task', 'timer', 'io', 'topic') }),
  show: options({ name: aThing }),
  dump: options({}),
};
const VERBS = Object.keys(FIELDS);

/** The arguments of a call are made in their order: the fields are those of the verb before. */
let verb = 'list';
const aVerb: Make = ({ chance }) => (verb = chance.one(VERBS));
const theFields: Make = (fuzzer) => FIELDS[verb]!(fuzzer);
const shortly: Make = options({ timeoutMs: int(1, 30) });

let topologies = 0;
/** A declaration that holds, with names of its own, as two topologies may run side by side. */
const aTopology: Make = ({ chance }) => {
  const [first, second] = [`first ${++topologies}`, `second ${topologies}`];
  const on = (): string => chance.one(['front', 'back', 'main']);
  return percore.defineTopology({
    reactors: { front: 0, back: 1 },
    tasks: {
      [first]: { on: on(), module: programs, export: 'step', priority: chance.below(8) },
      [second]: { on: on(), module: programs, export: chance.one(['step', 'later', 'throwing']) },
    },
    sends: { main: [first], [first]: [second] },
    ...(chance.is(0.5) ? { topics: { prices: { from: ['main'], to: [first] } } } : {}),
    ...(chance.is(0.5) ? { timers: { [`timer ${topologies}`]: { on: 'front', afterNs: 1000, task: first } } } : {}),
  } as never);
};

/** A source that ends, one that is read for ever, one that fails, and the end of a queue of this thread. */
const aSource: Make = (fuzzer) => {
  const { chance } = fuzzer;
  const act = chance.below(7);
  if (act === 0) return [1, 2, 3];
  if (act === 1) return (async function* () { for (let i = 0; i < 1000; i++) yield i; })();
  if (act === 2) {
    return (function* () {
      yield 1;
      throw Object.assign(new Error('a source'), { code: 'E_HANDLER' });
    })();
  }
  if (act === 3) return new Set(['a', 'b']);
  if (act === 4) return fuzzer.ofClass(/Connection$/, () => [1]);
  const queue = queues.create<number>({ backend: 'deque', capacity: 4 });
  fuzzer.adopt(queues.pub(queue), 'the producer of a stream');
  return queues.sub(queue);
};
const aStream: Make = (fuzzer) => fuzzer.ofClass(/^_?Stream\d*$/, (of) => percore.createStream(aSource(of) as never));
const aTarget: Make = (fuzzer) => {
  const { chance } = fuzzer;
  if (chance.is(0.3)) return fuzzer.ofClass(/Address|LocalTask|Producer/, () => () => OK);
  return chance.is(0.7) ? () => OK : aFunction(fuzzer);
};

/**
 * Reads some values of a stream as users do, and leaves; also when nothing comes for a while, since one branch of a
 * split waits for the others. What is no stream it leaves alone.
 */
export async function readStream(stream: unknown, most: unknown): Promise<void> {
  if (!(stream instanceof percore.Stream)) return;
  const values = stream[Symbol.asyncIterator]();
  for (let left = typeof most === 'number' ? Math.min(most, 9) : 1; left > 0; left--) {
    const late = new Promise<{ done: true }>((resolve) => setTimeout(resolve, 50, { done: true }));
    if ((await Promise.race([values.next(), late])).done === true) break;
  }
  void values.return?.(undefined);
}
/** Calls a method of a shard. */
export function callShard(of: percore.Runtime, method: unknown, isByKey: unknown, given: unknown): unknown {
  const service = percore.openService<Record<string, (value: unknown) => unknown>>(of, 'counts');
  const limits = { timeoutMs: 30 };
  const shard = isByKey === true ? service.on('a', limits) : service.at(0, limits);
  const call = typeof method === 'string' ? shard[method] : undefined;
  return typeof call === 'function' ? call.call(shard, given as never) : undefined;
}

export function askingHints(of: Parties): Hints {
  const limits = options({ timeoutMs: int(1, 30) }, aPriority);
  const name: Make = ({ chance }) => `stream ${chance.below(1e9)}`;
  return {
    ask: [aParty, aVerb, theFields, shortly],
    startTopology: [of, aTopology, options({ timeoutMs: int(1, 50) })],
    'RunningTopology.send': [(fuzzer) => `first ${fuzzer.chance.below(topologies + 1)}`, anything],
    'RunningTopology.publish': [oneOf('prices'), anything],
    'RunningTopology.list': [oneOf(undefined, 'task', 'timer'), shortly],
    'RunningTopology.show': [({ chance }) => `second ${chance.below(topologies + 1)}`, shortly],
    'RunningTopology.dump': [shortly],
    'RunningTopology.sync': [shortly],
    createStream: [aSource],
    'Stream.map': [oneOf((value: unknown) => value, () => Promise.resolve(1), () => { throw new RangeError('E'); })],
    'Stream.filter': [oneOf(() => true, () => false)],
    'Stream.merge': [aStream],
    'Stream.split': [oneOf({ percent: [80, 20] }, { overlapped: 2 }, { by: () => 1, branches: 2 }, { percent: [1] })],
    'Stream.to': [of, options({ name }, { ...aPriority, concurrency: int(1, 3), signal: oneOf(AbortSignal.abort()) }),
      aTarget],
    readStream: [aStream, int(0, 5)],
    openService: [of, oneOf('counts', 'counts', 'nobody')],
    callShard: [of, oneOf('add', 'get', 'fails', 'nothing', 'stop'), oneOf(true, false), anything],
    'ShardedService.on': [oneOf('a', new Uint8Array(4)), limits],
    'ShardedService.at': [int(0, 1), limits],
    'ShardedService.map': [oneOf('add', 'get', 'fails'), oneOf([], [1]), limits],
    'ShardedService.mapReduce': [oneOf('add', 'get'), oneOf([], [1]), aFunction, anything, limits],
    'ShardedService.stream': [oneOf('values'), oneOf([], [3]), options({ timeoutMs: int(1, 30) }, {
      key: oneOf('a'), reactor: int(0, 1), credits: int(1, 9),
    })],
  };
}
