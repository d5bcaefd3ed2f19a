/**
 * Sends messages by their key: to the owner of the key's bucket, or, while the bucket moves, into memory of this thread
 * until it has arrived. Held messages go first, so that the messages of each key keep their order.
 */
import { checkFunction, checkInteger, checkOptions } from '../errors.js';
import { BUCKETS, partyLayout } from '../layout.js';
import { BACK_PRESSURED, CLOSED, OK, TOO_LARGE, type RecordMemory } from '../queues/index.js';
import { ValueChain, ValueCodec } from '../queues/internal.js';
import { bucketOf, hashKey, type Reactor, type Runtime } from '../reactor/index.js';
import {
  BYTES, checkBand, checkKey, checkName, HEAD_BYTES, partyOf, Scratch, WaitingLine, type Outlet, type Party,
  type SentName,
} from '../reactor/internal.js';
import { noteRefusal } from '../refusals.js';
import { BUCKET_BYTES, checkStage } from './keyed.js';
import { roomIn, type KeyRoom } from './room.js';

const DROPPED = partyLayout.fields.dropped.at >> 3;
const PREFIX = HEAD_BYTES + BUCKET_BYTES;
/** How many held messages go in one turn. */
const AT_ONCE = 64;
/** Keys of up to this many UTF-16 units are hashed without allocating. */
const SHORT_KEY = 256;

export interface KeyedAddressOptions {
  /** Band of all messages: 0 low to 7 high. Default: that of this thread's own keyed task of the same name, else 3. */
  readonly priority?: number;
  /** The stage of the keyed task, if it is not `priority`. Default: that of this thread's own task of the same name. */
  readonly stage?: number;
  /** How many messages this address may hold while their buckets move: 1 to 2^20, default 1,024. */
  readonly capacity?: number;
}

/** Messages of one slot, as they will lie in a lane, without the number of the name. */
interface Held {
  first: Uint8Array | undefined;
  readonly others: ValueChain<Uint8Array>;
}

/** The lane to one owner. */
interface Route {
  readonly outlet: Outlet;
  readonly name: SentName;
}

/**
 * Sends messages to one keyed task; made once by `keyedAddress`. It belongs to the thread that made it. Nothing blocks.
 *
 *     const orders = keyedAddress<Order>(reactor, 'orders', { priority: 5 });
 *     if (orders.send(order.symbol, order) === BACK_PRESSURED) orders.whenRoom(() => orders.send(order.symbol, order));
 */
export class KeyedAddress<M = unknown> {
  readonly #party: Party;
  readonly #room: KeyRoom;
  readonly #name: string;
  readonly #band: number;
  readonly #capacity: number;
  /** The first slot of its stage. */
  readonly #base: number;
  readonly #codec = new ValueCodec();
  readonly #routes: (Route | undefined)[] = [];
  readonly #key: Buffer = Buffer.alloc(SHORT_KEY * 3);
  /** Held messages, by slot. */
  readonly #waiting = new Map<number, Held>();
  readonly #line: WaitingLine;
  #scratch = new Scratch(1024);
  #held = 0;
  /** The last party that has refused a message. */
  #refuser: Route | undefined;
  #refusedBytes = 0;

