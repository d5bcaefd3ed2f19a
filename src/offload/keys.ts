/** Tasks of one key run one after the other, in the order in which they came. One thread. */
export class Keys<T> {
  private readonly waiting = new Map<string, T[]>();

  /** True when the task may go now; false: it waits until `leave` hands it out. */
  enter(key: string, task: T): boolean {
    const line = this.waiting.get(key);
    if (line === undefined) {
      this.waiting.set(key, []);
      return true;
    }
    line.push(task);
    return false;
  }

  /** The task of this key that was let go is over: the next, if there is one. */
  leave(key: string): T | undefined {
    const line = this.waiting.get(key);
    if (line === undefined) return undefined;
    const next = line.shift();
    if (next === undefined) this.waiting.delete(key);
    return next;
  }
}
