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
import { partyLayout, words } from '../layout.js';
import { native } from '../native.js';
import { errorOf } from './failure.js';
import { ForgottenWatch } from './forgotten.js';
import { setIdleStrategy, type IdleOptions } from './idle-strategy.js';
import { KeptNames } from './kept-names.js';
import { clearParty, repairLanes, type Loss } from './lane-repair.js';
import { Member, type MemberHost } from './member.js';
import { summon, summonAfterDeath } from './parking.js';
import { Party } from './party.js';
import type { CloseResult, RuntimeEvents } from './runtime-events.js';
import type { RuntimeSettings } from './runtime-options.js';
import { Restarts, type RestartHost } from './restarts.js';
import { RuntimeBlock, partyCounters, partyWords, type SharedRuntime } from './shared.js';
import { mainStatus, reactorStatus, type ReactorStatus, type RuntimeStatus } from './status.js';

const SENT = partyLayout.fields.sent.at >> 3;
const RECEIVED = partyLayout.fields.received.at >> 3;
const LOST = partyLayout.fields.lost.at >> 3;

const DIED = 'ERR_PERCORE_REACTOR_DIED';

/** The last death of a reactor. */
interface LastDeath {
  readonly atMs: number;
  readonly lost: Loss;
}

export class Controller implements MemberHost, RestartHost {
  /** The thread that runs in each reactor's place, or the last that did. */
  readonly members: Member[] = [];
  readonly restarts: Restarts;
  /** The main thread as a party. */
  readonly main: Party;
  /**
   * Deaths are told from here on: while it starts, createRuntime rejects with them, and while it closes they are due.
   */
  isStarted = false;
  closing: Promise<CloseResult> | undefined;
  /** A member has come further on its way to ready. */
  onProgress: (() => void) | undefined;
  private readonly block: RuntimeBlock;
  private isHeld = true;
  private forgotten: ForgottenWatch | undefined;
  private events!: EventEmitter<RuntimeEvents>;
  private readonly names: KeptNames[] = [];
  private readonly lastDeaths: LastDeath[] = [];
  /** By reactor, how often it was ready again. */
  private readonly restartCounts: number[] = [];

  constructor(readonly settings: RuntimeSettings, readonly shared: SharedRuntime) {
    const { budget, publishEvery, discipline, restart, startTimeoutMs } = settings;
    this.restarts = new Restarts(this, restart, startTimeoutMs);
    const { reactors: id } = shared;
    this.block = new RuntimeBlock(shared.runtime);
    this.main = new Party(shared, id, {
      budget,
      publishEvery,
      discipline,
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
    for (const id of this.settings.pins.keys()) this.members.push(this.startMember(id));
  }

  private startMember(id: number): Member {
    const {
      entry, data, pins, budget, publishEvery, discipline, clock, source, resourceLimits, restart,
    } = this.settings;
    const options = { budget, publishEvery, discipline, clock, io: { source } };
    const names = restart === undefined ? undefined : (this.names[id] ??= new KeptNames()).lanes;
    const generation = this.block.generation(id);
    const start = { shared: this.shared, cpu: pins[id], entry, data, generation, names, options };
    return new Member(id, start, resourceLimits, this);
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

  progressed(): void {
    this.onProgress?.();
  }

  name(reactorId: number, lane: number, number: number, text: string): void {
    this.names[reactorId]?.keep(lane, number, text);
  }

  /** The only place where a reactor is declared dead. */
  exited({ id, error, threadId, generation, queues }: Member, exitCode: number): void {
    const recovered = queues.recover((cause) => {
      const message = `a queue of reactor ${id}, which has ended, cannot be recovered: ${cause.message}`;
      process.emitWarning(message, { code: DIED });
    });
    const lost = repairLanes(this.shared, id, threadId);
    this.lastDeaths[id] = { atMs: performance.now(), lost };
    const isDue = this.closing !== undefined || !this.isStarted;
    const begin = isDue ? undefined : this.restarts.next(id);
    if (begin !== undefined) clearParty(this.shared.inboxes[id]!);
    this.block.noteDeath(id, begin === undefined ? words.presence.DEAD : words.presence.AWAY);
    for (const [peer, inbox] of this.shared.inboxes.entries()) {
      summonAfterDeath(partyWords(inbox), () => native().wakers.wake(this.shared.eventFds[peer]!));
    }
    this.main.noteDeaths();
    // Before listeners are told, who may throw.
    begin?.();
    if (isDue) return;
    const willRestart = begin !== undefined;
    const death = { reactorId: id, exitCode, threadId, recovered, error, generation, willRestart, lost };
    if (this.events.emit('reactorDied', death)) return;
    const why = error === undefined ? '' : `: ${error.message}`;
    const then = willRestart ? '; it is started again' : '';
    process.emitWarning(`reactor ${id} died with exit code ${exitCode}${why}${then}`, { code: DIED });
  }

  // ---- For its restarts ---------------------------------------------------------------------------------------------

  startAgain(id: number): Member {
    const { messages } = this.members[id]!;
    const member = (this.members[id] = this.startMember(id));
    member.messages = messages;
    if (!this.isHeld) member.unref();
    return member;
  }

  restarted({ id, generation }: Member): void {
    this.restartCounts[id] = (this.restartCounts[id] ?? 0) + 1;
    this.block.setPresence(id, words.presence.HERE);
    for (const peer of this.shared.inboxes.keys()) this.summon(peer);
    this.main.noteDeaths();
    const { atMs, lost } = this.lastDeaths[id]!;
    if (this.closing !== undefined) return;
    this.events.emit('reactorRestarted', { reactorId: id, generation, ms: performance.now() - atMs, lost });
  }

  notStarted(id: number, error: Error): void {
    // As if it had started and ended at once: the policy decides again.
    const member = this.members[id]!;
    member.error = error;
    this.exited(member, 1);
  }

  // ---- What it tells and is told ------------------------------------------------------------------------------------

  status(): RuntimeStatus {
    const { cpus, asked, discipline } = this.settings;
    return {
      cpus,
      discipline: structuredClone(discipline),
      reactorsAsked: asked,
      reactors: this.members.map((member) => this.statusOf(member)),
      main: mainStatus(this.shared),
      sharedBytes: this.shared.runtime.byteLength + this.shared.inboxes.reduce(
        (sum, inbox) => sum + inbox.byteLength, 0,
      ),
      node: process.version,
    };
  }

  statusOf({ id, isDead, isReady, grants, messages, threadId, generation }: Member): ReactorStatus {
    const isWaiting = this.restarts.isWaiting(id);
    return reactorStatus(this.shared, id, {
      isDead: isDead && !isWaiting,
      isRestarting: isWaiting || (generation > 0 && !isDead && !isReady),
      generation: this.block.generation(id),
      restarts: this.restartCounts[id] ?? 0,
      grants, messages, threadId,
      whyNoSpin: this.settings.whyNoSpin[id],
    });
  }

  /** Messages that are committed and not yet taken, over all parties. */
  inFlight(): number {
    let count = 0;
    for (const inbox of this.shared.inboxes) {
      const counters = partyCounters(inbox);
      count += counters[SENT]! - counters[LOST]! - counters[RECEIVED]!;
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
