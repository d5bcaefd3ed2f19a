/** What one party knows of all parties: their words in shared memory, how to wake them, and who has died. */
import { RuntimeBlock, partyWords, type SharedRuntime } from './shared.js';

export class Peers {
  /** This party has left: nobody can be reached any more. */
  isClosed = false;
  readonly block: RuntimeBlock;
  private readonly parties: readonly Int32Array[];
  private readonly wakers: readonly (() => void)[];
  private seenDeaths = 0;

  /** `wake` writes an eventfd. */
  constructor(readonly shared: SharedRuntime, wake: (eventFd: number) => void) {
    this.block = new RuntimeBlock(shared.runtime);
    this.parties = shared.inboxes.map(partyWords);
    this.wakers = shared.eventFds.map((fd) => () => wake(fd));
  }

  /** The words of party `id`. */
  words(id: number): Int32Array {
    return this.parties[id]!;
  }

  /** What wakes party `id`. */
  waker(id: number): () => void {
    return this.wakers[id]!;
  }

  /** True when nothing can be sent there: that reactor has died, or this party has left. */
  isDead(id: number): boolean {
    return this.isClosed || (this.seenDeaths !== 0 && this.block.isDead(id));
  }

  /** The reactors that are dead, if one has died since the last look; else none. */
  takeDeaths(): number[] {
    const deaths = this.block.deaths();
    if (deaths === this.seenDeaths) return [];
    this.seenDeaths = deaths;
    return Array.from({ length: this.shared.reactors }, (_, id) => id).filter((id) => this.block.isDead(id));
  }

  /** The party in words: 'reactor 1', or 'the main thread', which comes after the last reactor. */
  nameOf(id: number): string {
    return id === this.shared.reactors ? 'the main thread' : `reactor ${id}`;
  }
}
