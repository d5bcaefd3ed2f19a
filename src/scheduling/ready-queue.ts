/**
 * What is ready, first in, first out: a growable ring, for the disciplines. It cannot overflow, because each Ready
 * waits in it at most once. One thread; allocates when it grows, and only then.
 */
import type { Ready } from './ready.js';

export class ReadyQueue {
  private items: (Ready | undefined)[] = new Array<Ready | undefined>(16).fill(undefined);
  private first = 0;
  count = 0;

  push(ready: Ready): void {
    if (this.count === this.items.length) this.grow();
    this.items[(this.first + this.count) & (this.items.length - 1)] = ready;
    this.count++;
  }

  shift(): Ready {
    const ready = this.items[this.first]!;
    this.items[this.first] = undefined;
    this.first = (this.first + 1) & (this.items.length - 1);
    this.count--;
    return ready;
  }

  private grow(): void {
    const old = this.items;
    const items = new Array<Ready | undefined>(old.length * 2).fill(undefined);
    for (let i = 0; i < old.length; i++) items[i] = old[(this.first + i) & (old.length - 1)];
    this.items = items;
    this.first = 0;
  }
}
