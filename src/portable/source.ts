/**
 * The I/O source over sockets of Node's, with the promises of native/io_source.h: events go up and requests come down
 * through the block that ioBlockLayout describes. Things report what has changed; when the turn polls, these reports
 * become events, one arrival of each connection at a time, so that no connection keeps the others waiting.
 */
import { EAGAIN, EBADF } from '../errno.js';
import { ioBlockLayout, ioCountersLayout, words } from '../layout.js';
import { ListenerThing } from './listener-thing.js';
import { ReceivePool } from './receive-pool.js';
import { SocketThing } from './socket-thing.js';
import { ERROR, HANG_UP, ignore, take, WRITABLE, type OpenThing } from './things.js';

const { events, requests, unsent, drains, event, request } = ioBlockLayout.fields;
const EVENTS = events.at >> 2;
const REQUESTS = requests.at >> 2;
const UNSENT = unsent.at >> 2;
const DRAINS = drains.at >> 2;
const EVENT = event.at >> 2;
const REQUEST = request.at >> 2;
/** Room that collecting leaves among the events, so that a drain can always say what was not sent. */
const MOST_COLLECTED = event.count / 8 - 64;
const { receives, sends, accepts, bytesReceived, bytesSent, connections } = ioCountersLayout.fields;
const RECEIVES = receives.at >> 3;
const SENDS = sends.at >> 3;
const ACCEPTS = accepts.at >> 3;
const BYTES_RECEIVED = bytesReceived.at >> 3;
const BYTES_SENT = bytesSent.at >> 3;
const CONNECTIONS = connections.at >> 3;
const KIND = words.ioKind;
/** Readiness that depends on the interest: reading and writing. */
const BY_INTEREST = words.interest.READABLE | words.interest.WRITABLE;
const TOLD = words.ioEvent;
const ASKED = words.ioRequest;

class Entry {
  /** What was reported and is not an event yet. */
  told = 0;
  isQueued = false;
  isReceiving = false;
  isBlocked: boolean;
  /** JavaScript got bytes back, and has not sent them again. */
  isReturning = false;
  hasEnded = false;
  hasError = false;
  isGone = false;

  constructor(
    readonly fd: number, readonly token: number, readonly kind: number, readonly thing: OpenThing, public interest = -1,
  ) {
    this.isBlocked = kind === KIND.CONNECTING;
  }

  get isConnection(): boolean {
    return this.kind === KIND.STREAM || this.kind === KIND.CONNECTING;
  }
}

export class LoopSource {
  private readonly entries = new Map<number, Entry>();
  private readonly pool: ReceivePool;
  private queue: Entry[] = [];

  /** `knock` says that there is something to poll. */
  constructor(
    readonly block: Int32Array, pool: Uint8Array, private readonly outbox: Uint8Array,
    private readonly counters: Float64Array, readonly knock: () => void,
  ) {
    this.pool = new ReceivePool(block, pool, counters);
  }

  // ---- Who is watched -----------------------------------------------------------------------------------------------

  add(fd: number, token: number, thing: OpenThing, interest: number): void {
    const entry = this.make(new Entry(fd, token, KIND.READINESS, thing, interest));
    if (thing instanceof SocketThing) thing.setReading((interest & words.interest.READABLE) !== 0);
    this.note(entry, thing.readiness());
  }

  modify(token: number, interest: number): boolean {
    const entry = this.entries.get(token);
    if (entry === undefined) return false;
    entry.interest = interest;
    this.note(entry, entry.thing.readiness());
    return true;
  }

  /** A stream or a listener. */
  open(fd: number, token: number, kind: number, thing: OpenThing): void {
    const entry = this.make(new Entry(fd, token, kind, thing));
    if (entry.isConnection) this.counters[CONNECTIONS]!++;
  }

