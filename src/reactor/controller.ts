/**
 * The inside of a runtime: its reactors as members, the main thread's own party, and what it hears of them. What users
 * see of it is `Runtime`.
 *
 *      starting --all ready--> running --close--> draining --all quiet, or drainMs over--> leaving --exits--> closed
 *      (starting.ts)                              (closing.ts)
 *
 * Repair (marking dead, waking peers) happens after a worker's `exit` event only: that is proof of death, a time-out is
 * not.
 */
import type { EventEmitter } from 'node:events';
import { partyLayout } from '../layout.js';
import { native } from '../native.js';
import type { DisciplineOptions } from '../scheduling/internal.js';
import { nameOf } from './disciplines.js';
import { errorOf } from './failure.js';
import { ForgottenWatch } from './forgotten.js';
import { setIdleStrategy, type IdleOptions } from './idle-strategy.js';
import { Member, type MemberHost } from './member.js';
import { summon, summonAfterDeath } from './parking.js';
import { Party } from './party.js';
import { roomOf } from './room-channel.js';
import type { CloseResult, RuntimeEvents } from './runtime-events.js';
import type { RuntimeSettings } from './runtime-options.js';
import { TopicMembership } from '../topic-membership.js';
import { RuntimeBlock, partyCounters, partyWords, type SharedRuntime } from './shared.js';
import { mainStatus, reactorStatus, type ReactorStatus, type RuntimeStatus } from './status.js';

const SENT = partyLayout.fields.sent.at >> 3;
const RECEIVED = partyLayout.fields.received.at >> 3;

export class Controller implements MemberHost {
  readonly members: Member[] = [];
  /** The main thread as a party. */
  readonly main: Party;
  /**
   * Deaths are told from here on: while it starts, createRuntime rejects with them, and while it closes they are due.
   */
  isStarted = false;
  closing: Promise<CloseResult> | undefined;
  /** What rooms above this one have to end, once all reactors have left. */
  readonly closers: (() => Promise<void>)[] = [];
  /** What was chosen for all parties last. */
  discipline: DisciplineOptions;
  /** A member has come further on its way to ready. */
  onProgress: (() => void) | undefined;
  private readonly block: RuntimeBlock;
  private isHeld = true;
  private forgotten: ForgottenWatch | undefined;
  private events!: EventEmitter<RuntimeEvents>;

  constructor(readonly settings: RuntimeSettings, readonly shared: SharedRuntime) {
    const { budget, publishEvery, discipline, classes } = settings;
    this.discipline = discipline;
    const { reactors: id } = shared;
    this.block = new RuntimeBlock(shared.runtime);
    this.main = new Party(shared, id, {
      budget,
      publishEvery,
      discipline,
      classes,
      // In the next tick, as reports of reactors come: what a listener throws must not come back into the failed step.
      onError: (error, where) => process.nextTick(() => this.stepError(id, errorOf(error, id, where), where)),
      onDrop: (error) => process.nextTick(() => this.messageDropped(id, error)),
    });
  }

  /**
   * Starts a thread for each reactor; `events` hears of them from now on. Throws what starting one throws; those
   * before it run by then.
   */
  startMembers(events: EventEmitter<RuntimeEvents>): void {
    this.events = events;
    const {
      entry, data, pins, budget, publishEvery, discipline, classes, clock, source, resourceLimits,
    } = this.settings;
    const options = { budget, publishEvery, discipline, classes, clock, io: { source } };
    for (const [id, cpu] of pins.entries()) {
      this.members.push(new Member(id, { shared: this.shared, cpu, entry, data, options }, resourceLimits, this));
    }
  }

  // ---- For its members --------------------------------------------------------------------------------------------

  stepError(reactorId: number, error: Error, where: string): void {
    if (this.events.emit('stepError', { reactorId, error, where })) return;
    process.emitWarning(
      `reactor ${reactorId}, ${where}: ${error.stack ?? error.message}`, { code: 'ERR_PERCORE_STEP' },
    );
  }

  messageDropped(reactorId: number, error: Error): void {
    if (this.events.emit('messageDropped', { reactorId, error })) return;
    process.emitWarning(error.message, { code: 'ERR_PERCORE_NO_TASK' });
  }

  message(reactorId: number, message: unknown): void {
    this.events.emit('message', { reactorId, message });
  }

  room(reactorId: number, room: string, body: unknown): void {
    roomOf(room)?.onMain(this, reactorId, body);
  }

  progressed(): void {
    this.onProgress?.();
  }