  /** Made by `keyedAddress`. */
  constructor(party: Party, name: string, band: number, stage: number, capacity: number) {
    this.#party = party;
    this.#room = roomIn(party);
    this.#name = name;
    this.#band = band;
    this.#capacity = capacity;
    this.#base = stage * BUCKETS;
    this.#room.table.figures[party.id]!.useBands(stage, 1 << band);
    this.#line = new WaitingLine(party.turn.waits, {
      askForRoom: (messages) => this.#held + messages <= capacity,
      unitsOf: (messages) => messages,
      isOver: () => party.isClosed,
      describe: () => `room among the messages to "${name}" whose buckets move`,
    });
  }

  /** Messages that are held now, because their bucket moves or because there is no room yet for those before them. */
  get held(): number {
    return this.#held;
  }

  /**
   * Sends to the owner of the key's bucket. A text key stands for its UTF-8 bytes. OK: the message is sent or held.
   * BACK_PRESSURED: the lane is full, or the bucket moves and `capacity` messages are held. TOO_LARGE. CLOSED: the
   * owner has died. Copies the message, and publishes it at the end of the step at the latest. Throws
   * ERR_PERCORE_UNSERIALIZABLE, and ERR_PERCORE_INVALID_ARGUMENT for a key that is neither text nor bytes.
   */
  send(key: string | Uint8Array, message: M): number {
    return this.#send(this.#base + bucketOf(this.#hash(key)), message);
  }

  /** The same, for a bucket that is already known: `bucketOf(hashKey(bytes))`. */
  sendToBucket(bucket: number, message: M): number {
    if (typeof bucket !== 'number' || bucket !== (bucket | 0) || bucket < 0 || bucket >= BUCKETS) {
      checkInteger('bucket', bucket, 0, BUCKETS - 1);
    }
    return this.#send(this.#base + bucket, message);
  }

  /**
   * Calls `then` once, in a later turn, as soon as what was last refused here would be taken, or nobody will ever take
   * it. Those who wait are called in the order in which they came.
   */
  whenRoom(then: () => void): void {
    checkFunction('then', then);
    if (this.#refuser === undefined) this.#line.whenRoom(1, then);
    else this.#refuser.outlet.whenRoom(this.#refusedBytes, then, this.#refuser.name);
  }

  #hash(key: string | Uint8Array): number {
    if (typeof key !== 'string') return hashKey(checkKey(key));
    if (key.length > SHORT_KEY) return hashKey(Buffer.from(key));
    return hashKey(this.#key, 0, this.#key.write(key));
  }

  #send(slot: number, message: M): number {
    if (this.#held !== 0 && this.#waiting.has(slot)) return this.#hold(slot, message);
    const owner = this.#room.enter(slot);
    if (owner < 0) return this.#hold(slot, message);
    const route = this.#routes[owner] ?? this.#open(owner);
    const { outlet, name } = route;
    const codec = this.#codec;
    let at: number;
    try {
      const most = BUCKET_BYTES + codec.measure(message, outlet.maxBytes);
      at = outlet.claimFor(name, BYTES, HEAD_BYTES, most);
    } catch (error) {
      this.#room.leave(slot);
      throw error;
    }
    if (at < 0) {
      this.#room.leave(slot);
      codec.forget();
      this.#refuser = route;
      this.#refusedBytes = outlet.refusedBytes;
      return at;
    }
    outlet.words[at >> 2] = name.number;
    outlet.words[(at + HEAD_BYTES) >> 2] = slot;
    outlet.commit(PREFIX + codec.write(message, outlet, at + PREFIX));
    return OK;
  }

  #open(owner: number): Route {
    const outlet = this.#party.lanes.outlet(owner, this.#band);
    return (this.#routes[owner] = { outlet, name: outlet.name(this.#name) });
  }

  // ---- What is held -------------------------------------------------------------------------------------------------

  #hold(slot: number, message: M): number {
    if (this.#party.isClosed) return CLOSED;
    // Nobody overtakes those who wait.
    if (this.#held >= this.#capacity || (this.#line.count !== 0 && !this.#line.lets(1))) {
      this.#refuser = undefined;
      noteRefusal(this.#line, 1);
      return BACK_PRESSURED;
    }
    // All lanes have the same limit.
    const { maxBytes } = (this.#routes[0] ?? this.#open(0)).outlet;
    const most = PREFIX + this.#codec.measure(message, maxBytes);
    if (most > maxBytes) {
      this.#codec.forget();
      return TOO_LARGE;
    }
    if (this.#scratch.bytes.length < most) this.#scratch = new Scratch((most + 1023) & ~1023);
    const memory: RecordMemory = this.#scratch;
    memory.words[HEAD_BYTES >> 2] = slot;
    const length = PREFIX + this.#codec.write(message, memory, PREFIX);
    const bytes = memory.bytes.slice(0, length);
    const waiting = this.#waiting.get(slot);
    if (waiting === undefined) {
      this.#waiting.set(slot, { first: bytes, others: new ValueChain<Uint8Array>() });
      this.#room.whenSettled(slot, () => this.#goOn(slot));
    } else {
      waiting.others.push(bytes);
    }
    this.#held++;
    const own = this.#room.table.figures[this.#party.id]!;
    own.held++;
    own.waiting++;
    return OK;
  }

  /** The bucket has settled, or there is room in the lane to its owner: sends as many held messages as fit. */
  #goOn(slot: number): void {
    const held = this.#waiting.get(slot)!;
    let left = AT_ONCE;
    for (let bytes = held.first; bytes !== undefined; bytes = held.first) {
      // The rest goes in the next turn, so that this thread, which may be the new owner, runs some of them meanwhile.
      if (left-- === 0) return this.#room.whenSettled(slot, () => this.#goOn(slot));
      if (this.#party.isClosed) return this.#drop(slot, 1 + held.others.length);
      const owner = this.#room.enter(slot);
      if (owner < 0) return this.#room.whenSettled(slot, () => this.#goOn(slot));
      const { outlet, name } = this.#routes[owner] ?? this.#open(owner);
      const at = outlet.claimFor(name, BYTES, 0, bytes.length);
      if (at < 0) {
        this.#room.leave(slot);
        // CLOSED: its owner has died, and perhaps it gets another.
        if (at !== BACK_PRESSURED) return this.#room.whenSettled(slot, () => this.#goOn(slot));
        return outlet.whenRoom(outlet.refusedBytes, () => this.#goOn(slot), name);
      }
      outlet.bytes.set(bytes, at);
      outlet.words[at >> 2] = name.number;
      outlet.commit(bytes.length);
      held.first = held.others.length === 0 ? undefined : held.others.shift();
      this.#held--;
      this.#room.table.figures[this.#party.id]!.waiting--;
      this.#line.mayHaveRoom();
    }
    this.#waiting.delete(slot);
  }

  #drop(slot: number, count: number): void {
    this.#held -= count;
    this.#room.table.figures[this.#party.id]!.waiting -= count;
    this.#party.turn.counters[DROPPED]! += count;
    this.#waiting.delete(slot);
  }
}

/**
 * Makes an address of keyed task `name`, for a reactor, or for a runtime's main thread. Whether the owners have such a
 * task is seen when a message arrives. Throws ERR_PERCORE_INVALID_ARGUMENT, or ERR_PERCORE_CLOSED.
 */
export function keyedAddress<M = unknown>(
  of: Reactor | Runtime, name: string, options: KeyedAddressOptions = {},
): KeyedAddress<M> {
  const party = partyOf(of);
  const { priority, stage, capacity = 1024 } = checkOptions('options', options, ['priority', 'stage', 'capacity']);
  checkName('name', name);
  const band = checkBand(priority ?? party.dispatcher.tasks.get(name)?.band);
  const known = roomIn(party).stageOf(name);
  return new KeyedAddress<M>(
    party, name, band, checkStage(stage ?? known ?? band), checkInteger('capacity', capacity, 1, 2 ** 20),
  );
}