  remove(token: number): void {
    const entry = this.entries.get(token);
    if (entry === undefined) return;
    this.entries.delete(token);
    entry.isGone = true;
    entry.thing.onChange = ignore;
    if (entry.isConnection) this.counters[CONNECTIONS]!--;
  }

  close(): void {
    for (const entry of this.entries.values()) {
      this.remove(entry.token);
      take(entry.fd)?.close();
    }
    this.counters[CONNECTIONS] = 0;
  }

  private make(entry: Entry): Entry {
    this.entries.set(entry.token, entry);
    entry.thing.onChange = (bits) => this.note(entry, bits);
    return entry;
  }

  private note(entry: Entry, bits: number): void {
    // Both have the same bits for reading and writing; ends and errors are always reported.
    entry.told |= entry.kind === KIND.READINESS ? bits & (entry.interest | ~BY_INTEREST) : bits;
    if (entry.kind === KIND.READINESS && entry.told === 0) return;
    this.enqueue(entry);
    this.knock();
  }

  private enqueue(entry: Entry): void {
    if (entry.isQueued || entry.isGone) return;
    entry.isQueued = true;
    this.queue.push(entry);
  }

  // ---- Up -----------------------------------------------------------------------------------------------------------

  /** Does what was asked, and takes what has arrived; true if there are events. */
  poll(): boolean {
    if (this.block[REQUESTS] !== 0) this.drain();
    if (this.queue.length !== 0) this.collect();
    return this.block[EVENTS] !== 0;
  }

  private collect(): void {
    this.pool.takeReleased();
    const queue = this.queue;
    this.queue = [];
    for (let i = 0; i < queue.length; i++) {
      const entry = queue[i]!;
      entry.isQueued = false;
      if (entry.isGone) continue;
      if (this.block[EVENTS]! >= MOST_COLLECTED) {
        this.enqueue(entry);
        continue;
      }
      const { told } = entry;
      entry.told = 0;
      if (entry.kind === KIND.READINESS) this.push(entry, TOLD.READINESS, told);
      else if (entry.thing instanceof ListenerThing) this.accept(entry, entry.thing);
      else this.collectStream(entry, entry.thing as SocketThing, told);
    }
  }

  private accept(entry: Entry, thing: ListenerThing): void {
    while (entry.isReceiving && thing.accepted.length > 0 && this.block[EVENTS]! < MOST_COLLECTED) {
      this.counters[ACCEPTS]!++;
      this.push(entry, TOLD.ACCEPTED, thing.accepted.shift()!);
    }
    if (!entry.isReceiving) return;
    if (thing.accepted.length > 0) return this.enqueue(entry);
    const errno = thing.takeError();
    if (errno === 0) return;
    entry.isReceiving = false;
    this.push(entry, TOLD.FAILED, errno);
  }

  private collectStream(entry: Entry, thing: SocketThing, told: number): void {
    if ((told & ERROR) !== 0) entry.hasError = true;
    const isReceived = entry.isReceiving && !entry.hasEnded;
    let readiness = isReceived ? 0 : told & (HANG_UP | ERROR);
    if (entry.isBlocked && (told & (WRITABLE | HANG_UP | ERROR)) !== 0) {
      entry.isBlocked = false;
      readiness |= told & (WRITABLE | HANG_UP | ERROR);
    }
    if (readiness !== 0) this.push(entry, TOLD.READINESS, readiness);
    if (isReceived && (entry.kind !== KIND.CONNECTING || !thing.isConnecting)) this.receive(entry, thing);
  }

  private receive(entry: Entry, thing: SocketThing): void {
    // There is something to read: it needs a place first.
    if (thing.hasUnread && !this.pool.makeRoom()) return this.enqueue(entry);
    const { place } = this.pool;
    const count = thing.hasUnread ? thing.read(this.pool.bytes, place, this.pool.room) : thing.read(NONE, 0, 0);
    if (count > 0) {
      this.pool.use(count);
      this.counters[RECEIVES]!++;
      this.counters[BYTES_RECEIVED]! += count;
      this.push(entry, TOLD.RECEIVED, count, place);
      if (thing.hasUnread || thing.readiness() !== WRITABLE) this.enqueue(entry);
    } else if (count === 0) {
      entry.hasEnded = true;
      this.push(entry, TOLD.ENDED, 0);
      if (entry.hasError) this.push(entry, TOLD.READINESS, ERROR);
    } else if (count !== -EAGAIN) {
      this.push(entry, TOLD.FAILED, -count);
    }
  }

