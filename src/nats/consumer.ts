/**
 * What a reactor reads from a stream: a pull consumer with a bounded number of messages under way.
 *
 *      broker --gives out, mostInFlight--> mailbox of a task --step--> done: acknowledged
 *        ^                                       |           \--throws: again, `tries` times, then given up
 *        |                                       \-- BACK_PRESSURED: held, as any task
 *        +-- not acknowledged for ackWaitMs: given out anew, to whoever asks
 *
 * The bound is the broker's own (`max_ack_pending`), so a slow step makes the broker stop giving out messages, then the
 * stream fills up, and then its publishers stop. While messages wait here, the broker is told that somebody is working
 * on them. A message that it gives out again although it waits here, or is done, does not run twice.
 */
import { checkFunction, messageOf, PercoreError } from '../errors.js';
import { AGAIN, BACK_PRESSURED, nameOfCode } from '../result-codes.js';
import type { StepResult } from '../reactor/index.js';
import { LocalTask } from '../reactor/internal.js';
import type { Nats } from './bridge.js';
import type { ClientDeliveries, ClientDelivery } from './client.js';
import type { NatsConsumer, NatsConsumerStatus, NatsStep } from './consumer-types.js';
import { Delivery } from './delivery.js';
import { jetStreamCode, NO_CONSUMER, refusedBy } from './failures.js';
import type { LinkPart, NatsLink } from './link.js';
import { linkOf } from './nats.js';
import { checkConsumer, type ConsumerSettings, type NatsConsumerOptions } from './options.js';

/** How a consumer is known to the broker, where it is not a user's own. */
export interface ConsumerPlace {
  /** The first sequence that it asks for, if the broker does not know the consumer yet. */
  readonly start?: number | undefined;
  /** Its maker is responsible for its name: it is not made anew if the broker has lost it. */
  readonly isFenced?: boolean;
}

const LOOK_AGAIN_MS = 500;
/** How long one request for messages is valid, and how often the broker says meanwhile that it has none. */
const EXPIRES_MS = 30_000;
const HEARTBEAT_MS = 2000;

export class StreamConsumer implements NatsConsumer, LinkPart {
  readonly kind = 'consumer';
  private readonly inFlight = new Map<number, Delivery>();
  /** Sequences that were finished here lately; new ones overwrite the oldest. */
  private readonly done = new Set<number>();
  private readonly doneRing: Float64Array;
  private doneAt = 0;
  private latest = 0;
  private lastReceived = 0;
  /** When the stream was made. */
  private created = '';
  private readonly task: LocalTask<Delivery, false>;
  private deliveries: ClientDeliveries | undefined;
  private readonly alive: NodeJS.Timeout;
  private again: NodeJS.Timeout | undefined;
  private isOpening = false;
  private isReading = true;
  private isClosed = false;
  private whenIdle: (() => void)[] = [];
  private readonly counts = {
    received: 0, acknowledged: 0, duplicates: 0, failed: 0, givenUp: 0, givenBack: 0,
  };

  constructor(
    readonly link: NatsLink, private readonly settings: ConsumerSettings, private readonly step: NatsStep,
    private readonly place: ConsumerPlace = {},
  ) {
    const { name, band, concurrency, mostInFlight, ackWaitMs } = settings;
    const { party } = link;
    this.doneRing = new Float64Array(2 * mostInFlight);
    this.task = new LocalTask<Delivery, false>(
      // The bound is the broker's; a message that it gives out again occupies no second place.
      party.turn, { name: `nats ${name}`, band, capacity: mostInFlight, concurrency, takesBytes: false },
      (delivery) => this.run(delivery),
    );
    party.dispatcher.addTask(this.task as LocalTask<unknown, false>);
    link.parts.add(this);
    this.alive = setInterval(() => this.sayAlive(), ackWaitMs / 3).unref();
  }

  get stream(): string { return this.settings.stream; }
  get name(): string { return this.settings.name; }

  // ---- Reading ------------------------------------------------------------------------------------------------------

