/** `percore/queues`: queues of every kind and backend, their ends, links, codecs. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as queues from 'percore/queues';
import { aFunction, anything, bytes, int, oneOf, options, wait, type Hints, type Make, type World } from '../fuzzer.js';
import { hostile } from '../hostile.js';

const size = oneOf(32, 64, 256, 4096);
const codec = oneOf(queues.value, queues.bytes, queues.msgpack, queues.struct({ id: 'u32', price: 'f64' }));
const common = { maxProducers: int(1, 4), maxConsumers: int(1, 4), name: oneOf('a', 'b') };
/** A queue that is alive, and now and then one that somebody has changed by hand. */
const queue: Make = (fuzzer) => {
  const found = fuzzer.ofClass(/^Object$/) as Record<string, unknown> | undefined;
  if (found === undefined || fuzzer.chance.is(0.85)) return found;
  const copy = { ...found };
  copy[fuzzer.chance.one(Object.keys(copy))] = hostile(fuzzer.chance);
  return copy;
};
const end: Make = (fuzzer) => fuzzer.ofClass(/Producer|Consumer/);
const band = int(0, 7);

const hints: Hints = {
  'create fixed': [
    options(
      { kind: oneOf('spsc', 'mpsc', 'spmc', 'banded'), capacity: oneOf(2, 4, 64), recordBytes: oneOf(8, 16, 64) },
      common,
    ),
  ],
  'create variable': [options({ kind: oneOf('spsc', 'mpsc', 'spmc', 'banded'), capacityBytes: size }, common)],
  'create linked': [
    options({
      kind: oneOf('spsc'), backend: oneOf('linked'), capacityBytes: oneOf(4096, 8192), chunkBytes: oneOf(1024, 2048),
    }),
  ],
  'create values': [
    options({ kind: oneOf('spsc', 'mpsc', 'spmc', 'banded'), codec }, { capacityBytes: size, capacity: oneOf(4, 16) }),
  ],
  'create in thread': [options({ backend: oneOf('deque', 'window'), capacity: int(1, 50) }, { kind: oneOf('spsc') })],
  'create pipe': [
    options(
      { backend: oneOf('pipe') },
      {
        framing: oneOf('line', 'length'), values: oneOf('text', 'bytes'), maxRecordBytes: int(1, 1000),
        capacityBytes: oneOf(4096),
      },
    ),
  ],
  // A file that is not there: what create and open do with files, their tests say.
  open: [
    options(
      { kind: oneOf('spsc', 'mpsc', 'spmc'), memory: oneOf({ name: 'percore-fuzz-is-not-there' }) },
      { recordBytes: oneOf(8), codec },
    ),
  ],
  pub: [queue, options({}, { publishEvery: int(1, 10) })],
  sub: [
    queue,
    options(
      {},
      {
        name: oneOf('a', 'b'), whenSlow: oneOf('refuse', 'drop-oldest', 'drop-newest', 'evict'),
        maxLagRecords: int(1, 4), after: end,
      },
    ),
  ],
  close: [queue],
  recover: [queue, int(1, 5)],
  inspect: [queue],
  link: [end, end],
  closePipe: [queue],
  codecOf: [codec],
  struct: [() => ({ id: 'u32', price: 'f64' })],
  structReader: [() => queues.struct({ id: 'u32' })],
  structWriter: [() => queues.struct({ id: 'u32' })],
  recordMemory: [() => new ArrayBuffer(64), int(0, 8), int(0, 16)],
  bytesFor: [options({ kind: oneOf('spsc', 'mpsc'), capacityBytes: size })],
  nameOfCode: [int(-8, 2)],

  'ValueProducer.offer': [anything],
  'BandedValueProducer.offer': [anything, band],
  'BandedProducer.offer': [bytes, band],
  'DequeProducer.offer': [anything],
  offer: [bytes, int(0, 5)],
  band: [band],
  tryClaim: [int(0, 40), int(0, 5)],
  claimOrBlock: [int(0, 40), int(0, 5)],
  commit: [],
  drain: [aFunction, int(1, 20)],
  space: [wait],
  ready: [wait],
  'VariableProducer.space': [int(0, 24), wait],
  'FixedProducer.space': [int(1, 2), wait],
  'LinkedProducer.space': [int(0, 24), wait],
  move: [int(1, 10)],
  run: [wait],
};

const made = (name: string) =>
  [name, (...args: any[]) => (queues.create as (...args: any[]) => unknown)(...args)] as const;

let folder: string | undefined;

export const world: World = {
  hints,
  makers: [
    made('create fixed'),
    made('create variable'),
    made('create linked'),
    made('create values'),
    made('create values'),
    made('create in thread'),
    made('create pipe'),
    ...(
      [
        'pub', 'sub', 'pub', 'sub', 'pub', 'sub', 'close', 'recover', 'inspect', 'link', 'closePipe', 'codecOf',
        'open', 'struct', 'structReader', 'structWriter', 'recordMemory', 'bytesFor', 'nameOfCode',
      ] as const
    ).map((name) => [name, queues[name] as (...args: any[]) => unknown] as const),
  ],
  // Positions and lengths of records in place are what the last call said they are, and nothing else: unchecked by
  // design, as a DataView is checked and cannot be reached past its end.
  leftOut: [],
  bound(name, args) {
    // What may stand still stands still for as long as it is told.
    if (/readySync|roomSync/.test(name))
      return /roomSync/.test(name) && /Variable|Fixed|Linked/.test(name)
        ? [args[0], { timeoutMs: 2 }]
        : [{ timeoutMs: 2 }];
    // A pipe's path would be made where the test stands.
    const [first] = args as [Record<string, unknown> | undefined];
    if (
      /create pipe/.test(name)
      && typeof first === 'object'
      && first !== null
      && 'path' in first
      && typeof first['path'] === 'string'
    )
      first['path'] = join(folder!, 'pipe');
    return args;
  },
  begin() {
    if (folder !== undefined) return;
    const made = (folder = mkdtempSync(join(tmpdir(), 'percore-fuzz-queues-')));
    process.once('exit', () => rmSync(made, { recursive: true, force: true }));
  },
};
