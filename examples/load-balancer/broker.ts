/**
 * Lines from a stream of a broker, and results to one: `--from nats://HOST:PORT/NAME --to nats://HOST:PORT/NAME`. Both
 * in reactor 0, over one connection where it is one broker.
 *
 *      stream --consumer--> Input --lanes--> owners --> Outputs --publisher--> stream
 *         ^                                                             |
 *         +-- acknowledged when all its lines were worked, and the results stored --+
 *
 * A message has whole lines; the line feed behind the last may be left out. Acknowledged in batches: how many lines
 * were sent to each owner is noted, then waited until each has worked as many, then until their results are stored.
 * After a death of an owner nothing is acknowledged any more. Nor is anything after a result that the broker will not
 * store: its stream takes no message as large, or not from this user. Then the job ends, since it would only keep from
 * others what it has; the broker gives all of it to the next. So it does where the broker ends the connection for good.
 */
import { BACK_PRESSURED, OK, nameOfCode, type Reactor } from 'percore';
import {
  createNatsConsumer, createNatsPublisher, ensureStream, openNats, type Nats, type NatsConsumer, type NatsPublisher,
} from 'percore/nats';
import type { JobCounters } from './counters.js';
import type { Feed, Input } from './input.js';

/** A broker, and the stream and subject there, which have one name. */
export interface BrokerPlace {
  readonly server: string;
  readonly name: string;
}

export interface BrokerPlaces {
  readonly from: BrokerPlace | undefined;
  readonly to: BrokerPlace | undefined;
}

const CONSUMER = 'load-balancer';
/** Messages that were read and are not acknowledged. */
const MOST_IN_FLIGHT = 256;
/** So long after the death of a job the next one is given what that had not acknowledged. */
const ACK_WAIT_MS = 3000;
/** Records of results that are not stored. */
const MOST_PENDING = 256;
const LOOK_MS = 1;
const BANDS = 8;
const LINE_FEED = 10;

export class BrokerEnds {
  private readonly bridges = new Map<string, Nats>();
  private consumer: NatsConsumer | undefined;
  private publisher: NatsPublisher | undefined;
  private input: Input | undefined;
  /** One message after the other is given to the input, in the order in which they came. */
  private tail: Promise<void> = Promise.resolve();
  private resumed: Promise<void> | undefined;
  private resume: (() => void) | undefined;
  /** Messages whose lines are in the lanes. */
  private sent: (() => void)[] = [];
  private isSettling = false;
  /** A result will not be stored: the broker takes no message as large, or not from this user, or it is gone. */
  private hasLost = false;
  private readonly whenLost: Promise<void>;
  private tellLost!: () => void;
  /** Rejects with why nothing more can be acknowledged, or why the broker has ended the connection for good. */
  readonly ended: Promise<never>;
  private tellEnded!: (why: Error) => void;

  constructor(private readonly reactor: Reactor, private readonly counters: readonly JobCounters[]) {
    this.whenLost = new Promise((resolve) => (this.tellLost = resolve));
    this.ended = new Promise((_, reject) => (this.tellEnded = reject));
    this.ended.catch(() => undefined);
  }

  /** `onOutput`: results go to the broker from now on. It is called before a line is read. */
  async open({ from, to }: BrokerPlaces, makeInput: (feed: Feed) => Input, onOutput: () => void): Promise<void> {
    if (to !== undefined) {
      const nats = await this.bridge(to);
      this.publisher = createNatsPublisher(nats, { subject: to.name, mostPending: MOST_PENDING });
      onOutput();
    }
    if (from === undefined) return;
    const nats = await this.bridge(from);
    const input = (this.input = makeInput({
      pause: () => (this.resumed ??= new Promise((resolve) => (this.resume = resolve))),
      resume: () => {
        this.resume?.();
        this.resumed = undefined;
      },
      // A bad line is counted; there is nobody to answer.
      reject: () => undefined,
    }));
    this.consumer = await createNatsConsumer(
      nats, {
        stream: from.name, name: CONSUMER, mostInFlight: MOST_IN_FLIGHT, concurrency: MOST_IN_FLIGHT,
        ackWaitMs: ACK_WAIT_MS,
      },
      async ({ bytes }) => {
        const isInLanes = (this.tail = this.tail.then(() => this.push(input, bytes)));
        await isInLanes;
        await new Promise<void>((resolve) => {
          this.sent.push(resolve);
          if (!this.isSettling) void this.settle();
        });
      },
    );
  }

  /** For the task of results: OK, or BACK_PRESSURED while the broker has too many of them to store. */
  publish(bytes: Uint8Array): number {
    // What lies in a lane is the lane's.
    const code = this.publisher?.publish(bytes.slice()) ?? OK;
    if (code === BACK_PRESSURED) return BACK_PRESSURED;
    if (code !== OK) this.lose(`the broker takes no message of ${bytes.length} bytes of results: ${nameOfCode(code)}`);
    return OK;
  }

  /** From now on nothing is acknowledged. */
  lose(why: string): void {
    this.hasLost = true;
    this.tellLost();
    this.tellEnded(new Error(why));
  }

  /** All results that were handed to the broker are stored. */
  get isAllStored(): boolean {
    return !this.hasLost && (this.publisher?.status().dropped ?? 0) === 0;
  }

  /** Reads no more; resolves when what was read is acknowledged, or never will be. */
  async stop(): Promise<void> {
    await Promise.race([this.consumer?.drain(), this.whenLost]);
    // Gives back what it has.
    if (this.hasLost) this.consumer?.close();
    await new Promise<void>((resolve) => (this.input === undefined ? resolve() : this.input.end(resolve)));
  }

  async close(timeoutMs: number): Promise<void> {
    await Promise.all([...this.bridges.values()].map((nats) => nats.close({ timeoutMs })));
  }

  private async bridge({ server, name }: BrokerPlace): Promise<Nats> {
    const nats = this.bridges.get(server) ?? await openNats(this.reactor, { servers: server });
    if (!this.bridges.has(server)) void nats.closed.then((error) => {
      if (error !== undefined) this.tellEnded(error);
    });
    this.bridges.set(server, nats);
    await ensureStream(nats, { name, subjects: [name], existing: 'kept' });
    return nats;
  }

  private async push(input: Input, bytes: Uint8Array): Promise<void> {
    input.push(bytes.at(-1) === LINE_FEED ? bytes : Buffer.concat([bytes, Buffer.from('\n')]));
    // The lanes are full, and the rest of it waits.
    while (this.resumed !== undefined) await this.resumed;
  }

  private async settle(): Promise<void> {
    this.isSettling = true;
    const { counters, reactor } = this;
    const own = counters[reactor.id]!;
    const pause = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, LOOK_MS));
    while (this.sent.length !== 0) {
      const batch = this.sent;
      this.sent = [];
      const lines = counters.map((_, owner) => Array.from({ length: BANDS }, (_, band) => own.sent(owner, band)));
      const isWorked = (owner: JobCounters, id: number): boolean =>
        lines[id]!.every((count, band) => owner.worked(reactor.id, band) >= count);
      while (!counters.every(isWorked)) await pause();
      if (this.publisher !== undefined) {
        const records = counters.map((owner) => owner.resultRecordsTo(reactor.id));
        while (!records.every((count, owner) => own.resultRecordsFrom(owner) >= count)) await pause();
        // Where the connection ends before, they are not stored.
        await this.publisher.flushed().catch(({ message }: Error) => this.lose(message));
        if (!this.isAllStored) return this.lose('the broker does not store a result');
      }
      for (const acknowledge of batch) acknowledge();
    }
    this.isSettling = false;
  }
}
