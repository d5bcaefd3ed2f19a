/**
 * The connection of one reactor to a broker, and what uses it. The client keeps the connection alive: it connects again
 * by itself, for ever, and says when it has lost the broker and when it has found it again. Everything that uses the
 * connection is told:
 *
 *      'disconnect' --> offline(): nothing is sent, everything keeps what is not confirmed
 *      'reconnect'  --> online(): it is sent again, in its order, under the same identifiers
 *
 * Plain messages (core NATS) go out at once and are not answered. They are bounded by the client's own ping: no more
 * than MOST_UNFLUSHED bytes may lie between two answers to it.
 */
import { checkBytes, checkFunction, messageOf, PercoreError } from '../errors.js';
import { BACK_PRESSURED, CLOSED, OK, TOO_LARGE } from '../queues/index.js';
import { WaitingLine, type Party } from '../reactor/internal.js';
import type { Reactor, Runtime } from '../reactor/index.js';
import { noteRefusal } from '../refusals.js';
import { checkWaitOptions, limitWait, type WaitOptions } from '../waiting.js';
import type { Nats, NatsStatus } from './bridge.js';
import type { BrokerError, Client, ClientConnection, ClientManager, ClientStreams } from './client.js';
import { isAuthorization, linkClosed, refusedBy } from './failures.js';
import { patiently } from './patience.js';
import { checkSubject } from './subjects.js';

/** A publisher, consumer or owner that uses this connection. */
export interface LinkPart {
  readonly kind: 'publisher' | 'consumer' | 'owner';
  offline(): void;
  online(): void;
  /** The broker does not let this connection do something: true where that was this part's, which sees to it. */
  isForbidden?(error: BrokerError): boolean;
  /** Takes nothing new, and resolves when what it has is done. */
  drain(): Promise<void>;
  /** The connection is gone for good. */
  end(): void;
}

const MOST_UNFLUSHED = 4 * 1024 * 1024;
/** Approximate number of bytes in the head of a message. */
const HEAD = 32;
/** The same error is reported at most this often. */
const REPORT_MS = 10_000;
/** How long `close` waits unless it is told otherwise. */
const CLOSE_MS = 5000;

export class NatsLink implements Nats {
  isOnline = true;
  isClosed = false;
  readonly parts = new Set<LinkPart>();
  readonly closed: Promise<PercoreError | undefined>;
  readonly line: WaitingLine;
  maxPayload: number;
  private tellClosed!: (error: PercoreError | undefined) => void;
  private reconnects = 0;
  private published = 0;
  private refused = 0;
  private unflushed = 0;
  private isFlushing = false;
  private lastSubject = '';
  private lastError: PercoreError | undefined;
  private reportedMs = -Infinity;
  private closing: Promise<void> | undefined;
  /** Those who wait for an answer in `flushed`: the client forgets them when the connection ends. */
  private readonly awaiting = new Set<(error: PercoreError) => void>();

  constructor(
    /** What the bridge was opened for, and its inner object. */
    readonly of: Reactor | Runtime, readonly party: Party,
    readonly client: Client, readonly connection: ClientConnection,
    readonly manager: ClientManager, readonly streams: ClientStreams, readonly servers: readonly string[],
    private readonly answerMs: number, private readonly forget: () => void,
  ) {
    this.maxPayload = connection.info?.max_payload ?? 2 ** 20;
    this.closed = new Promise((resolve) => (this.tellClosed = resolve));
    this.line = new WaitingLine(party.turn.waits, {
      askForRoom: (bytes) => this.isOnline && this.unflushed + bytes <= MOST_UNFLUSHED,
      unitsOf: (bytes) => bytes,
      isOver: () => this.isClosed,
      describe: () => 'the broker',
    });
    party.leavers.add(this);
    void this.watch();
    void connection.closed().then((error) => this.end(error === undefined ? undefined : this.lost(error)));
  }

  // ---- Plain messages -----------------------------------------------------------------------------------------------

  publish(subject: string, bytes: Uint8Array): number {
    if (subject !== this.lastSubject) this.lastSubject = checkSubject('subject', subject);
    const { length } = checkBytes('bytes', bytes);
    if (length > this.maxPayload) return this.isClosed ? CLOSED : TOO_LARGE;
    const needed = length + HEAD;
    if (!this.isOnline || this.unflushed + needed > MOST_UNFLUSHED
      || (this.line.count !== 0 && !this.line.lets(needed))) {
      if (this.isClosed) return CLOSED;
      this.refused++;
      noteRefusal(this.line, needed);
      return BACK_PRESSURED;
    }
    this.connection.publish(subject, bytes);
    this.published++;
    this.unflushed += needed;
    if (!this.isFlushing && this.unflushed > MOST_UNFLUSHED / 4) this.flush();
    return OK;
  }

  whenRoom(then: () => void): void {
    checkFunction('then', then);
    this.line.whenRoom(this.maxPayload < MOST_UNFLUSHED / 2 ? this.maxPayload : HEAD, then);
  }

  async flushed(options?: WaitOptions): Promise<void> {
    const given = checkWaitOptions(options);
    if (this.isClosed) throw linkClosed();
    await new Promise<void>((resolve, reject) => {
      const stop = limitWait(given, 'no answer of the broker', reject);
      const fail = (error: PercoreError): void => {
        stop();
        this.awaiting.delete(fail);
        reject(error);
      };
      this.awaiting.add(fail);
      this.connection.flush().then(() => {
        stop();
        this.awaiting.delete(fail);
        resolve();
      }, (error: unknown) => fail(this.lost(error)));
    });
  }

