/** Rings, their cursors, and what deals their records out: `ring`, `cursor` and `split`. */
import { checkOneOf, invalidArgument } from '../errors.js';
import {
  BACK_PRESSURED, close, create, inspect, pub, struct, value, type Queue, type QueueProducer, type ValueQueue,
} from '../queues/index.js';
import type { Address, Reactor, Reading } from '../reactor/index.js';
import { Dealer, type DealTarget } from './dealer.js';
import { selfOf, taskHere } from './made-tasks.js';
import type { ControlMessages, CursorTarget, TaskTarget } from './messages.js';
import { type Thing, type Things } from './things.js';

/** A queue that this party has created. */
export class MadeRing implements Thing {
  readonly kind = 'ring';
  readonly name: string;
  readonly queue: Queue;

  constructor(message: ControlMessages['ring']) {
    const { name, codec, kind = 'spsc', ...sizes } = message;
    this.name = name;
    this.queue = makeQueue({ ...sizes, kind }, codec);
  }

  /** Nobody may send into it any more; whoever reads it comes to an end when it is empty. */
  close(): void {
    close(this.queue);
  }

  describe(): { about: string; details: Record<string, unknown> } {
    const { kind, capacity, recordBytes, buffer } = this.queue;
    const records = recordBytes === 0 ? `${capacity} bytes` : `${capacity} records of ${recordBytes} bytes`;
    return { about: `${kind}, ${records}`, details: { bytes: buffer.byteLength, ...inspect(this.queue) } };
  }
}

function makeQueue(options: object, codec: ControlMessages['ring']['codec']): Queue {
  // Somebody else has written the rest of what `create` gets: it checks all of it.
  const make = create as (options: object) => Queue;
  if (codec === undefined) return make(options);
  if (codec === 'value') return make({ ...options, codec: value() });
  const fields = typeof codec === 'object' && codec !== null ? codec.struct : undefined;
  if (fields !== undefined) return make({ ...options, codec: struct(fields) });
  throw invalidArgument('ring.codec', codec, "'value', { struct: fields }, or left out for bytes");
}

/** An end of a ring in this party: to send into, or one that feeds a task. */
export class Cursor implements Thing {
  readonly kind = 'cursor';
  readonly name: string;
  readonly #ring: string;
  readonly #producer: (QueueProducer<unknown> & { leave(): void }) | undefined;
  readonly #reading: Reading | undefined;
  readonly #about: string;
  #taken = 0;
  #refused = 0;

  constructor(reactor: Reactor, queue: Queue, message: ControlMessages['cursor']) {
    const { name, ring, task, priority, whenSlow } = message;
    this.name = name;
    this.#ring = ring;
    const producing = task === undefined;
    this.#about = producing ? `sends into ring "${ring}"` : `from ring "${ring}" to task "${task}"`;
    if (producing) {
      for (const reads of ['priority', 'whenSlow'] as const) {
        if (message[reads] !== undefined) {
          throw invalidArgument(`cursor.${reads}`, message[reads], 'left out without a task: the cursor sends');
        }
      }
      this.#producer = pub(queue as ValueQueue<unknown>);
    } else {
      const give = giveTo(reactor, task);
      this.#reading = reactor.sub(queue as ValueQueue<unknown>, {
        ...(priority === undefined ? {} : { priority }), ...(whenSlow === undefined ? {} : { whenSlow }),
      }, (record) => this.#count(give(record)));
    }
  }

  /** Into the ring: OK, BACK_PRESSURED, CLOSED, TOO_LARGE or DROPPED. */
  send(record: unknown): number {
    if (this.#producer === undefined) {
      throw invalidArgument('send.cursor', this.name, 'a cursor that sends: this one feeds a task');
    }
    const code = this.#count(this.#producer.offer(record));
    return code;
  }

  /** Publishes what was sent: what a message of the protocol sends can be seen when the message is acknowledged. */
  flush(): void {
    this.#producer?.flush();
  }

  /** Gives up its place in the ring, so that another may take it. */
  close(): void {
    this.#producer?.leave();
    this.#reading?.leave();
  }

  get sends(): boolean {
    return this.#producer !== undefined;
  }

  describe(): { about: string; details: Record<string, unknown> } {
    return {
      about: this.#about,
      details: {
        ring: this.#ring, role: this.sends ? 'pub' : 'sub', records: this.#taken, refused: this.#refused,
        lost: this.#reading?.lost ?? 0,
      },
    };
  }

  #count(code: number): number {
    if (code === BACK_PRESSURED) this.#refused++;
    else this.#taken++;
    return code;
  }
}

