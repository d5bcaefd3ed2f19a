/**
 * One subscription from within: what its handler gets, what waits for it, and what happens to messages beyond that.
 *
 *      message of a lane --idle, of this band--> handler, where the message lies
 *                       \--else--> kept (a reference) --select--> handler --refused--> held, with its message
 *                                   \--no room: the lane waits; or the newest or the oldest is dropped
 *
 * A message is read once for all subscribers of a thread, who get the same object. Bytes that a subscriber reads in
 * place are copied only if a subscriber has to wait, and then once for all of them.
 */
import { PercoreError } from '../errors.js';
import { noteRefusal } from '../refusals.js';
import { CLOSED, EVICTED, OK, type ResultCode } from '../queues/index.js';
import {
  LocalTask, QUANTUM, WaitingLine, type Handed, type Holdable, type Party, type Room,
} from '../reactor/internal.js';
import type { StepResult } from '../reactor/index.js';
import {
  DROPPED_EVICTED, DROPPED_LEFT, DROPPED_NEWEST, DROPPED_OLDEST, LAG, MESSAGES, type TopicRow,
} from '../topic-figures.js';
import type { TimerId } from '../timers/index.js';
import { MOST_MESSAGES } from './batch.js';
import { WaitingMessages } from './waiting-messages.js';
import type { TopicInfo } from './topic-info.js';
import type { SubscriberSettings, SubscriptionStatus } from './options.js';

/** What a subscriber needs of the bus. */
export interface SubscriberHost {
  readonly party: Party;
  /** The row in which it is counted. */
  rowFor(pattern: string, band: number | undefined, capacity: number): TopicRow;
  /** Called when it has ended. */
  remove(subscriber: Subscriber): void;
}

/** A message in place that can be copied in order to be kept. */
export interface Origin {
  /** A copy that stays. It is the same one for all who ask while this message is handed out. */
  copy(): unknown;
}

/** For messages that are no records in place. */
const NO_ORIGIN: Origin = { copy: () => undefined };

/** See the head of this file. */
export class Subscriber implements Holdable, Room, Handed<unknown, TopicInfo> {
  isReady = false;
  band: number;
  hasEnded = false;
  /** True if nothing waits for it and nobody waits for room, so that a message is handled at once. */
  isIdle = true;
  readonly pattern: string;
  readonly takesBytes: boolean;
  /** Its handler gets lists of messages. */
  readonly takesBatches: boolean;
  readonly ended: Promise<ResultCode>;
  /** The count of changes when it joined, by which publishers see it, and the same without wrapping. */
  joinedAs = 0;
  joinedTotal = 0;
  private readonly turn: Party['turn'];
  private readonly kept: WaitingMessages;
  private readonly line: WaitingLine;
  /** Stands for the handler in reports and limits. It is never scheduled, and its step never runs. */
  readonly task: LocalTask<unknown, false>;
  private readonly isOfAnyBand: boolean;
  private readonly waits: boolean;
  /** The row in which its figures lie, for others to read. */
  readonly row: TopicRow;
  /** The counts of its row until it has ended, and the values that the row had before. */
  private numbers: Float64Array;
  private readonly numbersBefore: Float64Array;
  private tellEnd!: (code: ResultCode) => void;
  private goOn: (() => void) | undefined;
  private watch: TimerId | undefined;
  /** What to call when this many messages have been taken out. */
  private awaited: { removed: number; tell: () => void } | undefined;

  constructor(
    private readonly host: SubscriberHost, private readonly settings: SubscriberSettings,
    readonly handler: (message: unknown, info: TopicInfo) => StepResult,
  ) {
    const { pattern, band, capacity, concurrency, whenSlow, takes } = settings;
    const turn = (this.turn = host.party.turn);
    this.pattern = pattern;
    this.takesBytes = takes === 'bytes';
    this.takesBatches = takes === 'batches';
    this.isOfAnyBand = band === undefined;
    this.band = band ?? turn.runningBand;
    this.waits = whenSlow === 'wait' || whenSlow === 'evict';
    this.kept = new WaitingMessages(capacity);
    this.line = new WaitingLine(turn.waits, this);
    this.task = new LocalTask<unknown, false>(
      turn, { name: `subscriber of ${pattern}`, band: this.band, capacity: 1, concurrency, takesBytes: false },
      () => OK,
    );
    this.row = host.rowFor(pattern, band, capacity);
    this.numbers = this.row.numbers;
    this.numbersBefore = Float64Array.from(this.numbers);
    this.ended = new Promise((resolve) => (this.tellEnd = resolve));
  }

  /** How many messages wait. */
  get lag(): number {
    return this.kept.count;
  }

