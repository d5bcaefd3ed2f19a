/** What one party knows of all parties: their words in shared memory, how to wake them, who is there and who has died. */
import { words } from '../layout.js';
import { RuntimeBlock, partyWords, type SharedRuntime } from './shared.js';

const { HERE, DEAD } = words.presence;
const NOBODY: readonly number[] = [];

export class Peers {
  /** This party has left: nobody can be reached any more. */
  isClosed = false;
  readonly block: RuntimeBlock;
  private readonly parties: readonly Int32Array[];
  private readonly wakers: readonly (() => void)[];
  /** As of the last look, which a summons asks for: every send asks here, so nothing shared is touched. */
  private readonly presence: number[] = [];
  private readonly generations: number[] = [];
  private areAllHere = true;
  private seenChanges: number;

  /** `wake` writes an eventfd. */
  constructor(readonly shared: SharedRuntime, wake: (eventFd: number) => void) {
    this.block = new RuntimeBlock(shared.runtime);
    this.parties = shared.inboxes.map(partyWords);
    this.wakers = shared.eventFds.map((fd) => () => wake(fd));
    // Before the look: a change in between is seen again.
    this.seenChanges = this.block.changes();
    this.look();
  }

  /** The words of party `id`. */
  words(id: number): Int32Array {
    return this.parties[id]!;
  }

  /** What wakes party `id`. */
  waker(id: number): () => void {
    return this.wakers[id]!;
  }

  /** True when nothing can be sent there: that reactor has died for good, or this party has left. */
  isDead(id: number): boolean {
    return this.isClosed || (!this.areAllHere && this.presence[id] === DEAD);
  }

  /** False for a reactor that is dead, is started again, or takes no new work. */
  isHere(id: number): boolean {
    return this.areAllHere || this.presence[id] === HERE;
  }

  /** The reactors of which a thread has died since the last look; a thread started in its place may run already. */
  takeDeaths(): readonly number[] {
    const changes = this.block.changes();
    if (changes === this.seenChanges) return NOBODY;
    this.seenChanges = changes;
    return this.look();
  }

  /** The party in words: 'reactor 1', or 'the main thread', which comes after the last reactor. */
  nameOf(id: number): string {
    return id === this.shared.reactors ? 'the main thread' : `reactor ${id}`;
  }

  private look(): number[] {
    const died: number[] = [];
    this.areAllHere = true;
    for (let id = 0; id < this.shared.reactors; id++) {
      const generation = this.block.generation(id);
      if (generation !== (this.generations[id] ??= generation)) died.push(id);
      this.generations[id] = generation;
      this.presence[id] = this.block.presence(id);
      if (this.presence[id] !== HERE) this.areAllHere = false;
    }
    return died;
  }
}