/** Gives a record to a task of this party: as it is, or into its lane if the task takes bytes. */
function giveTo(reactor: Reactor, task: string): (record: unknown) => number {
  const found = taskHere(reactor, 'cursor.task', task);
  if (!found.takesBytes) return (record) => found.push(record);
  const address = reactor.address(task, { reactor: selfOf(reactor), priority: found.band });
  return (record) => address.send(record);
}

/** A ring whose records are dealt out to tasks of any party, and into cursors of this one. */
export class Split implements Thing {
  readonly kind = 'split';
  readonly name: string;
  readonly #from: string;
  readonly #dealer: Dealer;
  readonly #isOverlapped: boolean;
  readonly #reading: Reading;

  constructor(reactor: Reactor, queue: Queue, things: Things, message: ControlMessages['split']) {
    const { name, from, to, priority } = message;
    this.name = name;
    this.#from = from;
    if (!Array.isArray(to) || to.length === 0) throw invalidArgument('split.to', to, 'a list of one target or more');
    const percent = checkShares(message);
    this.#isOverlapped = percent === undefined;
    const targets = to.map((target: TaskTarget | CursorTarget, i: number) => targetOf(reactor, things, target, i));
    this.#dealer = new Dealer(targets, percent);
    this.#reading = reactor.sub(
      queue as ValueQueue<unknown>, priority === undefined ? {} : { priority }, (record) => this.#dealer.deal(record),
    );
  }

  /** Deals no more, and gives up its place in the ring. */
  close(): void {
    this.#reading.leave();
  }

  describe(): { about: string; details: Record<string, unknown> } {
    const targets = this.#dealer.figures();
    const how = this.#isOverlapped ? 'overlapped' : targets.map(({ percent }) => `${percent} %`).join(', ');
    const about = `ring "${this.#from}" over ${targets.length}, ${how}`;
    return { about, details: { from: this.#from, how, targets } };
  }
}

/** The shares, or undefined for copies to all. */
function checkShares({ percent, overlapped, to }: ControlMessages['split']): readonly number[] | undefined {
  if (overlapped !== undefined) {
    if (overlapped !== true) throw invalidArgument('split.overlapped', overlapped, 'true or left out');
    if (percent !== undefined) throw invalidArgument('split.percent', percent, 'left out where overlapped is given');
    return undefined;
  }
  const isList = Array.isArray(percent) && percent.length === to.length
    && percent.every((share: unknown) => Number.isInteger(share) && (share as number) >= 0);
  if (isList && percent.reduce((sum: number, share: number) => sum + share, 0) === 100) return percent;
  throw invalidArgument(
    'split.percent', Array.isArray(percent) ? `[${percent.join(', ')}]` : percent,
    `whole numbers, one for each of the ${to.length} targets, together 100 (or give overlapped: true)`,
  );
}

function targetOf(reactor: Reactor, things: Things, target: TaskTarget | CursorTarget, i: number): DealTarget {
  const where = `split.to[${i}]`;
  if (typeof target !== 'object' || target === null) {
    throw invalidArgument(where, target, 'a target: { task, reactor, priority } or { cursor }');
  }
  if ('cursor' in target) {
    const cursor = things.find(`${where}.cursor`, target.cursor, Cursor, 'cursor');
    checkOneOf(`${where}.cursor`, cursor.sends ? 'sends' : 'feeds a task', ['sends']);
    return { about: `cursor ${target.cursor}`, send: (record) => cursor.send(record) };
  }
  const { task, reactor: party = selfOf(reactor), priority } = target;
  // Only this party's own tasks are known here.
  if (party === selfOf(reactor)) taskHere(reactor, `${where}.task`, task);
  const address: Address = reactor.address(task, { reactor: party, ...(priority === undefined ? {} : { priority }) });
  return { about: `task ${task} of ${party}`, send: (record) => address.send(record) };
}