  /** The figures of the subscription as a fresh object. */
  status(): SubscriptionStatus {
    const { whenSlow, capacity } = this.settings;
    const counted = (at: number): number => this.numbers[at]! - this.numbersBefore[at]!;
    const droppedByReason = {
      newest: counted(DROPPED_NEWEST), oldest: counted(DROPPED_OLDEST), evicted: counted(DROPPED_EVICTED),
      left: counted(DROPPED_LEFT),
    };
    const { newest, oldest, evicted, left } = droppedByReason;
    return {
      pattern: this.pattern, whenSlow, capacity, lag: this.lag, received: counted(MESSAGES),
      dropped: newest + oldest + evicted + left, droppedByReason, isOver: this.hasEnded,
    };
  }

  /** True if a message of this band is handled at once, unless the subscriber is busy. */
  takesAtOnce(band: number): boolean {
    return this.settings.concurrency === Infinity && (this.isOfAnyBand || band === this.band);
  }

  /**
   * False if a message would have to wait, which is then noted as a refusal of this step. All subscribers are asked
   * before any gets the message, so that all of them get it or none does.
   */
  mayTake(): boolean {
    if (this.isIdle || !this.waits || this.hasEnded) return true;
    // Nobody overtakes those who wait.
    if (!this.kept.isFull && (this.line.count === 0 || this.line.lets(1))) return true;
    noteRefusal(this.line, 1);
    if (this.settings.whenSlow === 'evict' && this.watch === undefined) this.watchStandstill();
    return false;
  }

  /** For how many messages there is room, where `mayTake` has just said that there is room for one. */
  roomForBatch(): number {
    const { kept } = this;
    if (!this.waits || this.hasEnded) return Infinity;
    if (this.isIdle) return kept.capacity;
    return this.line.count === 0 ? kept.capacity - kept.count : 1;
  }

  /** Handles a message, keeps it, or drops and counts it. Call it after `mayTake` of all subscribers. */
  take(message: unknown, info: TopicInfo, band: number, origin: Origin): void {
    if (this.hasEnded) return;
    if ((!this.isIdle && !this.becomesIdle()) || (!this.isOfAnyBand && band !== this.band)) {
      this.keep(message, info, band, origin);
      return;
    }
    const code = this.turn.steps.hand(this.task, this.handler, message, info);
    if (code === OK) this.hasTaken();
    else this.wantsAgain(code, message, info, band, origin);
  }

  /** The same for several messages of one topic, for a subscriber that takes batches. */
  takeBatch(messages: readonly unknown[], info: TopicInfo, band: number): void {
    if (this.hasEnded) return;
    if ((!this.isIdle && !this.becomesIdle()) || (!this.isOfAnyBand && band !== this.band)) {
      for (const message of messages) this.keep(message, info, band, NO_ORIGIN);
      return;
    }
    const code = this.turn.steps.hand(this.task, this.handler, messages, info);
    if (code === OK) {
      this.numbers[MESSAGES]! += messages.length;
      return;
    }
    // The handler may have left.
    if (this.hasEnded) return;
    if (this.isOfAnyBand) this.band = band;
    // Marked as ready, so that only the party that refused makes it run again.
    this.isReady = true;
    for (const message of messages) this.keep(message, info, band, NO_ORIGIN);
    this.turn.waits.hold(this, code);
  }

  /** A message was handed to it. */
  hasTaken(): void {
    this.numbers[MESSAGES]!++;
  }

  /** Its handler has answered that it wants the message again. */
  wantsAgain(code: number, message: unknown, info: TopicInfo, band: number, origin: Origin): void {
    // The handler may have left.
    if (this.hasEnded) return;
    this.isIdle = false;
    if (this.isOfAnyBand) this.band = band;
    this.kept.add(this.takesBytes ? origin.copy() : message, info);
    this.numbers[LAG] = this.kept.count;
    // Marked as ready, so that only the party that refused makes it run again.
    this.isReady = true;
    this.turn.waits.hold(this, code);
  }

  /**
   * For messages that come outside of a turn. Returns false if the message would have to wait; `whenRoom` then waits.
   */
  offer(message: unknown, info: TopicInfo, band: number): boolean {
    if (this.hasEnded) return true;
    if (this.waits && (this.kept.isFull || (this.line.count !== 0 && !this.line.lets(1)))) return false;
    this.keep(message, info, band, { copy: () => message });
    return true;
  }

  /** Calls `then` when there is room for one message, or when the subscription has ended. */
  whenRoom(then: () => void): void {
    this.line.whenRoom(1, then);
  }

  /** Resolves when everything that waits for it now has been handled or dropped. May be asked once. */
  hasHandled(): Promise<void> {
    const { removed, count } = this.kept;
    if (count === 0) return Promise.resolve();
    return new Promise((tell) => (this.awaited = { removed: removed + count, tell }));
  }

