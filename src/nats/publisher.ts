/**
 * What a reactor publishes to a stream, until the broker has stored it.
 *
 *      publish --room--> outbox --confirmed--> done
 *          \--none: BACK_PRESSURED
 *
 * Every message has an identifier of 128 bits, under which the broker stores it once, however often it is sent (within
 * the stream's `duplicate_window`).
 */
import { checkFunction, PercoreError } from '../errors.js';
import { BACK_PRESSURED, CLOSED, OK, TOO_LARGE } from '../queues/index.js';
import { WaitingLine } from '../reactor/internal.js';
import { noteRefusal } from '../refusals.js';
import { formatId } from '../topology/index.js';
import { checkWaitOptions, Waiters, type WaitOptions } from '../waiting.js';
import type { Nats } from './bridge.js';
import type { BrokerError } from './client.js';
import { linkClosed, refusedBy } from './failures.js';
import type { LinkPart, NatsLink } from './link.js';
import { linkOf } from './nats.js';
import { checkPublisher, type NatsPublisherOptions, type PublisherSettings } from './options.js';
import { PublisherOutbox } from './publisher-outbox.js';
import { checkPublish, headersOf, type NatsPublishOptions } from './publish-options.js';
import type { NatsPublisher, NatsPublisherStatus } from './publisher-types.js';
import { messageIds } from './set-back.js';
import { BucketSubjects } from './subjects.js';

export class StreamPublisher implements NatsPublisher, LinkPart {
  readonly kind = 'publisher';
  private readonly line: WaitingLine;
  private readonly outbox: PublisherOutbox;
  private readonly ids = messageIds();
  private readonly subjects: BucketSubjects;
  private readonly flushers = new Waiters<number>('not everything was confirmed');
  private isClosed = false;
  /** Messages that were refused for want of room. */
  private refused = 0;

  constructor(private readonly link: NatsLink, private readonly settings: PublisherSettings) {
    const { mostPending, mostPendingBytes } = settings;
    this.subjects = new BucketSubjects(settings.subject, settings.ranges);
    this.line = new WaitingLine(link.party.turn.waits, {
      askForRoom: (messages) =>
        this.outbox.size + messages <= mostPending && this.outbox.pendingBytes < mostPendingBytes,
      unitsOf: (messages) => messages,
      isOver: () => this.isClosed,
      describe: () => `room for messages to "${settings.subject}"`,
    });
    this.outbox = new PublisherOutbox(link, settings, () => {
      if (this.line.count !== 0) this.line.mayHaveRoom();
      if (this.flushers.count !== 0) this.flushers.settle(this.outbox.oldest);
    });
    link.parts.add(this);
  }

  get subject(): string {
    return this.settings.subject;
  }

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
    const until = this.outbox.next;
    checkWaitOptions(options);
    if (this.outbox.oldest < until) await this.flushers.wait(options, (oldest) => oldest >= until);
  }

  private take(
    given: Uint8Array | string, options: NatsPublishOptions | undefined,
    settle: ((error?: PercoreError) => void) | undefined,
  ): number {
    const { settings, link, line, outbox } = this;
    if (this.isClosed) return CLOSED;
    if (outbox.size >= settings.mostPending || outbox.pendingBytes >= settings.mostPendingBytes
      || (line.count !== 0 && !line.lets(1))) {
      this.refused++;
      noteRefusal(line, 1);
      return BACK_PRESSURED;
    }
    const { payload, subject, id } = checkPublish(given, options, this.subjects);
    const headers = headersOf(
      link.client.headers(), id ?? formatId(this.ids.next()), options?.headers, settings.headers?.(),
    );
    const bytes = payload.length + headers.encode().length;
    if (bytes > link.maxPayload) return TOO_LARGE;
    outbox.add(payload, subject, headers, bytes, settle);
    return OK;
  }

  // ---- The connection -----------------------------------------------------------------------------------------------

  offline(): void { this.outbox.offline(); }
  online(): void { this.outbox.online(); }

  isForbidden(error: BrokerError): boolean {
    if (!this.outbox.isForbidden(error)) return false;
    // Without answers nothing can ever be confirmed.
    if (error.operation === 'subscription') {
      const refusal = refusedBy(error, `hear what is confirmed of "${this.subject}"`);
      this.link.note(refusal, `the publisher to "${this.subject}"`);
      this.end(refusal);
    }
    return true;
  }

  async drain(): Promise<void> {
    if (!this.isClosed) await this.flushed().catch(() => undefined);
  }

  close(): void {
    this.end();
  }

  end(error: PercoreError = this.closedError()): void {
    if (this.isClosed) return;
    this.isClosed = true;
    this.link.parts.delete(this);
    const isAllConfirmed = this.outbox.size === 0;
    this.outbox.end(error);
    if (isAllConfirmed) this.flushers.settle(Infinity);
    else this.flushers.fail(error);
    this.line.mayHaveRoom();
  }

  status(): NatsPublisherStatus {
    const { size, pendingBytes, isStalled, counts } = this.outbox;
    return { subject: this.subject, pending: size, pendingBytes, ...counts, refused: this.refused, isStalled };
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
  if (link.isClosed) throw linkClosed();
  return new StreamPublisher(link, settings);
}
