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
import { checkFunction, PercoreError } from '../errors.js';
import { AGAIN, BACK_PRESSURED, nameOfCode } from '../result-codes.js';
import type { StepResult } from '../reactor/index.js';
import { LocalTask } from '../reactor/internal.js';
import { isThenable } from '../thenable.js';
import type { Nats } from './bridge.js';
import type { ClientDelivery } from './client.js';
import type { NatsConsumer, NatsConsumerStatus, NatsStep } from './consumer-types.js';
import { Delivery } from './delivery.js';
import { linkClosed } from './failures.js';
import type { LinkPart, NatsLink } from './link.js';
import { linkOf } from './nats.js';
import { checkConsumer, type ConsumerSettings, type NatsConsumerOptions } from './options.js';
import { Turns } from './turns.js';
import { StreamSource, type ConsumerPlace, type SourceHost } from './source.js';

export class StreamConsumer implements NatsConsumer, LinkPart, SourceHost {
  readonly kind = 'consumer';
  private readonly inFlight = new Map<number, Delivery>();
  /** How many more are under way whose stream was deleted and made anew. */
  private orphans = 0;
  /** Sequences that were finished here lately; new ones overwrite the oldest. */
  private readonly done = new Set<number>();
  private readonly doneRing: Float64Array;
  private doneAt = 0;
  private latest = 0;
  private lastReceived = 0;
  private readonly task: LocalTask<Delivery, false>;
  private readonly source: StreamSource;
  private readonly alive: NodeJS.Timeout;
  private isClosed = false;
  /** With `isInTurn`: of each subject, until its message is done or given up. */
  private readonly turns: Turns | undefined;
  private whenIdle: (() => void)[] = [];
  private readonly counts = {
    received: 0, acknowledged: 0, duplicates: 0, failed: 0, givenUp: 0, givenBack: 0,
  };

  constructor(
    readonly link: NatsLink, private readonly settings: ConsumerSettings, private readonly step: NatsStep,
    place: ConsumerPlace = {},
  ) {
    const { name, band, concurrency, mostInFlight, ackWaitMs } = settings;
    const { party } = link;
    this.turns = place.isInTurn === true && concurrency > 1 ? new Turns() : undefined;
    this.doneRing = new Float64Array(2 * mostInFlight);
    this.task = new LocalTask<Delivery, false>(
      // The bound is the broker's; a message that it gives out again occupies no second place.
      party.turn, { name: `nats ${name}`, band, capacity: mostInFlight, concurrency, takesBytes: false },
      (delivery) => this.run(delivery),
    );
    party.dispatcher.addTask(this.task as LocalTask<unknown, false>);
    link.parts.add(this);
    this.source = new StreamSource(link, settings, place, this);
    this.alive = setInterval(() => this.sayAlive(), ackWaitMs / 3).unref();
  }

  get stream(): string { return this.settings.stream; }
  get name(): string { return this.settings.name; }

  /** Makes its place where the broker has none, and reads. Rejects with ERR_PERCORE_BROKER_REFUSED. */
  open(): Promise<void> { return this.source.open(); }

  // ---- Reading ------------------------------------------------------------------------------------------------------

  /** The first sequence that was not given out to here; 1 where nothing was. */
  get next(): number { return this.lastReceived + 1; }

  get firstOpen(): number | undefined {
    // In the order in which they came, which is not that of their sequences where some came again.
    const { latest, inFlight } = this;
    let first = latest === 0 ? Infinity : latest + 1;
    for (const sequence of inFlight.keys()) first = Math.min(first, sequence);
    return first === Infinity ? undefined : first;
  }

  receive(message: ClientDelivery): void {
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
    if (!this.source.isReading) return this.giveBack(message);
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
    const before = this.turns?.before(delivery.subject);
    if (before !== undefined) return this.turns!.take(delivery.subject, this.followAfter(before, delivery));
    let result: StepResult;
    try {
      result = this.step(delivery);
      if (isThenable(result)) {
        const over = this.follow(delivery, result);
        return this.turns?.take(delivery.subject, over) ?? over;
      }
    } catch (error) {
      return this.hasFailed(delivery, error) ? AGAIN : undefined;
    }
    if (isAgain(result)) return result;
    if (!isRefusal(result)) return this.isDone(delivery);
    return this.hasFailed(delivery, notTaken(result)) ? AGAIN : undefined;
  }

  private async followAfter(before: Promise<void>, delivery: Delivery): Promise<void> {
    await before;
    if (!this.isClosed) await this.follow(delivery, this.tryStep(delivery));
  }

