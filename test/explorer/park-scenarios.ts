/**
 * The park and wake handshake under the explorer: shipped rings, shipped `notify` and `summon`, and the sleeper's
 * native half as a script with the accesses of `park`, `poll` and `onCheck` in native/turn.cc. The eventfd is a word
 * that counts; sleeping is waiting until it, or the word that stands for libuv's own reasons to wake, is above 0.
 * Defects of either half can be asked for, to see that they are found.
 */
import { partyLayout, queueLayout, words } from '../../src/layout.js';
import { ASK_FOR_ROOM, ON_ROOM } from '../../src/queues/doors.js';
import { explore, type Report, type Verdict, type VirtualThread } from '../../src/testing/explorer.js';
import { UNOBSERVED, assert, makeWorld, nameQueue, type Seed, type World } from './world.js';

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
  /** 1: libuv has a reason of its own to end the sleep, such as a timer of Node's. */
  readonly libuv: Int32Array;

  constructor(private readonly world: World) {
    const { Int32Array, SharedArrayBuffer } = world.globals;
    this.party = new Int32Array(new SharedArrayBuffer(partyLayout.bytes));
    this.eventfd = new Int32Array(new SharedArrayBuffer(4));
    this.libuv = new Int32Array(new SharedArrayBuffer(4));
    world.memory.name(this.party.buffer as SharedArrayBuffer, 'party', partyLayout);
    world.memory.name(this.eventfd.buffer as SharedArrayBuffer, 'eventfd');
    world.memory.name(this.libuv.buffer as SharedArrayBuffer, 'libuv');
    world.globals.Atomics.store(this.party, ATTENTION, AWAKE);
  }

  /** Stores PARKED, then looks again. True: nothing was there, so it may sleep. */
  park(laneHasRecords: () => boolean, looksAgain = true): boolean {
    const { Atomics } = this.world.globals;
    Atomics.store(this.party, ATTENTION, PARKED);
    if (!looksAgain) return true;
    const hasRecords = laneHasRecords();
    const isSummoned = Atomics.load(this.party, YIELD_REQUESTED) !== 0;
    if (!hasRecords && !isSummoned) return true;
    if (isSummoned) Atomics.store(this.party, YIELD_REQUESTED, 0);
    Atomics.store(this.party, ATTENTION, AWAKE);
    return false;
  }

  /** False while it sleeps. The look at the lanes that follows does not depend on the order of these two stores. */
  wakesUp(collectsFirst: boolean): boolean {
    const { Atomics } = this.world.globals;
    const isSignalled = Atomics.load(this.eventfd, 0) > 0;
    if (!isSignalled && Atomics.exchange(this.libuv, 0, 0) === 0) return false;
    if (isSignalled && collectsFirst) Atomics.store(this.eventfd, 0, 0);
    Atomics.store(this.party, ATTENTION, AWAKE);
    if (isSignalled && !collectsFirst) Atomics.store(this.eventfd, 0, 0);
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
  /** libuv ends one sleep for a reason of its own. */
  wakesByItself?: boolean;
  /** It reads the eventfd before it stores AWAKE, not after, as turn.cc does. */
  collectsFirst?: boolean;
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
    nameQueue(world, queue, `lane${i}`);
    return { messages, producer: queues.pub(queue), consumer: queues.sub(queue), sending: { sent: 0 } };
  });
  const mine = { phase: 'drain' as 'drain' | 'park' | 'sleep', received: counts.map(() => 0) };

  const producerThreads = lanes.map(({ messages, producer, sending }, i): VirtualThread => ({
    name: `producer${i}`,
    owns: [producer, sending],
    unobserved: UNOBSERVED,
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
    lanes.some(
      ({ consumer }) => Atomics.load(consumer.words, PRODUCER_CURSOR) !== Atomics.load(consumer.words, CONSUMER_CURSOR),
    );

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
        if (!sleeper.wakesUp(scenario.collectsFirst === true)) return 'wait';
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

  const libuv = { isDone: false };
  const libuvThread: VirtualThread = {
    name: 'libuv',
    owns: [libuv],
    step() {
      if (libuv.isDone) return 'done';
      Atomics.store(sleeper.libuv, 0, 1);
      libuv.isDone = true;
    },
  };

  return explore({
    memory,
    threads: [
      ...producerThreads,
      {
        name: 'sleeper', owns: [mine, ...lanes.map(({ consumer }) => consumer)], step: live, unobserved: UNOBSERVED,
        mayWait: deathMeets !== undefined,
      },
      ...(deathMeets === undefined ? [] : [supervisor]),
      ...(scenario.wakesByItself === true ? [libuvThread] : []),
    ],
    atEnd({ dead }) {
      lanes.forEach(({ producer }, i) => {
        const published = (Atomics.load(producer.words, PRODUCER_CURSOR) - start) | 0;
        assert(
          mine.received[i] === published,
          () => `at the end ${published - mine.received[i]} records of producer${i} lie unread`,
        );
        assert(
          dead.includes(`producer${i}`) || published === counts[i],
          () => `producer${i} is alive and has sent ${published} of ${counts[i]}`,
        );
      });
    },
  });
}

/** A party that found no room parks; the consumer's `onRoom` summons it. */
export function roomHandshake({
  start = 0, messages, seeds,
}: {
  start?: number;
  messages: number;
  seeds?: readonly Seed[];
}): Report {
  const world = makeWorld(seeds);
  const { memory, queues, parking } = world;
  const sleeper = new Sleeper(world);
  const queue = queues.create({ kind: 'spsc', capacity: 2, recordBytes: 4, startSequence: start });
  nameQueue(world, queue, 'lane');
  const producer = queues.pub(queue);
  const consumer = queues.sub(queue);
  const sending = { phase: 'send' as 'send' | 'ask' | 'park' | 'sleep', sent: 0 };
  const receiving = { received: 0 };
  consumer[ON_ROOM](() => parking.summon(sleeper.party, sleeper.wake));

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
        sending.phase = producer[ASK_FOR_ROOM](1) ? 'send' : 'park';
        return;
      case 'park':
        sending.phase = sleeper.park(() => false) ? 'sleep' : 'send';
        return;
      case 'sleep':
        if (!sleeper.wakesUp(false)) return 'wait';
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
      { name: 'sender', owns: [producer, sending], step: send, unobserved: UNOBSERVED },
      { name: 'consumer', owns: [consumer, receiving], step: receive, unobserved: UNOBSERVED },
    ],
  });
}
