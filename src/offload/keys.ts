/** Runs the tasks of one key one after the other, in the order in which they came. Belongs to one thread. */
export class Keys<T> {
  private readonly waiting = new Map<string, T[]>();

  /** True: the task may go now. False: it waits until `leave` returns it. */
  enter(key: string, task: T): boolean {
    const line = this.waiting.get(key);
    if (line === undefined) {
      this.waiting.set(key, []);
      return true;
    }
    line.push(task);
    return false;
  }

  /** The running task of this key is over. Returns the next, if there is one. */
  leave(key: string): T | undefined {
    const line = this.waiting.get(key);
    if (line === undefined) return undefined;
    const next = line.shift();
    if (next === undefined) this.waiting.delete(key);
    return next;
  }
}
