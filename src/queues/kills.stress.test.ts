/**
 * Threads that are killed at any moment: in the middle of a claim, a drain, a push, a sleep, a join. `recover` is
 * called after each exit and a successor is started, and mortal-worker.ts checks every message: order is kept, nothing
 * is read again except what at-least-once allows, the loss is bounded, and the other ends go on. In CI each of six
 * queues loses two threads by `terminate()` and one in each other way; with `PERCORE_STRESS=1` there are 1,000 deaths
 * of each kind. Seeds are random and printed with a failure. They decide who dies and when, but not how the threads
 * run.
 */
import { Worker } from 'node:worker_threads';
import { afterAll, describe, expect, it } from 'vitest';
import {
  DEATHS, EXPECTED, LEDGER_WORDS, PRODUCERS, SENT, STOP, WRONG, type Death, type Mortal,
} from './fixtures/ledger.js';
import { isLong } from './fixtures/stress.js';
import { close, create, inspect, recover, type Queue, type SubOptions } from './index.js';

interface Role {
  readonly role: 'producer' | 'consumer';
  readonly number: number;
  readonly options?: SubOptions;
}
interface Scenario {
  readonly name: string;
  readonly queue: () => Queue;
  readonly publishEvery: number;
  readonly limit: number;
  readonly verb?: 'drain' | 'peek';
  readonly roles: readonly Role[];
}
interface Party extends Role {
  generation: number;
  worker: Worker;
  threadId: number;
  incarnation: number;
  exit: Promise<unknown>;
  failure: unknown;
}

const producer = (number = 0): Role => ({ role: 'producer', number });
const consumer = (number = 0, options?: SubOptions): Role => ({
  role: 'consumer', number, ...(options === undefined ? {} : { options }),
});
/** The start lies below a wrap that every scenario passes. */
const startSequence = 2 ** 32 - 2 ** 16;
const declared = { a: {}, b: { after: ['a'] } } as const;

const scenarios: Scenario[] = [
  {
    name: 'spsc, fixed, at most once',
    queue: () => create({ kind: 'spsc', capacity: 64, recordBytes: 16, startSequence }), publishEvery: 8, limit: 16,
    roles: [producer(), consumer()],
  },
  {
    name: 'spsc, fixed, at least once',
    queue: () => create({ kind: 'spsc', capacity: 16, recordBytes: 16, startSequence }), publishEvery: 1, limit: 16,
    verb: 'peek', roles: [producer(), consumer()],
  },
  {
    name: 'spsc, variable, at most once', queue: () => create({ kind: 'spsc', capacityBytes: 1024, startSequence }),
    publishEvery: 4, limit: 16, roles: [producer(), consumer()],
  },
  {
    name: 'spsc, variable, at least once', queue: () => create({ kind: 'spsc', capacityBytes: 256, startSequence }),
    publishEvery: 1, limit: 4, verb: 'peek', roles: [producer(), consumer()],
  },
  {
    name: 'mpsc, lanes handed to and fro',
    queue: () =>
      create({ kind: 'mpsc', capacity: 64, recordBytes: 16, maxProducers: 2, maxConsumers: 2, startSequence }),
    publishEvery: 4,
    limit: 16,
    roles: [producer(0), producer(1), consumer(), consumer()],
  },
  {
    name: 'spmc, a pipeline and one that is lapped',
    queue: () =>
      create({ kind: 'spmc', capacity: 64, recordBytes: 16, maxConsumers: 3, consumers: declared, startSequence }),
    publishEvery: 4,
    limit: 16,
    roles: [
      producer(), consumer(0, { name: 'a' }), consumer(1, { name: 'b' }), consumer(2, { whenSlow: 'drop-oldest' }),
    ],
  },
];

class Town {
  private readonly queue: Queue;
  private readonly ledger = new Int32Array(new SharedArrayBuffer(LEDGER_WORDS * 4));
  private readonly parties: Party[];
  private incarnations = 0;
  private complaint = '';
  readonly seed = 1 + Math.floor(Math.random() * 2 ** 30);
  private random = this.seed;

  constructor(private readonly scenario: Scenario) {
    this.queue = scenario.queue();
    this.parties = scenario.roles.map((role) => this.spawn({ ...role, generation: 0 } as Party));
  }

  below(bound: number): number {
    this.random = (Math.imul(this.random, 1_103_515_245) + 12_345) >>> 0;
    return (this.random >>> 8) % bound;
  }

  /** Starts a thread in this role. It dies by itself if `death` says so. */
  private spawn(party: Party, how?: Exclude<Death, 'terminate'>): Party {
    const { publishEvery, limit, verb } = this.scenario;
    const { role, number, options, generation } = party;
    party.incarnation = ++this.incarnations;
    party.worker = new Worker(new URL('./fixtures/mortal-worker.js', import.meta.url), {
      workerData: {
        queue: this.queue as Mortal['queue'], role, number, incarnation: party.incarnation, generation,
        ledger: this.ledger.buffer as SharedArrayBuffer, publishEvery, limit, seed: 1 + this.below(2 ** 20),
        ...(verb === undefined ? {} : { verb }), ...(options === undefined ? {} : { options }),
        ...(how === undefined ? {} : { death: { how, after: this.below(2000) } }),
      } satisfies Mortal,
      // What a thread that runs out of heap would print.
      stderr: true,
      ...(how === 'heap limit' ? { resourceLimits: { maxOldGenerationSizeMb: 24, maxYoungGenerationSizeMb: 4 } } : {}),
    });
    party.threadId = party.worker.threadId;
    party.failure = undefined;
    party.exit = new Promise((resolve) => party.worker.once('exit', resolve));
    party.worker.on('message', (complaint: string) => void (this.complaint ||= `${role} ${number}: ${complaint}`));
    party.worker.on('error', (error) => {
      party.failure = error;
    });
    return party;
  }

