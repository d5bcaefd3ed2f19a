/**
 * Stands in for preemption where the system refuses it: the levels of a core take turns, by a lock. A step has the turn
 * from its beginning to its end, and gives way wherever it would have caused its own preemption: where it spawns a task
 * of a level above, and where a lock ends. So the order is that of real preemption, except for timers and other cores,
 * whose tasks wait for the end of the step.
 *
 *      step: take the turn; is something above due? give it back, wait, again --> run --> give it back, tell all
 *      spawn above, end of a lock: is something above due? give the turn back, wait until it is done, take it again
 *
 * A step that gives way inside of a lock leaves its ceiling behind, and only a level above the ceiling may take the
 * turn.
 *
 * | pair         | write side                         | read side    | carries                     | needs           |
 * |--------------|------------------------------------|--------------|-----------------------------|-----------------|
 * | turn.busy    | `announce`                         | `isDueAbove` | "what was spawned runs now" | seq. cst.       |
 * | turn.ceiling | `giveWay`                          | `mayRun`     | what the turn may be used for | with the lock |
 * | turn.changes | `leave`, `giveWay`, after a death  | `take`       | "look again"                | seq. cst., both |
 */
import { appCoreLayout, appLevelLayout } from '../layout.js';
import { FairLock } from './fair-lock.js';
import type { Plan } from './plan.js';
import { openGate } from './step-gate.js';

const CHANGES = appCoreLayout.fields.changes.at >> 2;
const IS_BUSY = appLevelLayout.fields.isBusy.at >> 2;
const CEILING = appLevelLayout.fields.ceiling.at >> 2;
const BUSY = 1;
/** In place of 0 or BUSY, in the level's word: its thread has ended. */
export const DEAD = -1;
/** A waiter looks again by itself after this time, in case whoever would have woken it has died. */
const LOOK_EVERY_MS = 5;

interface Above {
  readonly rank: number;
  readonly level: Int32Array;
  /** The words in which messages for its tasks are counted by sender: sent, and begun. */
  readonly counts: readonly (readonly [sent: Int32Array, sentAt: number, begun: Int32Array, begunAt: number])[];
}

export class CoreTurns {
  private readonly core: Int32Array;
  private readonly level: Int32Array;
  private readonly lock: FairLock;
  private readonly above: readonly Above[];
  private readonly others: readonly Int32Array[];
  private readonly own: number;
  private isIn = false;

  constructor(plan: Plan, memory: SharedArrayBuffer, id: number) {
    const { core, rank } = plan.levels[id]!;
    this.own = rank;
    this.others = plan.levels.filter((other) => other.core === core && other.id !== id)
      .map((other) => new Int32Array(memory, plan.levelAt(other.id), appLevelLayout.bytes >> 2));
    this.core = new Int32Array(memory, plan.coreAt(core), appCoreLayout.bytes >> 2);
    this.level = new Int32Array(memory, plan.levelAt(id), appLevelLayout.bytes >> 2);
    this.lock = turnsLock(plan, memory, core, id);
    const senders = plan.levels.length + 1;
    const sent = Array.from({ length: senders }, (_, sender) => (
      new Int32Array(memory, plan.sentAt(sender), plan.tasks.length * 2)));
    this.above = plan.levels.filter((other) => other.core === core && other.rank > rank).map((other) => ({
      rank: other.rank,
      level: new Int32Array(memory, plan.levelAt(other.id), appLevelLayout.bytes >> 2),
      counts: plan.tasks.filter(({ level }) => level === other.id).flatMap(({ index }) => {
        const begun = new Int32Array(memory, plan.begunAt(index), senders * 2);
        return sent.map((of, sender) => [of, index * 2, begun, sender * 2] as const);
      }),
    }));
  }

  /** A step of this level is about to begin. Blocks until it has the turn. */
  announce(): void {
    // turn.busy: set before the message counts as begun, so that there is no moment when it is neither due nor running.
    Atomics.store(this.level, IS_BUSY, BUSY);
  }

  enter(rank: number): void {
    this.take(rank);
    this.isIn = true;
  }

  /** The step has ended. */
  leave(): void {
    this.isIn = false;
    // turn.busy: cleared before the change is announced.
    Atomics.store(this.level, IS_BUSY, 0);
    this.lock.release();
    tellChange(this.core);
  }

  /** Lets what is due above `rank` run, and returns when it is done. Does nothing outside of a step. */
  giveWay(rank: number): void {
    if (!this.isIn || !this.isDueAbove(rank)) return;
    // turn.ceiling: stored before the turn is given back, and again after it was taken.
    if (rank > this.own) Atomics.store(this.level, CEILING, rank);
    this.lock.release();
    tellChange(this.core);
    this.take(rank);
    if (rank > this.own) Atomics.store(this.level, CEILING, 0);
  }

  private take(rank: number): void {
    for (;;) {
      // turn.changes: read before it looks whether something is due.
      const seen = Atomics.load(this.core, CHANGES);
      if (this.mayRun(rank)) {
        this.lock.acquire();
        if (this.mayRun(rank)) return;
        this.lock.release();
      }
      // turn.changes: it does not sleep if something has ended meanwhile.
      Atomics.wait(this.core, CHANGES, seen, LOOK_EVERY_MS);
    }
  }

  private mayRun(rank: number): boolean {
    for (const other of this.others) {
      // turn.ceiling: whoever changes it has the turn; what counts is the look after the turn was taken.
      const ceiling = Atomics.load(other, CEILING);
      if (ceiling !== 0 && ceiling >= rank) return false;
    }
    return !this.isDueAbove(rank);
  }

  private isDueAbove(rank: number): boolean {
    for (const { rank: of, level, counts } of this.above) {
      // turn.busy: looked at first. After the counts it would be too late, since a message that begins leaves them.
      const busy = Atomics.load(level, IS_BUSY);
      if (of <= rank || busy === DEAD) continue;
      if (busy === BUSY) return true;
      for (const [sent, sentAt, begun, begunAt] of counts) {
        // turn.busy: a message that has begun since was announced before; the next look sees it.
        if (Atomics.load(sent, sentAt) !== Atomics.load(begun, begunAt)) return true;
      }
      if (Atomics.load(level, IS_BUSY) === BUSY) return true;
    }
    return false;
  }
}

/** The lock by which the levels of a core take turns. They share a CPU, so nobody spins. */
export function turnsLock(plan: Plan, memory: SharedArrayBuffer, core: number, self: number): FairLock {
  return new FairLock(memory, plan.coreAt(core) + appCoreLayout.bytes, self, [], 0);
}

/** After the death of a level: nobody waits for it. Only the main thread calls it. */
export function noteDeadLevel(plan: Plan, memory: SharedArrayBuffer, id: number): void {
  const { core } = plan.levels[id]!;
  const level = new Int32Array(memory, plan.levelAt(id), appLevelLayout.bytes >> 2);
  // turn.busy, turn.ceiling: nobody else writes them any more.
  Atomics.store(level, IS_BUSY, DEAD);
  Atomics.store(level, CEILING, 0);
  openGate(plan, memory, id);
  turnsLock(plan, memory, core, plan.levels.length).repair(id);
  tellChange(new Int32Array(memory, plan.coreAt(core), appCoreLayout.bytes >> 2));
}

function tellChange(core: Int32Array): void {
  // turn.changes: pairs with the look in take().
  Atomics.add(core, CHANGES, 1);
  Atomics.notify(core, CHANGES);
}