  private tryStep(delivery: Delivery): unknown {
    try {
      return this.step(delivery);
    } catch (error) {
      return Promise.reject(error as Error);
    }
  }

  /** The turn of an asynchronous step is over when it is done, so this runs it again by itself. */
  private async follow(delivery: Delivery, first: unknown): Promise<void> {
    for (let result = first;;) {
      try {
        const answer = await result;
        if (!isRefusal(answer)) return this.isDone(delivery);
        if (!isAgain(answer)) throw notTaken(answer);
      } catch (error) {
        if (!this.hasFailed(delivery, error)) return;
      }
      await new Promise((resolve) => setTimeout(resolve, 10 * 2 ** Math.min(delivery.failures, 8)));
      if (this.isClosed) return;
      result = this.tryStep(delivery);
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
    if (!delivery.isOrphan) delivery.message.term('its step has thrown');
    this.forget(delivery);
    return false;
  }

  private isDone(delivery: Delivery): void {
    if (this.isClosed) return;
    this.counts.acknowledged++;
    if (!delivery.isOrphan) delivery.message.ack();
    this.forget(delivery);
  }

  private forget(delivery: Delivery): void {
    if (delivery.isOrphan) {
      this.orphans--;
      return this.lookIdle();
    }
    const { sequence } = delivery;
    this.inFlight.delete(sequence);
    this.latest = Math.max(this.latest, sequence);
    const { doneRing } = this;
    this.done.delete(doneRing[this.doneAt]!);
    doneRing[this.doneAt] = sequence;
    this.done.add(sequence);
    this.doneAt = this.doneAt + 1 === doneRing.length ? 0 : this.doneAt + 1;
    this.lookIdle();
  }

  private lookIdle(): void {
    if (this.inFlight.size + this.orphans === 0 && this.whenIdle.length !== 0) this.tellIdle();
  }

  forgetAll(): void {
    this.done.clear();
    this.doneRing.fill(0);
    this.latest = 0;
    // Their steps go on, but their numbers belong to other messages now, which an acknowledgement would reach.
    for (const delivery of this.inFlight.values()) delivery.isOrphan = true;
    this.orphans += this.inFlight.size;
    this.inFlight.clear();
  }

  private sayAlive(): void {
    if (!this.link.isOnline) return;
    for (const { message } of this.inFlight.values()) message.working();
  }

  // ---- Its end ------------------------------------------------------------------------------------------------------

  offline(): void { this.source.offline(); }
  online(): void { this.source.online(); }

  async drain(): Promise<void> {
    this.source.stop();
    await this.idle();
  }

  async idle(): Promise<void> {
    if (this.inFlight.size + this.orphans !== 0) await new Promise<void>((resolve) => this.whenIdle.push(resolve));
  }

  close(): void {
    if (this.isClosed) return;
    this.source.stop();
    if (!this.link.isClosed) for (const { message } of this.inFlight.values()) this.giveBack(message);
    this.end();
  }

  end(): void {
    if (this.isClosed) return;
    this.isClosed = true;
    this.source.stop();
    clearInterval(this.alive);
    this.link.parts.delete(this);
    this.inFlight.clear();
    this.tellIdle();
    const { party } = this.link;
    // What waits there is the broker's, which gives it out again.
    if (!party.isClosed) party.removeTask(this.task as LocalTask<unknown, false>, true);
  }

  private tellIdle(): void {
    const told = this.whenIdle;
    this.whenIdle = [];
    for (const tell of told) tell();
  }

  status(): NatsConsumerStatus {
    const { stream, name } = this.settings;
    return { stream, name, inFlight: this.inFlight.size + this.orphans, ...this.counts };
  }
}

const isAgain = (answer: unknown): answer is number => answer === BACK_PRESSURED || answer === AGAIN;
const isRefusal = (answer: unknown): answer is number => typeof answer === 'number' && answer < 0;

/** What the step sent was not taken, and never will be. */
const notTaken = (answer: number): PercoreError =>
  new PercoreError('ERR_PERCORE_STEP_ANSWER', `a step answered ${nameOfCode(answer)}`, { value: answer });

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
  if (link.isClosed) throw linkClosed();
  const consumer = new StreamConsumer(link, settings, step, place);
  try {
    await (place?.isFenced === true ? consumer.open() : link.patiently(() => consumer.open()));
  } catch (error) {
    consumer.end();
    throw error;
  }
  return consumer;
}