  private push({ token }: Entry, kind: number, value: number, place = 0): void {
    const { block } = this;
    const at = EVENT + block[EVENTS]!++ * 4;
    block[at] = token;
    block[at + 1] = kind;
    block[at + 2] = value;
    block[at + 3] = place;
  }

  /** Whether something may become an event without being reported. */
  get hasMore(): boolean {
    return this.queue.length !== 0 || this.block[EVENTS] !== 0;
  }

  // ---- Down ---------------------------------------------------------------------------------------------------------

  /** Does what was requested. */
  drain(): void {
    const { block } = this;
    if (block[UNSENT] !== 0 || block[REQUESTS] === 0) return;
    const end = REQUEST + block[REQUESTS]! * 4;
    for (let at = REQUEST; at < end; at += 4) {
      const entry = this.entries.get(block[at + 1]!);
      if (entry !== undefined) this.follow(entry, block[at]!, block[at + 2]!, block[at + 3]!);
    }
    block[REQUESTS] = 0;
    block[DRAINS] = (block[DRAINS]! + 1) | 0;
  }

  private follow(entry: Entry, kind: number, offset: number, length: number): void {
    const { thing } = entry;
    switch (kind) {
      case ASKED.SEND: return this.sendFromOutbox(entry, offset, length);
      case ASKED.RECEIVE:
        entry.isReceiving = true;
        if (thing instanceof SocketThing) thing.setReading(true);
        this.enqueue(entry);
        return this.knock();
      case ASKED.PAUSE:
        entry.isReceiving = false;
        if (thing instanceof SocketThing) thing.setReading(false);
        if (entry.hasError) this.push(entry, TOLD.READINESS, ERROR);
        return;
      case ASKED.END:
        if (!entry.isReturning) (thing as SocketThing).end();
        return;
      default:
        this.remove(entry.token);
        take(entry.fd)?.close();
    }
  }

  private sendFromOutbox(entry: Entry, offset: number, length: number): void {
    const count = entry.isReturning ? 0 : this.sendNow(entry, this.outbox, offset, length);
    const sent = Math.max(count, 0);
    if (sent === length) return;
    entry.isReturning = true;
    this.block[UNSENT]!++;
    this.push(entry, TOLD.UNSENT, length - sent, offset + sent);
    if (count < 0) this.push(entry, TOLD.SEND_FAILED, -count);
    else if (!entry.isBlocked) this.push(entry, TOLD.READINESS, WRITABLE);
  }

  /** Sends now, past the outbox. Returns the bytes taken, or -errno. */
  send(token: number, bytes: Uint8Array, offset: number, length: number): number {
    const entry = this.entries.get(token);
    if (entry === undefined) return -EBADF;
    entry.isReturning = false;
    return this.sendNow(entry, bytes, offset, length);
  }

  private sendNow(entry: Entry, bytes: Uint8Array, offset: number, length: number): number {
    const thing = entry.thing as SocketThing;
    let sent = 0;
    while (sent < length && !entry.isBlocked) {
      const count = thing.write(bytes, offset + sent, length - sent);
      this.counters[SENDS]!++;
      if (count > 0) {
        sent += count;
        this.counters[BYTES_SENT]! += count;
      } else if (count !== -EAGAIN) return sent > 0 ? sent : count;
      if (thing.isFull) entry.isBlocked = true;
    }
    return sent;
  }
}

const NONE = new Uint8Array(0);
