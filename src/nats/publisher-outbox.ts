/**
 * What a publisher has taken and the broker has not confirmed: it is sent, and sent again, until it is.
 *
 *      add --> lane of its subject --its turn--> under way --confirmed--> done
 *                                     ^            |
 *                                     +- refused --+   (the stream is full, has no leader, is not there)
 *                                     +- the broker was lost, or has not confirmed it in time
 *
 * One lane a subject, of which one message is under way: so a message that was refused is not overtaken by the next of
 * its key. After a refusal all waits, and the oldest alone is tried again, at growing intervals, until it is taken.
 * What this connection may not publish is tried for `confirmMs`, in case somebody mends that, and then given up. What
 * can never be taken, because of its own size or headers, is given up at once, since all others wait for it. What
 * was sent so long ago that the broker has forgotten its identifier is asked for before it is sent again.
 */
import { PercoreError } from '../errors.js';
import type { BrokerError, ClientHeaders, ClientMessage, ClientSubscription } from './client.js';
import { isNeverTaken, refusedBy } from './failures.js';
import type { NatsLink } from './link.js';
import type { PublisherSettings } from './options.js';
import { StoredBefore } from './stored-before.js';

type Settle = ((error?: PercoreError) => void) | undefined;

interface Entry {
  readonly number: number;
  readonly subject: string;
  readonly payload: Uint8Array;
  readonly headers: ClientHeaders;
  readonly bytes: number;
  /** When it was sent last; 0: it waits to be. */
  sentMs: number;
  /** How often it was sent since it was known last that it was not stored; when first, and after which sequence. */
  sends: number;
  firstMs: number;
  after: number;
  /** How often it was asked in vain whether it is stored. */
  unanswered: number;
  readonly settle: Settle;
}

/** Messages of one subject, of which the first is under way. */
type Lane = Entry[];

/** What a stream answers. */
interface Confirmation {
  readonly stream: string;
  readonly seq: number;
  readonly error?: undefined;
  readonly duplicate?: boolean;
}
interface Refusal {
  readonly error: { readonly code: number; readonly err_code?: number; readonly description?: string };
}

const FIRST_RETRY_MS = 20;
const LAST_RETRY_MS = 1000;
/** Subjects of which it is remembered since when they are forbidden. */
const MOST_FORBIDDEN = 4096;
/** Questions of one message that the broker does not answer, while it is there. */
const MOST_UNANSWERED = 3;

export class PublisherOutbox {
  pendingBytes = 0;
  /** The number of the next message. */
  next = 0;
  readonly counts = { confirmed: 0, duplicates: 0, resent: 0, uncertain: 0, refusedByBroker: 0, dropped: 0 };
  private readonly entries = new Map<number, Entry>();
  private readonly lanes = new Map<string, Lane>();
  private readonly forbiddenMs = new Map<string, number>();
  private readonly inbox: string;
  private readonly answers: ClientSubscription;
  private retryMs = 0;
  private retryTimer: NodeJS.Timeout | undefined;
  private lateTimer: NodeJS.Timeout | undefined;
  /** Nothing was answered since something was sent again. */
  private isUnanswered = false;
  private isOver = false;
  private readonly before: StoredBefore;
  /** The questions of what was stored before, one after the other. */
  private asking: Promise<void> = Promise.resolve();
  /** The connection is lost, and with it the answer, for which the client waits on. */
  private loseAnswer = (): void => undefined;

  /** `onLess` is called whenever one message less waits. */
  constructor(
    private readonly link: NatsLink, private readonly settings: PublisherSettings, private readonly onLess: () => void,
  ) {
    this.before = new StoredBefore(link);
    this.inbox = `${link.client.createInbox()}.`;
    this.answers = link.connection.subscribe(`${this.inbox}*`, { callback: (error, message) => {
      if (error === null) this.answered(message);
    } });
  }

  get size(): number { return this.entries.size; }
  get isStalled(): boolean { return this.retryMs !== 0 || this.isUnanswered; }
  /** The number of the oldest message; infinite where there is none. */
  get oldest(): number {
    for (const number of this.entries.keys()) return number;
    return Infinity;
  }

  // ---- Sending ------------------------------------------------------------------------------------------------------

  add(payload: Uint8Array, subject: string, headers: ClientHeaders, bytes: number, settle: Settle): void {
    const entry: Entry = {
      number: this.next++, subject, payload, headers, bytes, settle,
      sentMs: 0, sends: 0, firstMs: 0, after: 0, unanswered: 0,
    };
    this.entries.set(entry.number, entry);
    this.pendingBytes += bytes;
    if (this.settings.inOrder) {
      const lane = this.lanes.get(subject);
      if (lane !== undefined) return void lane.push(entry);
      this.lanes.set(subject, [entry]);
    }
    this.send(entry);
  }

