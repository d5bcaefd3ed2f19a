/** Who waits until no more than so many bytes are pending. */
export class Waiters {
  private waiting: { most: number; resolve: () => void }[] = [];

  /** Resolves at the first `tell` of at most `most` bytes. */
  add(most: number): Promise<void> {
    return new Promise((resolve) => this.waiting.push({ most, resolve }));
  }

  /** So many bytes are pending now. Costs nothing while nobody waits. */
  tell(pending: number): void {
    if (this.waiting.length === 0) return;
    const { waiting } = this;
    this.waiting = waiting.filter(({ most }) => pending > most);
    for (const { most, resolve } of waiting) if (pending <= most) resolve();
  }
}
