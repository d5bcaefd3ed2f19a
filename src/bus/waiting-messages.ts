/** Messages of one subscriber that wait: a circle of a fixed number of places. Does not allocate once grown. */
import type { TopicInfo } from './topic-info.js';

export class WaitingMessages {
  count = 0;
  /** How often one was taken out: whoever looks twice sees by it whether it is still the same. */
  removed = 0;
  private readonly messages: unknown[] = [];
  private readonly infos: (TopicInfo | undefined)[] = [];
  private first = 0;

  constructor(readonly capacity: number) {}

  get isFull(): boolean {
    return this.count >= this.capacity;
  }

  /** There is room. */
  add(message: unknown, info: TopicInfo): void {
    let at = this.first + this.count;
    if (at >= this.capacity) at -= this.capacity;
    this.messages[at] = message;
    this.infos[at] = info;
    this.count++;
  }

  /** The oldest, of which there is one. */
  get message(): unknown {
    return this.messages[this.first];
  }

  get info(): TopicInfo {
    return this.infos[this.first]!;
  }

  /** Takes the oldest out. */
  remove(): void {
    this.messages[this.first] = undefined;
    this.infos[this.first] = undefined;
    this.first = this.first + 1 === this.capacity ? 0 : this.first + 1;
    this.count--;
    this.removed++;
  }

  /** Takes all out; returns how many there were. */
  clear(): number {
    const { count } = this;
    while (this.count !== 0) this.remove();
    return count;
  }
}
