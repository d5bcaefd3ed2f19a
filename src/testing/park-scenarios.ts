/**
 * The park and wake handshake under the explorer: shipped rings, shipped `notify` and `summon`, and the sleeper's native half
 * as a script with the accesses of `park` in native/turn.cc, in its order. The eventfd is a word that counts; sleeping is
 * waiting until it is above 0. Two of its defects can be asked for, to see that they are found.
 */
import { partyLayout, queueLayout, words } from '../layout.js';
import { explore, type Report, type Verdict, type VirtualThread } from './explorer.js';
import { assert, makeWorld, type Seed, type World } from './world.js';

const ATTENTION = partyLayout.fields.attention.at >> 2;
const YIELD_REQUESTED = partyLayout.fields.yieldRequested.at >> 2;
const PRODUCER_CURSOR = queueLayout.fields.producerCursor.at >> 2;
const CONSUMER_CURSOR = queueLayout.fields.consumerCursor.at >> 2;
const { PARKED, AWAKE } = words.attention;
const BAND = 5;

/** One party that can sleep, as the native half sees it. Everything it remembers is shared. */
class Sleeper {
  readonly party: Int32Array;
  readonly eventfd: Int32Array;

  constructor(private readonly world: World) {
    const { Int32Array, SharedArrayBuffer } = world.globals;
    this.party = new Int32Array(new SharedArrayBuffer(partyLayout.bytes));
    this.eventfd = new Int32Array(new SharedArrayBuffer(4));
    world.memory.name(this.party.buffer as SharedArrayBuffer, 'party', partyLayout);
    world.memory.name(this.eventfd.buffer as SharedArrayBuffer, 'eventfd');
    world.globals.Atomics.store(this.party, ATTENTION, AWAKE);
  }

  /** Stores PARKED, then looks again. True: nothing was there, so it may sleep. */
  park(laneHasRecords: () => boolean, looksAgain = true): boolean {
    const { Atomics } = this.world.globals;
    Atomics.store(this.party, ATTENTION, PARKED);
    if (!looksAgain) return true;
    const yieldRequested = Atomics.load(this.party, YIELD_REQUESTED) === 1;
    if (!yieldRequested && !laneHasRecords()) return true;
    if (yieldRequested) Atomics.store(this.party, YIELD_REQUESTED, 0);
    Atomics.store(this.party, ATTENTION, AWAKE);
    return false;
  }

  /** False while it sleeps. */
  wakesUp(): boolean {
    const { Atomics } = this.world.globals;
    if (Atomics.exchange(this.eventfd, 0, 0) === 0) return false;
    Atomics.store(this.party, ATTENTION, AWAKE);
    return true;
  }

  readonly wake = (): void => void this.world.globals.Atomics.add(this.eventfd, 0, 1);
}

export interface ParkScenario {
  start?: number;
  /** How many messages each producer sends, over a ring of its own. */
  producers: readonly number[];
  /** While it drains, the sleeper says that it runs this band, below the messages'. */
  runsBand?: number;
  /** Each producer may die; the supervisor then writes the eventfd, or calls `summon`, or does nothing. */
  deathMeets?: 'eventfd' | 'summon' | 'nobody';
  /** Defect: the producer looks at attention before it publishes. */
  notifiesFirst?: boolean;
  /** Defect: the sleeper does not look again after it has said that it may sleep. */
  forgetsToLook?: boolean;
  seeds?: readonly Seed[];
}

