/** Whose turn it is where what is asynchronous has to run one after the other for each key, and at once for others. */
export class Turns {
  /** When the last of each key that has come is over. They never reject. */
  private readonly last = new Map<string, Promise<void>>();

  before(key: string): Promise<void> | undefined {
    return this.last.get(key);
  }

  /** The next of this key comes when `over` has resolved. Returns that. */
  take(key: string, over: Promise<void>): Promise<void> {
    const turn = over.finally(() => {
      if (this.last.get(key) === turn) this.last.delete(key);
    });
    this.last.set(key, turn);
    return turn;
  }
}