  /** Makes the consumer if the broker has none, and begins to read. Rejects with ERR_PERCORE_BROKER_REFUSED. */
  async open(): Promise<void> {
    const { link, settings, place } = this;
    const { stream, name, subject, mostInFlight, ackWaitMs, from } = settings;
    this.isOpening = true;
    try {
      const { created, config } = await link.manager.streams.info(stream);
      // A stream that was deleted and made again counts from 1 again.
      if (created !== this.created) this.forgetAll();
      this.created = created;
      const start = place.start ?? (this.latest === 0 ? undefined : this.latest + 1);
      // Such a stream no longer has what was acknowledged, and no other beginning is allowed.
      const first = start === undefined || config.retention === 'workqueue' ? { deliver_policy: from }
        : { deliver_policy: 'by_start_sequence', opt_start_seq: start };
      const known = await link.manager.consumers.info(stream, name).catch((error: unknown) => {
        if (jetStreamCode(error) === NO_CONSUMER) return undefined;
        throw error;
      });
      if (known === undefined) {
        await link.manager.consumers.add(stream, {
          durable_name: name, ack_policy: 'explicit', ack_wait: ackWaitMs * 1e6, max_ack_pending: mostInFlight,
          ...(subject === undefined ? {} : { filter_subject: subject }), ...first,
        });
      }
      const consumer = await link.streams.consumers.get(stream, name);
      const deliveries = await consumer.consume({
        max_messages: mostInFlight, callback: (message: ClientDelivery) => this.receive(message),
        expires: EXPIRES_MS, idle_heartbeat: HEARTBEAT_MS, abort_on_missing_resource: true,
      });
      if (!this.isReading || this.isClosed) return void deliveries.close();
      this.deliveries = deliveries;
      void deliveries.closed().then((error) => this.stopped(deliveries, error));
    } catch (error) {
      throw refusedBy(error, `read stream "${stream}" as "${name}"`, stream);
    } finally {
      this.isOpening = false;
    }
  }

  /** The client has stopped: the consumer or the stream was deleted, or this consumer has ended. */
  private stopped(deliveries: ClientDeliveries, error: void | Error): void {
    if (this.deliveries === deliveries) this.deliveries = undefined;
    if (!this.isReading || this.isClosed || this.link.isClosed || this.place.isFenced === true) return;
    const { stream, name } = this.settings;
    const why = error instanceof Error ? messageOf(error) : 'it was ended';
    this.link.note(new PercoreError(
      'ERR_PERCORE_BROKER_REFUSED',
      `consumer "${name}" of stream "${stream}" cannot be read (${why}); it is made anew as soon as possible`,
    ), `consumer "${name}"`);
    this.openLater();
  }

  private openLater(): void {
    clearTimeout(this.again);
    this.again = setTimeout(() => {
      if (!this.isReading || this.isClosed || this.isOpening || this.deliveries !== undefined) return;
      this.open().catch((error: PercoreError) => {
        this.link.note(error, `consumer "${this.settings.name}"`);
        if (!this.isClosed) this.openLater();
      });
    }, LOOK_AGAIN_MS);
  }

  /** The first sequence that was not given to this consumer; 1 if none was. */
  get next(): number { return this.lastReceived + 1; }

  private receive(message: ClientDelivery): void {
    const { seq } = message;
    this.counts.received++;
    const known = this.inFlight.get(seq);
    if (known !== undefined) {
      // It still waits here. The broker takes the acknowledgement of either copy.
      this.counts.duplicates++;
      known.message = message;
      return;
    }
    if (this.done.has(seq)) {
      this.counts.duplicates++;
      message.ack();
      return;
    }
    if (!this.isReading) return this.giveBack(message);
    const delivery = new Delivery(message, seq);
    if (this.task.push(delivery) !== 0) return this.giveBack(message);
    this.inFlight.set(seq, delivery);
    this.lastReceived = Math.max(this.lastReceived, seq);
    this.link.party.wantTurn();
  }

  private giveBack(message: ClientDelivery): void {
    this.counts.givenBack++;
    message.nak();
  }

  // ---- Steps --------------------------------------------------------------------------------------------------------

  private run(delivery: Delivery): number | void | Promise<void> {
    let result: StepResult;
    try {
      result = this.step(delivery);
    } catch (error) {
      return this.hasFailed(delivery, error) ? AGAIN : undefined;
    }
    if (result === undefined || result === 0) return this.isDone(delivery);
    if (result === BACK_PRESSURED || result === AGAIN) return result;
    if (typeof result === 'object' && typeof result.then === 'function') return this.follow(delivery, result);
    if (typeof result !== 'number' || result > 0) return this.isDone(delivery);
    // What the step sent was not taken, and never will be.
    const message = `a step answered ${nameOfCode(result)}`;
    const error = new PercoreError('ERR_PERCORE_STEP_ANSWER', message, { value: result });
    return this.hasFailed(delivery, error) ? AGAIN : undefined;
  }

  private async follow(delivery: Delivery, first: Promise<void>): Promise<void> {
    for (let result: StepResult = first;;) {
      try {
        await result;
        return this.isDone(delivery);
      } catch (error) {
        if (!this.hasFailed(delivery, error)) return;
      }
      await new Promise((resolve) => setTimeout(resolve, 10 * 2 ** Math.min(delivery.failures, 8)));
      if (this.isClosed) return;
      try {
        result = this.step(delivery);
      } catch (error) {
        result = Promise.reject(error as Error);
      }
    }
  }