  private send(entry: Entry): void {
    if (this.link.isOnline && this.retryMs === 0) this.sendNow(entry);
  }

  private sendNow(entry: Entry): void {
    const { connection } = this.link;
    const now = performance.now();
    if (entry.sends !== 0 && now - entry.firstMs > this.before.certainMs) return this.askFirst(entry);
    if (entry.sentMs !== 0) this.counts.resent++;
    entry.sentMs = now;
    if (entry.sends++ === 0) {
      entry.firstMs = now;
      entry.after = this.before.last;
    }
    this.lateTimer ??= setTimeout(() => this.lookForLate(), this.settings.confirmMs);
    try {
      connection.publish(entry.subject, entry.payload, {
        reply: `${this.inbox}${entry.number}`, headers: entry.headers,
      });
    } catch (error) {
      // The client is closed, and says so next; or this broker takes less than the one before it.
      entry.sentMs = 0;
      if (--entry.sends === 0) entry.firstMs = 0;
      if (entry.bytes > this.link.maxPayload) this.drop(entry, error as Error);
    }
  }

  /** The broker may have stored it so long ago that it would store it again. */
  private askFirst(entry: Entry): void {
    // Not late yet: it is seen to.
    entry.sentMs = performance.now();
    this.lateTimer ??= setTimeout(() => this.lookForLate(), this.settings.confirmMs);
    this.asking = this.asking.then(async () => {
      const isOpen = (): boolean =>
        this.entries.get(entry.number) === entry && this.link.isOnline
        && performance.now() - entry.firstMs > this.before.certainMs;
      // Confirmed meanwhile, or asked for twice.
      if (!isOpen()) return;
      const isStored = await new Promise<Awaited<ReturnType<StoredBefore['has']>>>((resolve) => {
        this.loseAnswer = () => resolve('unanswered');
        void this.before.has(entry).then(resolve);
      });
      // Without a broker it is seen to again when that is found.
      if (this.entries.get(entry.number) !== entry || !this.link.isOnline) return;
      if (isStored === true) return this.confirm(entry, true);
      // It is late again in a moment, or the broker is found anew, and then it is asked again.
      if (isStored === 'unanswered' && ++entry.unanswered < MOST_UNANSWERED) return;
      entry.unanswered = 0;
      if (isStored !== false) {
        this.counts.uncertain++;
        this.note(new PercoreError(
          'ERR_PERCORE_BROKER_REFUSED',
          `a message to "${entry.subject}" is sent again that the broker may have stored already: it was not confirmed `
            + 'while the stream knew its identifier. Make the stream with a larger `duplicatesMs`',
        ));
      }
      entry.sends = 0;
      this.sendNow(entry);
    });
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
    if (this.entries.size === 0 || this.isOver) return;
    const { confirmMs } = this.settings;
    this.lateTimer = setTimeout(() => this.lookForLate(), confirmMs / 2);
    if (!this.link.isOnline) return;
    const before = performance.now() - confirmMs;
    if (this.retryMs === 0) {
      const { resent } = this.counts;
      this.sendAll(({ sentMs }) => sentMs !== 0 && sentMs < before);
      if (this.counts.resent === resent) return;
      this.isUnanswered = true;
      this.note(new PercoreError(
        'ERR_PERCORE_BROKER_REFUSED',
        `the broker has not confirmed a message to "${this.settings.subject}" within ${confirmMs} ms, and is sent it `
          + 'again: its disk may be full, or its stream without a leader; its log says which',
      ));
    }
    // The one that is tried alone was not answered at all.
    if (this.retryMs !== 0 && this.retryTimer === undefined) this.goOn();
  }

  // ---- What the broker says -----------------------------------------------------------------------------------------

  private answered(message: ClientMessage): void {
    const entry = this.entries.get(Number(message.subject.slice(this.inbox.length)));
    this.isUnanswered = false;
    // Confirmed before, and sent twice.
    if (entry === undefined) return;
    const { data } = message;
    if (data.length === 0) {
      this.refuse(entry, new Error(message.headers?.code === 503 ? 'no responders' : 'an empty answer'));
      return;
    }
    const answer = answerIn(data);
    if (answer === undefined) {
      // The stream, if there is one, answers for itself; otherwise the message is sent again.
      return this.note(new PercoreError(
        'ERR_PERCORE_BROKER_REFUSED',
        `somebody who is no stream answers messages to "${entry.subject}", which does not mean that they are stored: `
          + 'let services listen to other subjects than streams',
      ));
    }
    if (answer.error === undefined) {
      this.before.confirmed(answer.stream, answer.seq);
      return this.confirm(entry, answer.duplicate === true);
    }
    const { err_code: code = 0, description = 'it has said no reason' } = answer.error;
    const refusal = Object.assign(new Error(description), { code });
    if (isNeverTaken(code)) this.drop(entry, refusal);
    else this.refuse(entry, refusal);
  }