  /** Throws what a reader has complained about. */
  private check(): void {
    if (Atomics.load(this.ledger, WRONG) === 0 && this.complaint === '') return;
    throw new Error(
      `seed ${this.seed}: ${this.complaint || 'a reader complained'} `
        + `(${this.ledger.slice(WRONG + 1, WRONG + 6).join(', ')})`,
    );
  }

  private async until(what: string, isSo: () => boolean): Promise<void> {
    for (const began = performance.now(); !isSo();) {
      this.check();
      const broken = this.parties.find(
        ({ failure }) => failure !== undefined && !(failure as Error).message.includes('dies'),
      );
      if (broken !== undefined && (broken.failure as { code?: string }).code !== 'ERR_WORKER_OUT_OF_MEMORY')
        throw new Error(`seed ${this.seed}: ${broken.role} ${broken.number} failed`, { cause: broken.failure });
      if (performance.now() - began > 60_000)
        throw new Error(`seed ${this.seed}: ${what} for 60 s; ${JSON.stringify(inspect(this.queue))}`);
      await new Promise((resolve) => setTimeout(resolve, 1));
    }
  }

  private readersOf(): number[] {
    const readers = new Set(this.scenario.roles.filter(({ role }) => role === 'consumer').map(({ number }) => number));
    return [...readers].flatMap((reader) => this.producersOf().map((each) => reader * PRODUCERS + each));
  }

  private producersOf(): number[] {
    return this.scenario.roles.filter(({ role }) => role === 'producer').map(({ number }) => number);
  }

  /** Waits until every reader has got something new from every producer. */
  private goesOn(): Promise<void> {
    return this.untilAllChange('not every reader went on', this.readersOf().map((slot) => EXPECTED + slot));
  }

  /** Waits until each of these words of the ledger has another value than now. */
  private async untilAllChange(what: string, words: readonly number[]): Promise<void> {
    const before = words.map((word) => Atomics.load(this.ledger, word));
    await this.until(what, () => words.every((word, i) => Atomics.load(this.ledger, word) !== before[i]));
  }

  /** One thread dies, is recovered after its exit, and gets a successor. */
  async kill(how: Death): Promise<void> {
    const party = this.parties[this.below(this.parties.length)]!;
    if (how === 'terminate') {
      // Some die while they start, most while they work, and some in the middle of the first rush after a death.
      if (this.below(8) > 0) await this.goesOn();
      for (let i = this.below(3000); i > 0; i--) Atomics.load(this.ledger, STOP);
      await party.worker.terminate();
    } else {
      // The successor that is to die by itself takes the place of one that is terminated.
      await this.goesOn();
      await party.worker.terminate();
      await this.bury(party);
      this.spawn(party, how);
    }
    await this.bury(party);
    this.spawn(party);
  }

  private async bury(party: Party): Promise<void> {
    await party.exit;
    this.check();
    if (party.role === 'consumer') Atomics.add(this.ledger, DEATHS + party.number, 1);
    const { producers, consumers } = recover(this.queue, party.threadId);
    expect(producers + consumers, 'places of one thread').toBeLessThanOrEqual(1);
    expect(party.role === 'producer' ? consumers : producers, 'places of the other kind').toBe(0);
    party.generation++;
  }

  /** All ends finish in order, and the readers have got everything that was sent. */
  async end(): Promise<void> {
    await this.goesOn();
    // What the readers have got may be what a dead producer had left, whose last number never became a message. So its
    // successor must have sent something.
    await this.untilAllChange('not every producer sent something', this.producersOf().map((each) => SENT + each));
    Atomics.store(this.ledger, STOP, 1);
    await Promise.all(this.parties.filter(({ role }) => role === 'producer').map(({ exit }) => exit));
    if (this.queue.kind === 'mpsc') close(this.queue);
    await Promise.all(this.parties.map(({ exit }) => exit));
    this.check();
    for (const { failure } of this.parties)
      if (failure !== undefined) throw new Error(`seed ${this.seed}`, { cause: failure });
    for (const slot of this.readersOf())
      expect(this.ledger[EXPECTED + slot], `seed ${this.seed}: what reader ${slot >> 1} expected last`).toBe(
        this.ledger[SENT + (slot % PRODUCERS)],
      );
  }

  async abandon(): Promise<void> {
    await Promise.all(this.parties.map(({ worker }) => worker.terminate()));
  }
}

const kinds: { how: Death; kills: number }[] = [
  { how: 'terminate', kills: isLong ? 1000 : 6 },
  { how: 'throw', kills: isLong ? 1000 : 6 },
  { how: 'exit', kills: isLong ? 1000 : 6 },
  { how: 'heap limit', kills: isLong ? 1000 : 6 },
];
let killed = 0;

describe.each(kinds)('$kills deaths by $how', ({ how, kills }) => {
  const share = (i: number): number => Math.floor(kills / scenarios.length) + (i < kills % scenarios.length ? 1 : 0);

  it.each(scenarios.map((scenario, i) => ({ ...scenario, times: share(i) })))('$times in $name', async (scenario) => {
    const town = new Town(scenario);
    try {
      for (let i = 0; i < scenario.times; i++) {
        await town.kill(how);
        killed++;
      }
      await town.end();
    } finally {
      await town.abandon();
    }
  }, isLong ? 30 * 60_000 : 120_000);

  afterAll(() => console.log(`kills: ${killed} so far`));
});
