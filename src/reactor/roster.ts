/**
 * Which reactors there are and which of them take work. The main thread announces this to every party: it writes the
 * runtime block and summons all.
 *
 *      absent --begin--> away --setCount--> here <--setDrained--> away
 *         ^----------------┴--- leave, when it is to go ------------┘
 *                                           here, away --death--> away: started again, then as before
 *                                                           \---> dead for good
 */
import { BUCKETS, partyLayout, words } from '../layout.js';
import { whyNoSpin } from './decisions.js';
import type { RuntimeSettings } from './runtime-options.js';
import { RuntimeBlock, partyWords, type SharedRuntime } from './shared.js';

const { HERE, AWAY, DEAD, ABSENT } = words.presence;
const SEEN_CHANGES = partyLayout.fields.seenChanges.at >> 2;
const IS_CPU_SHARED = partyLayout.fields.isCpuShared.at >> 2;

export class Roster {
  private readonly block: RuntimeBlock;
  /** Those that take no new work, until told otherwise. */
  private readonly drained = new Set<number>();
  /** Those that are being added or taken away. */
  private readonly inTransit = new Set<number>();
  /** Of these, those that are being added. */
  private readonly coming = new Set<number>();
  /** Of these, those to which sends answer CLOSED, though their thread may still run. */
  private readonly leaving = new Set<number>();
  private spins: readonly (string | undefined)[] = [];
  /** Threads that had ended in each place before its present reactor was added. */
  private readonly earlier: number[] = [];

  /** `tellAll` summons every party after a change. */
  constructor(
    private readonly settings: RuntimeSettings, private readonly shared: SharedRuntime,
    private readonly tellAll: () => void,
  ) {
    this.block = new RuntimeBlock(shared.runtime);
    this.showSpins(settings.reactors);
  }

  /** Threads of the reactor that have died. One that was added does not count those of whoever had its place before. */
  generation(id: number): number {
    return this.block.generation(id) - (this.earlier[id] ?? 0);
  }

  isDrained(id: number): boolean {
    return this.drained.has(id);
  }

  /** It is being added or taken away: no thread is started in its place. */
  isInTransit(id: number): boolean {
    return this.inTransit.has(id);
  }

  /** It is being added: whoever adds it hears of its end. */
  isComing(id: number): boolean {
    return this.coming.has(id);
  }

  /** It is closed to all senders, and its thread may still run what it had. */
  isLeaving(id: number): boolean {
    return this.leaving.has(id);
  }

  /** Why the reactor may not spin; undefined if it may. */
  whyNoSpin(id: number): string | undefined {
    return this.spins[id];
  }

  /** Its thread has ended: the caller then wakes every party. */
  noteDeath(id: number, willRestart: boolean): void {
    this.block.noteDeath(id, willRestart ? AWAY : this.inTransit.has(id) ? ABSENT : DEAD);
  }

  /** Its entry has run after a death. */
  noteRestart(id: number): void {
    // It has been taken away meanwhile.
    if (this.block.presence(id) === ABSENT) return;
    this.setPresence(id, this.drained.has(id) ? AWAY : HERE);
  }

  /** Whether it takes no new work. A reactor that is started again shows it when it is ready. */
  setDrained(id: number, isDrained: boolean, isRestarting: boolean): void {
    if (isDrained) this.drained.add(id);
    else this.drained.delete(id);
    const presence = this.block.presence(id);
    if (!isRestarting && (presence === HERE || presence === AWAY)) this.setPresence(id, isDrained ? AWAY : HERE);
  }

  /**
   * A reactor is to be added. Nobody can name it until `setCount` announces it, but what its entry asks is answered,
   * and what reactors that are added with it send to it waits.
   */
  begin(id: number): void {
    this.earlier[id] = this.block.generation(id);
    this.inTransit.add(id);
    this.coming.add(id);
    this.setPresence(id, AWAY);
  }

  /**
   * Announces that there are `count` reactors from now on. Those from `count` on are to go; those below it that were
   * added come.
   */
  setCount(count: number): void {
    for (let id = 0; id < count; id++) {
      this.coming.delete(id);
      if (this.inTransit.delete(id)) this.block.setPresence(id, this.drained.has(id) ? AWAY : HERE);
    }
    for (let id = count; id < this.block.reactors(); id++) this.inTransit.add(id);
    this.block.setReactors(count);
    this.showSpins(count);
    // Increments the count of changes after that of reactors.
    this.setPresence(count - 1, this.block.presence(count - 1));
  }

  /** The buckets that a leaving reactor still owns are shared out; it has run everything that it had. */
  shareOut(id: number): void {
    for (let bucket = 0; bucket < BUCKETS; bucket++) {
      if (this.block.ownerOf(bucket) === id) this.block.setOwner(bucket, bucket % this.block.reactors());
    }
  }

  /** Sends to it answer CLOSED from now on. */
  leave(id: number): void {
    this.leaving.add(id);
    this.setPresence(id, ABSENT);
  }

  /** Its thread has ended, and the place is free. */
  forget(id: number): void {
    this.drained.delete(id);
    this.inTransit.delete(id);
    this.coming.delete(id);
    this.leaving.delete(id);
  }

  /** Resolves when every one of these reactors acts on the last announcement. */
  haveSeen(ids: readonly number[]): boolean {
    const changes = this.block.changes();
    // Pairs with the store in Party.noteDeaths().
    return ids.every((id) => Atomics.load(partyWords(this.shared.inboxes[id]!), SEEN_CHANGES) === changes);
  }

  private setPresence(id: number, presence: number): void {
    this.block.setPresence(id, presence);
    this.tellAll();
  }

  private showSpins(count: number): void {
    const { pins, cpus, policies, parties } = this.settings;
    const isEndless = parties[0]!.idleStrategy === words.idleStrategy.SPIN;
    this.spins = whyNoSpin(pins.slice(0, count), cpus, isEndless ? policies : []);
    for (const [id, why] of this.spins.entries()) {
      // Pairs with glance() in turn.cc: any recent value is right.
      Atomics.store(partyWords(this.shared.inboxes[id]!), IS_CPU_SHARED, why === undefined ? 0 : 1);
    }
  }
}
