/**
 * What a reactor publishes to a stream, until the broker has stored it.
 *
 *      publish --room--> lane of its subject --its turn--> under way --confirmed--> done
 *          \--none: BACK_PRESSURED                 ^            |
 *                                                  +- refused --+   (the stream is full, has no leader, is not there)
 *                                                  +- the broker was lost, or has not confirmed it in time
 *
 * Every message has an identifier of 128 bits, under which the broker stores it once, however often it is sent (within
 * the stream's `duplicate_window`). Each subject has a lane, with one message under way, so that a refused message is
 * not overtaken by the next one of its key. After a refusal all lanes wait, and the oldest message alone is tried
 * again, at growing intervals, until it is taken.
 */
import { checkFunction, PercoreError } from '../errors.js';
import { BACK_PRESSURED, CLOSED, OK, TOO_LARGE } from '../queues/index.js';
import { WaitingLine } from '../reactor/internal.js';
import { noteRefusal } from '../refusals.js';
import { createIds, formatId } from '../topology/index.js';
import { checkWaitOptions, Waiters, type WaitOptions } from '../waiting.js';
import type { Nats } from './bridge.js';
import type { ClientHeaders, ClientMessage, ClientSubscription } from './client.js';
import { refusedBy, TOO_LARGE_FOR_STREAM } from './failures.js';
import type { LinkPart, NatsLink } from './link.js';
import { linkOf } from './nats.js';
import { checkPublisher, type NatsPublisherOptions, type PublisherSettings } from './options.js';
import { checkPublish, headersOf, type NatsPublishOptions } from './publish-options.js';
import type { NatsPublisher, NatsPublisherStatus } from './publisher-types.js';
import { BucketSubjects } from './subjects.js';

interface Entry {
  readonly number: number;
  readonly subject: string;
  readonly payload: Uint8Array;
  readonly headers: ClientHeaders;
  readonly bytes: number;
  /** When it was last sent; 0 if it waits for its turn. */
  sentMs: number;
  readonly settle: ((error?: PercoreError) => void) | undefined;
}

/** Messages of one subject. The first of them is under way. */
type Lane = Entry[];

interface Confirmation {
  readonly error?: { readonly code: number; readonly err_code: number; readonly description: string };
  readonly duplicate?: boolean;
}

const FIRST_RETRY_MS = 20;
const LAST_RETRY_MS = 1000;

export class StreamPublisher implements NatsPublisher, LinkPart {
  readonly kind = 'publisher';
  private readonly entries = new Map<number, Entry>();
  private readonly lanes = new Map<string, Lane>();
  private readonly line: WaitingLine;
  private readonly ids = createIds();
  private readonly subjects: BucketSubjects;
  private readonly inbox: string;
  private readonly answers: ClientSubscription;
  private readonly flushers = new Waiters<number>('not everything was confirmed');
  private pendingBytes = 0;
  private next = 0;
  private isClosed = false;
  private retryMs = 0;
  private retryTimer: NodeJS.Timeout | undefined;
  private lateTimer: NodeJS.Timeout | undefined;
  private readonly counts = {
    confirmed: 0, duplicates: 0, resent: 0, refused: 0, refusedByBroker: 0, dropped: 0,
  };

  constructor(private readonly link: NatsLink, private readonly settings: PublisherSettings) {
    const { mostPending, mostPendingBytes } = settings;
    this.subjects = new BucketSubjects(settings.subject, settings.ranges);
    this.line = new WaitingLine(link.party.turn.waits, {
      askForRoom: (messages) => this.entries.size + messages <= mostPending && this.pendingBytes < mostPendingBytes,
      unitsOf: (messages) => messages,
      isOver: () => this.isClosed,
      describe: () => `room for messages to "${settings.subject}"`,
    });
    this.inbox = `${link.client.createInbox()}.`;
    this.answers = link.connection.subscribe(`${this.inbox}*`, { callback: (error, message) => {
      if (error === null) this.answered(message);
    } });
    link.parts.add(this);
  }

  get subject(): string {
    return this.settings.subject;
  }

  // ---- What is published --------------------------------------------------------------------------------------------

  publish(payload: Uint8Array | string, options?: NatsPublishOptions): number {
    return this.take(payload, options, undefined);
  }

  stored(payload: Uint8Array | string, options?: NatsPublishOptions): Promise<void> {
    return new Promise((resolve, reject) => {
      const settle = (error?: PercoreError): void => (error === undefined ? resolve() : reject(error));
      const offer = (): void => {
        try {
          const code = this.take(payload, options, settle);
          if (code === BACK_PRESSURED) this.line.whenRoom(1, offer);
          else if (code === CLOSED) reject(this.closedError());
          else if (code === TOO_LARGE) reject(this.tooLarge(payload.length));
        } catch (error) {
          reject(error as Error);
        }
      };
      offer();
    });
  }

