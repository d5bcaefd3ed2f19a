/** What one party knows of all: their words in shared memory, how to wake them, which are there and which have died. */
import { words } from '../layout.js';
import { RuntimeBlock, partyWords, type SharedRuntime } from './shared.js';

const { HERE, DEAD } = words.presence;

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
  /** Reactors that there are now. */
  count = 0;
  /** As of the last look: the parties in which a thread has died since the look before. */
  readonly died: number[] = [];
  seenChanges: number;

  /**
   * `wake` writes an eventfd. `coming`: for a reactor that is being added, how many there are to be; until that is
   * announced it is what this one counts, so that it can name itself, and those that are added with it.
   */
  constructor(
    readonly shared: SharedRuntime, wake: (eventFd: number, id: number) => void, private coming: number = 0,
  ) {
    this.block = new RuntimeBlock(shared.runtime);
    this.parties = shared.inboxes.map(partyWords);
    this.wakers = shared.eventFds.map((fd, id) => () => wake(fd, id));
    // Stored before the look: a change in between is seen again.
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

  /** True when nothing can be sent there: that reactor has died for good or is absent, or this party has left. */
  isDead(id: number): boolean {
    return this.isClosed || (!this.areAllHere && this.presence[id]! >= DEAD);
  }

  /** False for a reactor that is dead, absent, started again, or takes no new work. */
  isHere(id: number): boolean {
    return this.areAllHere || this.presence[id] === HERE;
  }

  /** Looks whether there is a change, and which. */
  takeChanges(): boolean {
    const changes = this.block.changes();
    if (changes === this.seenChanges) return false;
    this.seenChanges = changes;
    this.look();
    return true;
  }

  /** The party in words: 'reactor 1', or 'the main thread', which comes after the last reactor. */
  nameOf(id: number): string {
    return id === this.shared.reactors ? 'the main thread' : `reactor ${id}`;
  }

  private look(): void {
    this.died.length = 0;
    this.areAllHere = true;
    this.count = this.block.reactors();
    if (this.count < this.coming) this.count = this.coming;
    else this.coming = 0;
    for (let id = 0; id < this.shared.reactors; id++) {
      const generation = this.block.generation(id);
      if (generation !== (this.generations[id] ??= generation)) this.died.push(id);
      this.generations[id] = generation;
      const presence = this.block.presence(id);
      this.presence[id] = presence;
      if (presence !== HERE) this.areAllHere = false;
    }
  }
}