  /** Runs messages that wait. Returns true if there are more. */
  run(): boolean {
    const { kept, turn } = this;
    let steps = 0;
    while (kept.count !== 0 && steps < QUANTUM) {
      const { removed } = kept;
      const batch = this.takesBatches ? kept.oldest(MOST_MESSAGES) : undefined;
      const code = turn.steps.hand(this.task, this.handler, batch ?? kept.message, kept.info);
      if (code !== OK) {
        if (!this.hasEnded) turn.hold(this, code);
        break;
      }
      steps++;
      const count = batch === undefined ? 1 : batch.length;
      this.numbers[MESSAGES]! += count;
      // Its own handler has left, or has caused messages that dropped the oldest: these were counted as dropped, and
      // have been handled after all.
      const gone = Math.min(kept.removed - removed, count);
      if (gone !== 0) this.takeBack(this.hasEnded ? DROPPED_LEFT : DROPPED_OLDEST, gone);
      for (let i = gone; i < count; i++) kept.remove();
      if (this.hasEnded || turn.mustEndQuantum(this.band, steps)) break;
    }
    this.numbers[LAG] = kept.count;
    if (steps !== 0) this.line.mayHaveRoom();
    if (this.awaited !== undefined && kept.removed >= this.awaited.removed) this.tellHandled();
    turn.endQuantum(this.band, steps);
    return kept.count !== 0;
  }

  /** See `Holdable`. */
  setHeld(isHeld: boolean, goOn?: () => void): void {
    this.goOn = isHeld ? goOn : undefined;
  }

  /** Ends the subscription; see Subscription. */
  leave(): void {
    this.end(CLOSED, DROPPED_LEFT);
  }

  // ---- For those who wait for room ----------------------------------------------------------------------------------

  askForRoom(messages: number): boolean {
    return this.kept.count + messages <= this.kept.capacity;
  }

  unitsOf(messages: number): number {
    return messages;
  }

  isOver(): boolean {
    return this.hasEnded;
  }

  describe(): string {
    return `room for ${this.task.name}`;
  }

  // ---- Inside -------------------------------------------------------------------------------------------------------

  /** Finds out whether it is idle again. */
  private becomesIdle(): boolean {
    return (this.isIdle = this.kept.count === 0 && !this.isReady && this.line.count === 0);
  }

  /** Keeps a message until the handler's turn, or drops one as `whenSlow` says. */
  private keep(message: unknown, info: TopicInfo, band: number, origin: Origin): void {
    const { kept } = this;
    this.isIdle = false;
    if (kept.isFull) {
      if (this.settings.whenSlow === 'drop-newest') {
        this.numbers[DROPPED_NEWEST]!++;
        return;
      }
      kept.remove();
      this.numbers[DROPPED_OLDEST]!++;
    }
    if (this.isOfAnyBand && !this.isReady) this.band = band;
    kept.add(this.takesBytes ? origin.copy() : message, info);
    this.numbers[LAG] = kept.count;
    if (!this.isReady) this.turn.schedule(this);
  }

  /** Takes back the count of messages that were not dropped after all. */
  private takeBack(reason: number, messages: number): void {
    this.numbers[reason]! -= messages;
    if (this.numbers !== this.row.numbers) this.row.numbers[reason]! -= messages;
  }

  private tellHandled(): void {
    this.awaited?.tell();
    this.awaited = undefined;
  }

  /** For 'evict': from now on it has this long to take at least one message. */
  private watchStandstill(): void {
    const { removed } = this.kept;
    const { timers } = this.host.party;
    const { evictAfterMs, capacity } = this.settings;
    const places = capacity === 1 ? 'its one place was' : `its ${capacity} places were`;
    this.watch = timers.after({ delayNs: evictAfterMs * 1e6, priority: 7 }, () => {
      this.watch = undefined;
      if (this.hasEnded || !this.kept.isFull) return;
      if (this.kept.removed !== removed) return this.watchStandstill();
      this.end(EVICTED, DROPPED_EVICTED);
      this.host.party.reportError(
        new PercoreError(
          'ERR_PERCORE_CLOSED',
          `it was evicted: it took nothing for ${evictAfterMs} ms while ${places} full. What it has lost is counted in `
            + 'its status(). Subscribe again to go on',
        ),
        this.task.name,
      );
    });
  }

  /** Ends the subscription, unless it has ended. `reason` counts the messages that wait. */
  private end(code: ResultCode, reason: number): void {
    if (this.hasEnded) return;
    this.hasEnded = true;
    this.numbers[reason]! += this.kept.clear();
    this.row.end();
    // The row may be given to another subscriber of this pattern.
    this.numbers = Float64Array.from(this.numbers);
    if (this.watch !== undefined) this.host.party.timers.cancel(this.watch);
    this.host.remove(this);
    this.tellEnd(code);
    this.tellHandled();
    // Whoever waits for this subscriber goes on without it, and it waits for nobody.
    this.line.mayHaveRoom();
    this.goOn?.();
  }
}