/** Producers send records to a party that parks whenever it finds none. */
export function parkHandshake(scenario: ParkScenario): Report {
  const { start = 0, producers: counts, deathMeets } = scenario;
  const world = makeWorld(scenario.seeds);
  const { memory, queues, parking } = world;
  const { Atomics, Int32Array, SharedArrayBuffer } = world.globals;
  const sleeper = new Sleeper(world);
  const deaths = new Int32Array(new SharedArrayBuffer(4));
  memory.name(deaths.buffer as SharedArrayBuffer, 'deaths');

  const lanes = counts.map((messages, i) => {
    const queue = queues.create({ kind: 'spsc', capacity: 2, recordBytes: 4, startSequence: start });
    memory.name(queue.buffer, `lane${i}`, queueLayout);
    return { messages, producer: queues.pub(queue), consumer: queues.sub(queue), sending: { sent: 0 } };
  });
  const mine = { phase: 'drain' as 'drain' | 'park' | 'sleep', received: counts.map(() => 0) };

  const producerThreads = lanes.map(({ messages, producer, sending }, i): VirtualThread => ({
    name: `producer${i}`,
    owns: [producer, sending],
    mayDie: deathMeets !== undefined,
    onDeath: () => void Atomics.store(deaths, 0, 1),
    step() {
      if (sending.sent === messages) return 'done';
      const at = producer.tryClaim();
      if (at < 0) return 'wait';
      if (scenario.notifiesFirst === true) parking.notify(sleeper.party, BAND, sleeper.wake);
      producer.words[producer.wordOf(at)] = sending.sent + 1;
      producer.commit();
      if (scenario.notifiesFirst !== true) parking.notify(sleeper.party, BAND, sleeper.wake);
      sending.sent++;
    },
  }));

  const laneHasRecords = (): boolean =>
    lanes.some(({ consumer }) => Atomics.load(consumer.words, PRODUCER_CURSOR) !== Atomics.load(consumer.words, CONSUMER_CURSOR));

  function drainLanes(): void {
    if (scenario.runsBand !== undefined) Atomics.store(sleeper.party, ATTENTION, scenario.runsBand);
    lanes.forEach(({ consumer }, i) => consumer.drain((view, offset) => {
      const record = view.getInt32(offset, true);
      assert(record === ++mine.received[i], () => `received ${record} where ${mine.received[i]} was due`);
    }));
    if (scenario.runsBand !== undefined) Atomics.store(sleeper.party, ATTENTION, AWAKE);
  }

  const hasAll = (): boolean => mine.received.every((count, i) => count === counts[i]);

  function live(): Verdict {
    switch (mine.phase) {
      case 'drain':
        if (hasAll()) return 'done';
        drainLanes();
        mine.phase = 'park';
        return;
      case 'park':
        mine.phase = !hasAll() && sleeper.park(laneHasRecords, scenario.forgetsToLook !== true) ? 'sleep' : 'drain';
        return;
      case 'sleep':
        if (!sleeper.wakesUp()) return 'wait';
        mine.phase = 'drain';
    }
  }

  const supervisor: VirtualThread = {
    name: 'supervisor',
    owns: [],
    mayWait: true,
    step() {
      if (Atomics.load(deaths, 0) === 0) return 'wait';
      if (deathMeets === 'eventfd') sleeper.wake();
      if (deathMeets === 'summon') parking.summon(sleeper.party, sleeper.wake);
      return 'done';
    },
  };

  return explore({
    memory,
    threads: [...producerThreads, { name: 'sleeper', owns: [mine, ...lanes.map(({ consumer }) => consumer)], step: live, mayWait: deathMeets !== undefined }, supervisor],
    atEnd({ dead }) {
      lanes.forEach(({ producer }, i) => {
        const published = (Atomics.load(producer.words, PRODUCER_CURSOR) - start) | 0;
        assert(mine.received[i] === published, () => `at the end ${published - mine.received[i]} records of producer${i} lie unread`);
        assert(dead.includes(`producer${i}`) || published === counts[i], () => `producer${i} is alive and has sent ${published} of ${counts[i]}`);
      });
    },
  });
}

/** A party that found no room parks; the consumer's `onSpace` summons it. */
export function roomHandshake({ start = 0, messages, seeds }: { start?: number; messages: number; seeds?: readonly Seed[] }): Report {
  const world = makeWorld(seeds);
  const { memory, queues, parking } = world;
  const sleeper = new Sleeper(world);
  const queue = queues.create({ kind: 'spsc', capacity: 2, recordBytes: 4, startSequence: start });
  memory.name(queue.buffer, 'lane', queueLayout);
  const producer = queues.pub(queue);
  const consumer = queues.sub(queue);
  const sending = { phase: 'send' as 'send' | 'ask' | 'park' | 'sleep', sent: 0 };
  const receiving = { received: 0 };
  consumer.onSpace = () => parking.summon(sleeper.party, sleeper.wake);

  function send(): Verdict {
    switch (sending.phase) {
      case 'send': {
        if (sending.sent === messages) return 'done';
        const at = producer.tryClaim();
        if (at < 0) {
          sending.phase = 'ask';
          return;
        }
        producer.words[producer.wordOf(at)] = ++sending.sent;
        producer.commit();
        return;
      }
      case 'ask':
        sending.phase = producer.askForSpace(1) ? 'send' : 'park';
        return;
      case 'park':
        sending.phase = sleeper.park(() => false) ? 'sleep' : 'send';
        return;
      case 'sleep':
        if (!sleeper.wakesUp()) return 'wait';
        sending.phase = 'send';
    }
  }

  function receive(): Verdict {
    if (receiving.received === messages) return 'done';
    const count = consumer.drain((view, offset) => {
      const record = view.getInt32(offset, true);
      assert(record === ++receiving.received, () => `received ${record} where ${receiving.received} was due`);
    });
    if (count === 0) return 'wait';
  }

  return explore({
    memory,
    threads: [
      { name: 'sender', owns: [producer, sending], step: send },
      { name: 'consumer', owns: [consumer, receiving], step: receive },
    ],
  });
}