  /** What lies there now has arrived when the answer comes. */
  private flush(): void {
    this.isFlushing = true;
    const bytes = this.unflushed;
    const { reconnects } = this;
    const settle = (): void => {
      if (reconnects !== this.reconnects) return;
      this.isFlushing = false;
      this.unflushed -= bytes;
      if (this.unflushed > MOST_UNFLUSHED / 4) this.flush();
      this.line.mayHaveRoom();
    };
    this.connection.flush().then(settle, settle);
  }

  // ---- State --------------------------------------------------------------------------------------------------------

  status(): NatsStatus {
    const of = (kind: LinkPart['kind']): number => [...this.parts].filter((part) => part.kind === kind).length;
    return {
      isOnline: this.isOnline, isClosed: this.isClosed, servers: this.servers,
      server: this.isOnline && !this.isClosed ? this.connection.getServer() : undefined,
      reconnects: this.reconnects, published: this.published, refused: this.refused, unflushedBytes: this.unflushed,
      publishers: of('publisher'), consumers: of('consumer'),
      lastError: this.lastError?.message,
    };
  }

  /** Something is wrong that persists or will be tried again. The same error is not reported all the time. */
  note(error: PercoreError, where: string): void {
    const now = performance.now();
    const isKnown = kindOf(this.lastError) === kindOf(error) && now - this.reportedMs < REPORT_MS;
    this.lastError = error;
    if (isKnown) return;
    this.reportedMs = now;
    this.party.reportError(error, where);
  }

  /** Tries an order to the broker for as long as it says, or says nothing, that it cannot take it yet. */
  patiently<T>(order: () => Promise<T>): Promise<T> {
    return patiently(this.answerMs, () => this.isClosed, order);
  }

  /** Why an order was not carried out: the broker has refused it, unless the connection was closed meanwhile. */
  refusal(cause: unknown, what: string, stream?: string): PercoreError {
    return this.isClosed ? linkClosed(cause) : refusedBy(cause, what, stream);
  }

  private async watch(): Promise<void> {
    for await (const { type, error } of this.connection.status()) {
      if (type === 'disconnect') this.offline();
      else if (type === 'reconnect') this.online();
      else if (type === 'error' && error !== undefined) this.hear(error);
    }
  }

  private hear(error: BrokerError): void {
    if (error.operation !== undefined && [...this.parts].some((part) => part.isForbidden?.(error))) return;
    this.note(new PercoreError('ERR_PERCORE_BROKER_REFUSED', `the broker says: ${messageOf(error)}`, {
      cause: error,
    }), 'the connection to the broker');
  }

  private offline(): void {
    if (!this.isOnline || this.isClosed) return;
    this.isOnline = false;
    for (const part of this.parts) part.offline();
  }

  private online(): void {
    if (this.isClosed) return;
    this.isOnline = true;
    this.reconnects++;
    this.unflushed = 0;
    this.isFlushing = false;
    this.maxPayload = this.connection.info?.max_payload ?? this.maxPayload;
    for (const part of this.parts) part.online();
    this.line.mayHaveRoom();
  }

  // ---- Its end ------------------------------------------------------------------------------------------------------

  /** Consumers come first, because their steps may publish. */
  async drain(): Promise<void> {
    for (const kind of ['owner', 'consumer', 'publisher'] as const) {
      await Promise.all([...this.parts].filter((part) => part.kind === kind).map((part) => part.drain()));
    }
  }

  close(options: { readonly timeoutMs?: number } = {}): Promise<void> {
    return (this.closing ??= this.shut(checkWaitOptions(options).timeoutMs ?? CLOSE_MS));
  }

  private async shut(timeoutMs: number): Promise<void> {
    let timer: NodeJS.Timeout | undefined;
    await Promise.race([
      this.isClosed ? undefined : this.drain(),
      new Promise<void>((resolve) => (timer = setTimeout(resolve, timeoutMs))),
    ]);
    clearTimeout(timer);
    this.end(undefined);
    await this.connection.close();
  }

  /** The party has left. */
  leave(): void {
    this.end(undefined);
    void this.connection.close();
  }

  private end(error: PercoreError | undefined): void {
    if (this.isClosed) return;
    this.isClosed = true;
    this.isOnline = false;
    this.party.leavers.delete(this);
    this.forget();
    for (const part of this.parts) part.end();
    this.line.mayHaveRoom();
    for (const fail of this.awaiting) {
      fail(error ?? linkClosed());
    }
    if (error !== undefined) this.note(error, 'the connection to the broker');
    this.tellClosed(error);
  }

  private lost(cause: unknown): PercoreError {
    const why = messageOf(cause);
    if (isAuthorization(cause)) {
      return new PercoreError(
        'ERR_PERCORE_BROKER_REFUSED',
        `the broker refuses these credentials (${why}); the connection is closed: give the right ones to openNats`,
        { cause },
      );
    }
    return new PercoreError('ERR_PERCORE_BROKER_UNAVAILABLE', `the connection to the broker is closed (${why})`, {
      cause,
    });
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }
}

/** Two of the same kind may name different subjects. */
const kindOf = (error: PercoreError | undefined): string | undefined => error?.message.replace(/"[^"]*"/g, '');
