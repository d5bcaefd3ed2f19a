/**
 * What happens after a reactor's thread has ended, in this order:
 *
 *      exit event: its rings are repaired, its losses counted --> every party is told and woken --> the next thread is
 *      started, where the policy allows it --> 'reactorDied' --entry has run--> 'reactorRestarted'
 */
import type { EventEmitter } from 'node:events';
import { partyLayout, words } from '../layout.js';
import { native } from '../native.js';
import { clearParty, repairLanes, type Loss } from './lane-repair.js';
import type { Member } from './member.js';
import { summonAfterDeath } from './parking.js';
import type { RestartOptions } from './restart-policy.js';
import { Restarts, type RestartHost } from './restarts.js';
import type { Roster } from './roster.js';
import type { RuntimeEvents } from './runtime-events.js';
import { partyWords, type SharedRuntime } from './shared.js';
import { TopicMembership } from '../topic-membership.js';

export interface DeathHost {
  readonly shared: SharedRuntime;
  readonly roster: Roster;
  readonly events: EventEmitter<RuntimeEvents>;
  /** Every reactor has run its entry. Until then createRuntime rejects with what happens, and no event tells of it. */
  readonly isStarted: boolean;
  /** The runtime closes, or has closed. */
  readonly isClosing: boolean;
  /** The main thread's own party looks. */
  readonly main: { noteDeaths(): void };
  readonly members: readonly Member[];
  /** Starts a thread in the place of the reactor. Throws what starting one throws. */
  startAgain(id: number): Member;
}

const PHASE = partyLayout.fields.phase.at >> 2;
const DIED = 'ERR_PERCORE_REACTOR_DIED';

export class Deaths implements RestartHost {
  readonly restarts: Restarts;
  /** For each reactor, how often it was ready again. */
  private readonly restartCounts: number[] = [];
  /** For each reactor, its last death. */
  private readonly last: { readonly atMs: number; readonly lost: Loss }[] = [];

  constructor(
    private readonly host: DeathHost, restart: Required<RestartOptions> | undefined, startTimeoutMs: number,
  ) {
    this.restarts = new Restarts(this, restart, startTimeoutMs);
  }

  /** The only place where a reactor is declared dead. */
  exited(member: Member, exitCode: number, wasReady: boolean = member.isReady): void {
    const { id, error, threadId, generation, queues, flight } = member;
    const { shared, roster, events } = this.host;
    const recovered = queues.recover((cause) => {
      const message = `a queue of reactor ${id}, which has ended, cannot be recovered: ${cause.message}`;
      process.emitWarning(message, { code: DIED });
    });
    const lost = repairLanes(shared, id, threadId);
    this.last[id] = { atMs: performance.now(), lost };
    const { isStarted, isClosing } = this.host;
    // Whoever adds or takes away, starts or closes has other plans with its place.
    const isDue = !isStarted || isClosing || roster.isInTransit(id);
    const isTold = !isDue || (isStarted && !roster.isComing(id) && !this.wasAsked(member));
    const begin = isDue ? undefined : this.restarts.next(id, wasReady);
    if (begin !== undefined) clearParty(shared.inboxes[id]!);
    // Whoever publishes from here on does not count on it; a thread that comes in its place subscribes anew.
    new TopicMembership(shared.topics, id).begin();
    roster.noteDeath(id, begin !== undefined);
    this.tellAll();
    // Before listeners are told, because they may throw.
    begin?.();
    if (!isTold) return;
    member.hasDied = true;
    const willRestart = begin !== undefined;
    const death = {
      reactorId: id, exitCode, threadId, recovered, error, generation, willRestart, lost, events: flight,
    };
    if (events.emit('reactorDied', death)) return;
    const why = error === undefined ? '' : `: ${error.message}`;
    const then = willRestart ? '; it is started again' : '';
    process.emitWarning(`reactor ${id} died with exit code ${exitCode}${why}${then}`, { code: DIED });
  }

  /**
   * The reactor is taken away: if it waits to be started again, it is not. What it was asked while it waited would have
   * been answered by that thread, whose end nobody will see; so it counts as another death.
   */
  cancelRestart(id: number): void {
    if (!this.restarts.cancel(id)) return;
    this.host.roster.noteDeath(id, false);
    this.tellAll();
  }

  /** The reactor has been taken away: one that is added in its place begins anew. */
  forget(id: number): void {
    this.restartCounts[id] = 0;
    this.restarts.forget(id);
  }

  /** How often the reactor was ready again after a death. */
  restartsOf(id: number): number {
    return this.restartCounts[id] ?? 0;
  }

  /** It has died, and is not ready again. */
  isRestarting({ id, generation, isDead, isReady }: Member): boolean {
    return this.restarts.isWaiting(id)
      || (generation > 0 && !isDead && !isReady && !this.host.roster.isInTransit(id));
  }

  /** The runtime has told the thread to end, and it has ended because of that. */
  private wasAsked({ id, error, wasTerminated }: Member): boolean {
    if (error !== undefined) return false;
    // Pairs with setPhase(), its last words.
    return wasTerminated || Atomics.load(partyWords(this.host.shared.inboxes[id]!), PHASE) === words.phase.LEFT;
  }

  private tellAll(): void {
    const { shared, main } = this.host;
    for (const [peer, inbox] of shared.inboxes.entries()) {
      summonAfterDeath(partyWords(inbox), () => native().wakers.wake(shared.eventFds[peer]!));
    }
    main.noteDeaths();
  }

  // ---- For its restarts ---------------------------------------------------------------------------------------------

  startAgain(id: number): Member {
    return this.host.startAgain(id);
  }

  restarted({ id, generation }: Member): void {
    this.restartCounts[id] = this.restartsOf(id) + 1;
    this.host.roster.noteRestart(id);
    if (this.host.isClosing) return;
    const { atMs, lost } = this.last[id]!;
    this.host.events.emit('reactorRestarted', { reactorId: id, generation, ms: performance.now() - atMs, lost });
  }

  notStarted(id: number, error: Error): void {
    // As if it had started and ended at once: the policy decides again.
    const member = this.host.members[id];
    // It has been taken away meanwhile.
    if (member === undefined) return;
    member.error = error;
    this.exited(member, 1, false);
  }
}
