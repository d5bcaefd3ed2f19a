/** First in, first out, in a ring that doubles when it is full: no allocation once it has grown. */
export class WaitQueue<T> {
  private items: (T | undefined)[] = new Array<T | undefined>(64).fill(undefined);
  private first = 0;
  length = 0;

  push(item: T): void {
    if (this.length === this.items.length) this.grow();
    this.items[(this.first + this.length) & (this.items.length - 1)] = item;
    this.length++;
  }

  /** The first, which stays. */
  peek(): T | undefined {
    return this.length === 0 ? undefined : this.items[this.first];
  }

  shift(): T | undefined {
    if (this.length === 0) return undefined;
    const item = this.items[this.first];
    this.items[this.first] = undefined;
    this.first = (this.first + 1) & (this.items.length - 1);
    this.length--;
    return item;
  }

  private grow(): void {
    const { items, first } = this;
    this.items = [
      ...items.slice(first), ...items.slice(0, first), ...new Array<T | undefined>(items.length).fill(undefined),
    ];
    this.first = 0;
  }
}
