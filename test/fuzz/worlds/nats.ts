/**
 * `percore/nats`, with a broker of its own where the machine has one; without, all that is checked before and what
 * becomes of a connection that is refused.
 */
import * as percore from 'percore';
import * as nats from 'percore/nats';
import { Broker, freePort, NATS_SERVER } from '../../../src/nats/fixtures/broker.js';
import {
  aFunction, anything, aText, bytes, int, oneOf, options, type Fuzzer, type Hints, type Make, type World,
} from '../fuzzer.js';
import { hints as runtimeHints } from './runtime.js';

const entry = new URL('../reactor-entry.js', import.meta.url);
let runtime: percore.Runtime;
let broker: Broker | undefined;
let link: nats.Nats | undefined;
let closedPort = 1;

const linked: Make = (fuzzer) => (fuzzer.chance.is(0.9) ? link : fuzzer.ofClass(/^NatsLink$/));
const streamName = oneOf('ORDERS', 'OTHERS', 'none of these');
const consuming = {
  subject: oneOf('orders.>', 'nothing.*', 'orders..x'), from: oneOf('all', 'new'), mostInFlight: int(1, 9),
  ackWaitMs: oneOf(1000, 5000), tries: int(1, 3), concurrency: int(1, 3), priority: int(0, 7), class: oneOf('bulk'),
};
const publisher: Make = (fuzzer) => fuzzer.ofClass(/Publisher$/);
const publishing: Make = options({}, {
  key: oneOf('a', 'b', new Uint8Array(4)), bucket: int(0, 1024), below: oneOf('eur', 'a b', ''), id: aText,
  headers: oneOf({ traceparent: 'x' }, { 'a b': 'x' }, {}),
});

const hints: Hints = {
  ...runtimeHints,
  openNats: [() => runtime, options({
    servers: () => [`nats://127.0.0.1:${closedPort}`], timeoutMs: int(1, 200), reconnectMs: int(1, 99),
  }, { name: aText, user: aText, pass: aText, token: aText, pingMs: int(100, 900), client: oneOf({}) })],
  ensureStream: [linked, options({ name: streamName, subjects: oneOf(['orders.>'], ['others.*'], ['a b'], []) }, {
    keeps: oneOf('limits', 'workqueue', 'interest'), mostMessages: int(1, 99), mostBytes: oneOf(1024, 2 ** 20),
    whenFull: oneOf('refuse', 'oldest'), duplicatesMs: int(100, 999), replicas: int(1, 2),
    storage: oneOf('file', 'memory'),
  })],
  createNatsPublisher: [linked, options({ subject: oneOf('orders', 'others', 'a b', '') }, {
    ranges: oneOf(1, 4, 5), mostPending: int(1, 9), mostPendingBytes: oneOf(1, 1024), confirmMs: oneOf(50, 1000),
    inOrder: oneOf(true, false), headers: () => () => ({ traceparent: 'x' }),
  })],
  publish: [bytes, publishing],
  stored: [bytes, publishing],
  flushed: [options({ timeoutMs: int(1, 50) })],
  createNatsConsumer: [linked, options({ stream: streamName, name: oneOf('one', 'two', 'a b') }, consuming), aFunction],
  topicToSubject: [linked, options({ topic: oneOf('prices', 'prices*'), to: publisher }, {
    encode: oneOf(JSON.stringify, () => 5), describe: () => () => ({}), subscribe: oneOf({}, { capacity: 2 }),
  })],
  subjectToTopic: [linked, options({
    stream: streamName, name: oneOf('three', 'four'),
    topic: () => ({ publish: () => 0 }),
  }, consuming)],
  joinOwners: [linked, options({
    stream: streamName, name: oneOf('shares'), subject: oneOf('orders', 'others', 'a b'),
  }, {
    ranges: oneOf(1, 4), machine: aText, leaseMs: oneOf(1000, 3000), mostInFlight: int(1, 9), replicas: int(1, 2),
    onRangeArrives: aFunction, onRangeLeaves: aFunction, tries: int(1, 3),
  }), aFunction],
  header: [aText],
  emit: [anything],
};

const makers = [
  'openNats', 'ensureStream', 'createNatsPublisher', 'createNatsConsumer', 'topicToSubject', 'subjectToTopic',
  'joinOwners',
].map((name) => [name, (nats as unknown as Record<string, (...args: any[]) => unknown>)[name]!] as const);

export const world: World = {
  hints,
  makers,
  leftOut: ['Runtime.ready'],
  bound(name, args) {
    // To nobody's broker but the fuzzer's own.
    if (name !== 'openNats') return args;
    const given = args[1];
    if (typeof given !== 'object' || given === null) return args;
    args[1] = { ...given, servers: `nats://127.0.0.1:${closedPort}` };
    return args;
  },
  async begin(fuzzer: Fuzzer) {
    if (broker === undefined && NATS_SERVER !== undefined) {
      broker = await Broker.start();
      const { child } = broker as unknown as { child: { kill(signal: string): void } };
      process.once('exit', () => child.kill('SIGKILL'));
      closedPort = await freePort();
    }
    runtime = await percore.createRuntime({
      entry, reactors: 1, pin: false, idle: { strategy: 'park' }, laneBytes: 2 ** 16,
      classes: { bulk: { priority: 1 } }, data: { seed: fuzzer.chance.below(1e9) },
    });
    runtime.on('stepError', ({ error }: { error: Error }) => fuzzer.judgeRemote(error));
    runtime.on('messageDropped', () => undefined);
    link = broker === undefined ? undefined : await nats.openNats(runtime, { servers: broker.url });
    if (link === undefined) return;
    await nats.ensureStream(link, { name: 'ORDERS', subjects: ['orders.>'], storage: 'memory' });
    fuzzer.adopt(link, 'the link');
  },
  async end() {
    await runtime.close({ drainMs: 200 });
  },
  calls: 110,
};
