/** Which clients of this reactor listen to which channel. A message is formatted once and offered to each of them. */
import { textOf } from './arguments.js';
import { ReplyWriter } from './reply-writer.js';

export interface Subscriber {
  /** Takes a push: a whole reply, in order behind everything it was sent before. */
  push(bytes: Uint8Array, length: number): void;
}

export class Channels {
  private readonly subscribers = new Map<string, Set<Subscriber>>();
  private readonly message = new ReplyWriter(1024);

  /** Channels with a subscriber here. */
  get size(): number {
    return this.subscribers.size;
  }

  add(channel: string, subscriber: Subscriber): void {
    const there = this.subscribers.get(channel);
    if (there === undefined) this.subscribers.set(channel, new Set([subscriber]));
    else there.add(subscriber);
  }

  remove(channel: string, subscriber: Subscriber): void {
    const there = this.subscribers.get(channel);
    if (there?.delete(subscriber) === true && there.size === 0) this.subscribers.delete(channel);
  }

  /** Hands a message to the subscribers of this reactor; returns how many there were. */
  publish(bytes: Uint8Array, channelStart: number, channelEnd: number, start: number, end: number): number {
    if (this.subscribers.size === 0) return 0;
    const there = this.subscribers.get(textOf(bytes, channelStart, channelEnd));
    if (there === undefined) return 0;
    const { message } = this;
    // What an exception has left of the message before is not sent to anybody.
    message.clear();
    message.array(3);
    message.bulkText('message');
    message.bulk(bytes, channelStart, channelEnd);
    message.bulk(bytes, start, end);
    const count = there.size;
    for (const subscriber of there) subscriber.push(message.bytes, message.length);
    message.clear();
    return count;
  }
}