  /** True if it is to run again. */
  private hasFailed(delivery: Delivery, error: unknown): boolean {
    const { party } = this.link;
    this.counts.failed++;
    party.reportError(error, `task "${this.task.name}", message ${delivery.sequence}`);
    if (this.isClosed) return false;
    if (++delivery.failures < this.settings.tries) return true;
    this.counts.givenUp++;
    delivery.message.term('its step has thrown');
    this.forget(delivery);
    return false;
  }

  private isDone(delivery: Delivery): void {
    if (this.isClosed) return;
    this.counts.acknowledged++;
    delivery.message.ack();
    this.forget(delivery);
  }

  private forget({ sequence }: Delivery): void {
    this.inFlight.delete(sequence);
    this.latest = Math.max(this.latest, sequence);
    const { doneRing } = this;
    this.done.delete(doneRing[this.doneAt]!);
    doneRing[this.doneAt] = sequence;
    this.done.add(sequence);
    this.doneAt = this.doneAt + 1 === doneRing.length ? 0 : this.doneAt + 1;
    if (this.inFlight.size === 0 && this.whenIdle.length !== 0) this.tellIdle();
  }

  private forgetAll(): void {
    this.done.clear();
    this.doneRing.fill(0);
    this.latest = 0;
  }

  private sayAlive(): void {
    if (!this.link.isOnline) return;
    for (const { message } of this.inFlight.values()) message.working();
  }

  // ---- Its end ------------------------------------------------------------------------------------------------------

  offline(): void {
    // What was on its way would arrive after newer messages; whoever made the consumer begins anew.
    if (this.place.isFenced === true) this.stopReading();
  }

  online(): void {}

  /** From now on nothing is read. */
  stopReading(): void {
    if (!this.isReading) return;
    this.isReading = false;
    clearTimeout(this.again);
    void this.deliveries?.close();
  }

  async drain(): Promise<void> {
    this.stopReading();
    if (this.inFlight.size !== 0) await new Promise<void>((resolve) => this.whenIdle.push(resolve));
  }

  close(): void {
    if (this.isClosed) return;
    this.stopReading();
    if (!this.link.isClosed) for (const { message } of this.inFlight.values()) this.giveBack(message);
    this.end();
  }

  end(): void {
    if (this.isClosed) return;
    this.isClosed = true;
    this.isReading = false;
    clearInterval(this.alive);
    clearTimeout(this.again);
    this.link.parts.delete(this);
    this.inFlight.clear();
    this.tellIdle();
    const { party } = this.link;
    if (!party.isClosed) party.removeTask(this.task as LocalTask<unknown, false>);
  }

  private tellIdle(): void {
    const told = this.whenIdle;
    this.whenIdle = [];
    for (const tell of told) tell();
  }

  status(): NatsConsumerStatus {
    const { stream, name } = this.settings;
    return { stream, name, inFlight: this.inFlight.size, ...this.counts };
  }
}

/**
 * Reads a stream. `step` runs for each message, in the order of the stream, as a task of this reactor. The message is
 * acknowledged when the step is done: when it has returned, or its promise has resolved. A step that answers
 * BACK_PRESSURED waits for whoever refused it, and reading stops meanwhile. A step that throws runs again, `tries`
 * times in all; then the message is given up, counted and reported. The broker gives out again whatever was not
 * acknowledged, to this consumer or to another of the same name, so a step may run twice for one message; `message.id`
 * shows that.
 *
 *     await createNatsConsumer(nats, { stream: 'ORDERS', name: 'books' }, (message) => {
 *       return books.send(JSON.parse(message.text()));             // BACK_PRESSURED: again when there is room
 *     });
 *
 * Rejects with ERR_PERCORE_BROKER_REFUSED (no such stream, permissions), ERR_PERCORE_NAME_TAKEN,
 * ERR_PERCORE_INVALID_ARGUMENT, ERR_PERCORE_CLOSED.
 */
export async function createNatsConsumer(
  nats: Nats, options: NatsConsumerOptions, step: NatsStep,
): Promise<NatsConsumer> {
  const link = linkOf(nats);
  const settings = checkConsumer(options, link.party.turn.classes);
  checkFunction('step', step);
  return openConsumer(link, settings, step);
}

/** The same, for settings that are complete. */
export async function openConsumer(
  link: NatsLink, settings: ConsumerSettings, step: NatsStep, place?: ConsumerPlace,
): Promise<StreamConsumer> {
  if (link.isClosed) throw new PercoreError('ERR_PERCORE_CLOSED', 'the connection to the broker is closed');
  const consumer = new StreamConsumer(link, settings, step, place);
  try {
    await consumer.open();
  } catch (error) {
    consumer.end();
    throw error;
  }
  return consumer;
}
