/**
 * The waiting messages of one subscriber: a circle with a fixed number of places. It does not allocate once it has
 * grown.
 */
import type { TopicInfo } from './topic-info.js';

/** See the head of this file. */
export class WaitingMessages {
  count = 0;
  /**
   * How often a message was taken out. Somebody who looks twice can tell by it whether the first message is still the
   * same.
   */
  removed = 0;
  private readonly messages: unknown[] = [];
  private readonly infos: (TopicInfo | undefined)[] = [];
  private first = 0;

  constructor(readonly capacity: number) {}

  get isFull(): boolean {
    return this.count >= this.capacity;
  }

  /** Adds a message at the end; there must be room. */
  add(message: unknown, info: TopicInfo): void {
    let at = this.first + this.count;
    if (at >= this.capacity) at -= this.capacity;
    this.messages[at] = message;
    this.infos[at] = info;
    this.count++;
  }

  /** The oldest message; there must be one. */
  get message(): unknown {
    return this.messages[this.first];
  }

  get info(): TopicInfo {
    return this.infos[this.first]!;
  }

  /** The oldest messages up to the first one of another topic or publisher, at most `most` of them. */
  oldest(most: number): unknown[] {
    const { messages, infos, capacity, info } = this;
    const list: unknown[] = [];
    const count = Math.min(most, this.count);
    for (let at = this.first; list.length < count && infos[at] === info; at = at + 1 === capacity ? 0 : at + 1) {
      list.push(messages[at]);
    }
    return list;
  }

  /** Takes the oldest message out. */
  remove(): void {
    this.messages[this.first] = undefined;
    this.infos[this.first] = undefined;
    this.first = this.first + 1 === this.capacity ? 0 : this.first + 1;
    this.count--;
    this.removed++;
  }

  /** Takes all messages out, and returns how many there were. */
  clear(): number {
    const { count } = this;
    while (this.count !== 0) this.remove();
    return count;
  }
}