  private confirm(entry: Entry, isDuplicate: boolean): void {
    this.counts.confirmed++;
    if (isDuplicate) this.counts.duplicates++;
    if (this.forbiddenMs.size !== 0) this.forbiddenMs.delete(entry.subject);
    this.done(entry);
    if (this.retryMs !== 0) this.goOn();
  }

  /**
   * The broker does not let this connection do what the error says. Whether that was a message of here, or its answers.
   */
  isForbidden(error: BrokerError): boolean {
    if (error.operation === 'subscription') return error.subject === `${this.inbox}*`;
    const { subject = '' } = error;
    if (this.before.isForbidden(subject)) return true;
    const isMeant = (entry: Entry): boolean => entry.subject === subject && entry.sentMs !== 0;
    const entry = this.settings.inOrder ? this.lanes.get(subject)?.[0] : [...this.entries.values()].find(isMeant);
    if (entry === undefined || !isMeant(entry)) return false;
    const now = performance.now();
    const sinceMs = this.forbiddenMs.get(subject) ?? now;
    if (this.forbiddenMs.size >= MOST_FORBIDDEN) this.forbiddenMs.clear();
    this.forbiddenMs.set(subject, sinceMs);
    if (now - sinceMs < this.settings.confirmMs) this.refuse(entry, error);
    else this.drop(entry, error);
    return true;
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
    this.onLess();
  }

  /** It will never be taken. */
  private drop(entry: Entry, cause: Error): void {
    const error = refusedBy(cause, `publish ${entry.payload.length} bytes to "${entry.subject}"`);
    this.counts.dropped++;
    this.note(error);
    this.done(entry, error);
    if (this.retryMs !== 0) this.goOn();
  }

  /** It is not taken now. */
  private refuse(entry: Entry, cause: Error): void {
    entry.sentMs = 0;
    // Sent once, and not taken: it is not stored.
    if (entry.sends === 1) entry.sends = 0;
    this.counts.refusedByBroker++;
    this.note(refusedBy(cause, `publish to "${entry.subject}"`));
    if (this.retryTimer !== undefined) return;
    this.retryMs = this.retryMs === 0 ? FIRST_RETRY_MS : Math.min(LAST_RETRY_MS, this.retryMs * 2);
    this.retryTimer = setTimeout(() => {
      this.retryTimer = undefined;
      const [oldest] = this.entries.values();
      if (oldest !== undefined && this.link.isOnline) this.sendNow(oldest);
      else this.retryMs = 0;
    }, this.retryMs);
  }

  private note(error: PercoreError): void {
    this.link.note(error, `the publisher to "${this.settings.subject}"`);
  }

  /** The broker takes messages again: what waits is sent, in its order. */
  private goOn(): void {
    this.stopRetrying();
    this.retryMs = 0;
    this.sendAll((entry) => entry.sentMs === 0);
  }

  private stopRetrying(): void {
    clearTimeout(this.retryTimer);
    this.retryTimer = undefined;
  }

  // ---- The connection -----------------------------------------------------------------------------------------------

  offline(): void {
    this.stopRetrying();
    this.loseAnswer();
  }

  online(): void {
    this.stopRetrying();
    this.retryMs = 0;
    this.before.learn();
    this.sendAll(() => true);
  }

  /** Drops what waits. */
  end(error: PercoreError): void {
    this.isOver = true;
    if (!this.link.isClosed) this.answers.unsubscribe();
    this.stopRetrying();
    clearTimeout(this.lateTimer);
    this.counts.dropped += this.entries.size;
    const left = [...this.entries.values()];
    this.entries.clear();
    this.lanes.clear();
    this.pendingBytes = 0;
    for (const { settle } of left) settle?.(error);
  }
}

/** What a stream has answered; undefined where the answer is that of somebody else who listens to the subject. */
function answerIn(data: Uint8Array): Confirmation | Refusal | undefined {
  let answer: unknown;
  try {
    answer = JSON.parse(Buffer.from(data.buffer, data.byteOffset, data.byteLength).toString('latin1'));
  } catch {
    return undefined;
  }
  if (typeof answer !== 'object' || answer === null) return undefined;
  const { error, stream, seq } = answer as { [name in 'error' | 'stream' | 'seq']?: unknown };
  const isKnown = error === undefined
    ? typeof stream === 'string' && stream !== '' && Number.isSafeInteger(seq) && (seq as number) > 0
    : typeof error === 'object' && typeof (error as { code?: unknown } | null)?.code === 'number';
  return isKnown ? answer as Confirmation | Refusal : undefined;
}