  /** The only place where a reactor is declared dead. */
  exited({ id, error, threadId, queues }: Member, exitCode: number): void {
    this.block.markDead(id);
    new TopicMembership(this.shared.topics, id).begin();
    const code = 'ERR_PERCORE_REACTOR_DIED';
    const recovered = queues.recover((cause) => {
      process.emitWarning(`a queue of reactor ${id}, which has ended, cannot be recovered: ${cause.message}`, { code });
    });
    for (const [peer, inbox] of this.shared.inboxes.entries()) {
      summonAfterDeath(partyWords(inbox), () => native().wakers.wake(this.shared.eventFds[peer]!));
    }
    this.main.noteDeaths();
    if (this.closing !== undefined || !this.isStarted) return;
    if (this.events.emit('reactorDied', { reactorId: id, exitCode, threadId, recovered, error })) return;
    const why = error === undefined ? '' : `: ${error.message}`;
    process.emitWarning(`reactor ${id} died with exit code ${exitCode}${why}`, { code });
  }

  // ---- What it tells and is told ------------------------------------------------------------------------------------

  status(): RuntimeStatus {
    const { cpus, asked, classes } = this.settings;
    return {
      cpus,
      discipline: nameOf(this.discipline),
      reactorsAsked: asked,
      reactors: this.members.map((member) => this.statusOf(member)),
      main: mainStatus(this.shared, { discipline: this.main.turn.disciplines.inForce, classes }),
      sharedBytes: this.shared.runtime.byteLength + this.shared.topics.byteLength + this.shared.inboxes.reduce(
        (sum, inbox) => sum + inbox.byteLength, 0,
      ),
      node: process.version,
    };
  }

  statusOf({ id, isDead, grants, messages, threadId, discipline }: Member): ReactorStatus {
    const whyNoSpin = this.settings.whyNoSpin[id];
    const scheduling = { discipline: discipline.inForce, classes: this.settings.classes };
    return reactorStatus(this.shared, id, { isDead, grants, messages, threadId, whyNoSpin, scheduling });
  }

  /** Messages that are committed and not yet taken, over all parties. */
  inFlight(): number {
    let count = 0;
    for (const inbox of this.shared.inboxes) {
      const counters = partyCounters(inbox);
      count += counters[SENT]! - counters[RECEIVED]!;
    }
    return Math.max(0, count);
  }

  setIdleStrategy(id: number, options: IdleOptions): void {
    setIdleStrategy(partyWords(this.shared.inboxes[id]!), options);
    // A sleeper would not look before its next message.
    this.summon(id);
  }

  /** Tells every reactor to stop: words.stop. */
  tellAll(stop: number): void {
    for (const inbox of this.shared.inboxes.slice(0, this.shared.reactors)) {
      // stop.word: pairs with poll() in turn.cc; the summons follows, so that a sleeper sees it.
      Atomics.store(partyWords(inbox), partyLayout.fields.stop.at >> 2, stop);
    }
    for (const id of this.shared.inboxes.keys()) this.summon(id);
  }

  private summon(id: number): void {
    summon(partyWords(this.shared.inboxes[id]!), () => native().wakers.wake(this.shared.eventFds[id]!));
  }

  // ---- What keeps the program alive -------------------------------------------------------------------------------

  /** Whether the open runtime keeps the program running. */
  setHeld(isHeld: boolean): void {
    this.isHeld = isHeld;
    if (!isHeld) this.forgotten?.stop();
    this.hold(isHeld);
  }

  /** Warns of a runtime that nobody closes, from now until `setHeld(false)` or `stopWatching`. */
  watch(): void {
    if (!this.isHeld) return;
    this.forgotten = new ForgottenWatch({
      activity: () => this.activity(),
      hold: (isHeld) => this.hold(isHeld),
      areReactorsIdle: async () => (await Promise.all(this.members.map((member) => member.isIdle()))).every(Boolean),
    });
  }

  stopWatching(): void {
    this.forgotten?.stop();
  }

  private activity(): string | undefined {
    const { reactors, main } = this.status();
    const isAsleep = this.closing === undefined && this.inFlight() === 0 && this.main.isQuiet()
      && reactors.every(({ state }) => state === 'ready');
    if (!isAsleep) return undefined;
    const figures = reactors.map(
      ({ sent, received, steps, stepErrors, messages }) => [sent, received, steps, stepErrors, messages],
    );
    return JSON.stringify([main.sent, main.received, figures]);
  }

  private hold(isHeld: boolean): void {
    for (const member of this.members) {
      if (isHeld) member.ref();
      else member.unref();
    }
    this.main.setRef(isHeld);
  }
}