  whenRoom(then: () => void): void {
    checkFunction('then', then);
    this.line.whenRoom(1, then);
  }

  async flushed(options?: WaitOptions): Promise<void> {
    const until = this.next;
    checkWaitOptions(options);
    if (this.oldest() < until) await this.flushers.wait(options, (oldest) => oldest >= until);
  }

  private take(
    given: Uint8Array | string, options: NatsPublishOptions | undefined, settle: Entry['settle'],
  ): number {
    const { settings, link, line } = this;
    if (this.isClosed) return CLOSED;
    if (this.entries.size >= settings.mostPending || this.pendingBytes >= settings.mostPendingBytes
      || (line.count !== 0 && !line.lets(1))) {
      this.counts.refused++;
      noteRefusal(line, 1);
      return BACK_PRESSURED;
    }
    const { payload, subject, id } = checkPublish(given, options, this.subjects);
    const headers = headersOf(
      link.client.headers(), id ?? formatId(this.ids.next()), options?.headers, settings.headers?.(),
    );
    const bytes = payload.length + headers.encode().length;
    if (bytes > link.maxPayload) return TOO_LARGE;
    const entry: Entry = { number: this.next++, subject, payload, headers, bytes, sentMs: 0, settle };
    this.entries.set(entry.number, entry);
    this.pendingBytes += bytes;
    if (settings.inOrder) {
      const lane = this.lanes.get(subject);
      if (lane !== undefined) {
        lane.push(entry);
        return OK;
      }
      this.lanes.set(subject, [entry]);
    }
    this.send(entry);
    return OK;
  }

  private send(entry: Entry): void {
    if (!this.link.isOnline || this.retryMs !== 0) return;
    this.sendNow(entry);
  }

  private sendNow(entry: Entry): void {
    const { connection } = this.link;
    if (entry.sentMs !== 0) this.counts.resent++;
    entry.sentMs = performance.now();
    this.lateTimer ??= setTimeout(() => this.lookForLate(), this.settings.confirmMs);
    try {
      connection.publish(entry.subject, entry.payload, {
        reply: `${this.inbox}${entry.number}`, headers: entry.headers,
      });
    } catch (error) {
      // Either the client is closed, and says so next, or this broker takes less than the one before it.
      entry.sentMs = 0;
      if (entry.bytes > this.link.maxPayload) this.drop(entry, error as Error);
    }
  }

  // ---- What the broker says -----------------------------------------------------------------------------------------

  private answered(message: ClientMessage): void {
    const entry = this.entries.get(Number(message.subject.slice(this.inbox.length)));
    // It was confirmed before, and sent twice.
    if (entry === undefined) return;
    const { data } = message;
    if (data.length === 0) {
      this.refuse(entry, new Error(message.headers?.code === 503 ? 'no responders' : 'an empty answer'));
      return;
    }
    const text = Buffer.from(data.buffer, data.byteOffset, data.byteLength).toString('latin1');
    const { error, duplicate } = JSON.parse(text) as Confirmation;
    if (error === undefined) {
      this.counts.confirmed++;
      if (duplicate === true) this.counts.duplicates++;
      this.done(entry);
      if (this.retryMs !== 0) this.goOn();
      return;
    }
    const refusal = Object.assign(new Error(error.description), { code: error.err_code });
    if (error.err_code === TOO_LARGE_FOR_STREAM) this.drop(entry, refusal);
    else this.refuse(entry, refusal);
  }

  private done(entry: Entry, error?: PercoreError): void {
    this.entries.delete(entry.number);
    this.pendingBytes -= entry.bytes;
    if (this.settings.inOrder) {
      const lane = this.lanes.get(entry.subject)!;
      lane.shift();
      if (lane.length === 0) this.lanes.delete(entry.subject);
      else this.send(lane[0]!);
    }
    entry.settle?.(error);
    if (this.line.count !== 0) this.line.mayHaveRoom();
    if (this.flushers.count !== 0) this.flushers.settle(this.oldest());
  }

  /** It will never be taken. */
  private drop(entry: Entry, cause: Error): void {
    const error = refusedBy(cause, `publish ${entry.payload.length} bytes to "${entry.subject}"`);
    this.counts.dropped++;
    this.link.note(error, `the publisher to "${this.subject}"`);
    this.done(entry, error);
    if (this.retryMs !== 0) this.goOn();
  }

