/**
 * Who lives, as one of the owners sees it. Clocks are not compared: whoever watches counts from when it has seen a sign
 * of life, the owner from when it has sent it, which is earlier.
 */
import type { OwnersTable } from './table.js';

export class Lease {
  /** How often it was over, and then held again. */
  lapses = 0;
  private endsMs = 0;
  private beatMs = -Infinity;
  private isBeating = false;
  private heardMs = 0;
  /** When each machine has given its last sign, as seen here. */
  private readonly seenMs = new Map<string, number>();
  /** Those who have left, and whose entry nobody needs any more. */
  private readonly gone = new Set<string>();

  /** `onLapse`: it was over, and will hold again. */
  constructor(
    readonly machine: string, private readonly leaseMs: number, private readonly table: OwnersTable,
    private readonly onLapse: () => void,
  ) {}

  /** No other can have taken the ranges of this one yet. */
  get holds(): boolean {
    return performance.now() < this.endsMs;
  }

  async beat(): Promise<void> {
    const sentMs = performance.now();
    this.isBeating = true;
    try {
      await this.table.beat(this.machine);
      // The broker has taken no signs for a while, those of others neither.
      if (!this.holds) {
        this.lapses++;
        this.onLapse();
        this.forgive([]);
      }
      this.beatMs = sentMs;
      this.endsMs = sentMs + this.leaseMs;
    } finally {
      this.isBeating = false;
    }
  }

  get isBeatDue(): boolean {
    return !this.isBeating && performance.now() - this.beatMs >= this.leaseMs / 4;
  }

  /** Nothing was heard for a lease, its own signs neither: whoever watches the table has to begin anew. */
  get isDeaf(): boolean {
    return performance.now() - this.heardMs > this.leaseMs;
  }

  /** It begins to listen. */
  listens(): void {
    this.heardMs = performance.now();
  }

  /** The next look gives a sign. */
  hurry(): void {
    this.beatMs = -Infinity;
  }

  note(machine: string, isThere: boolean): void {
    this.heardMs = performance.now();
    if (isThere) {
      this.seenMs.set(machine, performance.now());
      this.gone.delete(machine);
    } else {
      this.seenMs.delete(machine);
      this.gone.add(machine);
    }
  }

  /**
   * Those who have left, or died two leases ago, each once. Their names never come again, so what they have left in the
   * table would only make it grow.
   */
  departed(): string[] {
    if (this.isDeaf) return [];
    const before = performance.now() - 2 * this.leaseMs;
    for (const [machine, seenMs] of this.seenMs) {
      if (seenMs > before) continue;
      this.seenMs.delete(machine);
      this.gone.add(machine);
    }
    const departed = [...this.gone];
    this.gone.clear();
    return departed;
  }

  /** Nobody is judged by the time in which nothing could be heard, those neither who own something. */
  forgive(owners: readonly string[]): void {
    const now = performance.now();
    for (const machine of this.seenMs.keys()) this.seenMs.set(machine, now);
    for (const owner of owners) if (owner !== '') this.seenMs.set(owner, now);
  }

  living(): Set<string> {
    const now = performance.now();
    const living = [...this.seenMs].filter(([, seenMs]) => now - seenMs < this.leaseMs).map(([machine]) => machine);
    return new Set([...living, this.machine]);
  }
}