  /** It is not taken now. */
  private refuse(entry: Entry, cause: Error): void {
    entry.sentMs = 0;
    this.counts.refusedByBroker++;
    this.link.note(refusedBy(cause, `publish to "${entry.subject}"`), `the publisher to "${this.subject}"`);
    if (this.retryTimer !== undefined) return;
    this.retryMs = this.retryMs === 0 ? FIRST_RETRY_MS : Math.min(LAST_RETRY_MS, this.retryMs * 2);
    this.retryTimer = setTimeout(() => {
      this.retryTimer = undefined;
      const [oldest] = this.entries.values();
      if (oldest !== undefined && this.link.isOnline) this.sendNow(oldest);
      else this.retryMs = 0;
    }, this.retryMs);
  }

  /** The broker takes messages again: what waits is sent, in order. */
  private goOn(): void {
    clearTimeout(this.retryTimer);
    this.retryTimer = undefined;
    this.retryMs = 0;
    this.sendAll((entry) => entry.sentMs === 0);
  }

  private sendAll(isMeant: (entry: Entry) => boolean): void {
    if (this.settings.inOrder) {
      for (const [first] of this.lanes.values()) if (isMeant(first!)) this.sendNow(first!);
    } else {
      for (const entry of this.entries.values()) if (isMeant(entry)) this.sendNow(entry);
    }
  }

  /** What is not confirmed in time is sent again. */
  private lookForLate(): void {
    this.lateTimer = undefined;
    if (this.entries.size === 0 || this.isClosed) return;
    const { confirmMs } = this.settings;
    this.lateTimer = setTimeout(() => this.lookForLate(), confirmMs / 2);
    if (!this.link.isOnline) return;
    const before = performance.now() - confirmMs;
    if (this.retryMs === 0) this.sendAll(({ sentMs }) => sentMs !== 0 && sentMs < before);
    // The one that is tried alone was not answered at all.
    else if (this.retryTimer === undefined) this.goOn();
  }

  // ---- The connection -----------------------------------------------------------------------------------------------

  offline(): void {
    clearTimeout(this.retryTimer);
    this.retryTimer = undefined;
  }

  online(): void {
    clearTimeout(this.retryTimer);
    this.retryTimer = undefined;
    this.retryMs = 0;
    this.sendAll(() => true);
  }

  async drain(): Promise<void> {
    if (!this.isClosed) await this.flushed().catch(() => undefined);
  }

  close(): void {
    if (!this.isClosed && !this.link.isClosed) this.answers.unsubscribe();
    this.end();
  }

  end(): void {
    if (this.isClosed) return;
    this.isClosed = true;
    this.link.parts.delete(this);
    clearTimeout(this.retryTimer);
    clearTimeout(this.lateTimer);
    this.counts.dropped += this.entries.size;
    const left = [...this.entries.values()];
    this.entries.clear();
    this.lanes.clear();
    this.pendingBytes = 0;
    for (const { settle } of left) settle?.(this.closedError());
    this.flushers.settle(Infinity);
    this.line.mayHaveRoom();
  }

  status(): NatsPublisherStatus {
    return {
      subject: this.subject, pending: this.entries.size, pendingBytes: this.pendingBytes, ...this.counts,
      isStalled: this.retryMs !== 0,
    };
  }

  private oldest(): number {
    for (const number of this.entries.keys()) return number;
    return Infinity;
  }

  private closedError(): PercoreError {
    return new PercoreError('ERR_PERCORE_CLOSED', `the publisher to "${this.subject}" is closed`);
  }

  private tooLarge(bytes: number): PercoreError {
    return new PercoreError(
      'ERR_PERCORE_TOO_LARGE',
      `a message of ${bytes} bytes to "${this.subject}", with its headers, is more than the ${this.link.maxPayload} `
        + 'that the broker takes: raise its `max_payload`, or send less at a time',
    );
  }
}

/**
 * Makes a publisher to the stream that has this subject. Each message is sent, over any number of connections, until
 * the broker has stored it, and it is stored once.
 *
 *     const orders = createNatsPublisher(nats, { subject: 'orders', mostPending: 4096 });
 *     orders.publish(JSON.stringify(order), { key: order.symbol });
 *
 * Throws ERR_PERCORE_INVALID_ARGUMENT, ERR_PERCORE_CLOSED. If no stream has the subject, that is reported as a
 * 'stepError' when the first message is refused, and the message is tried again.
 */
export function createNatsPublisher(nats: Nats, options: NatsPublisherOptions): NatsPublisher {
  const link = linkOf(nats);
  const settings = checkPublisher(options);
  if (link.isClosed) throw new PercoreError('ERR_PERCORE_CLOSED', 'the connection to the broker is closed');
  return new StreamPublisher(link, settings);
}
