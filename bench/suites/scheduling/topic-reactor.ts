/** Publishes in reactor 0, and subscribes in whichever reactor is asked. Every subscriber checks each number. */
import { createTopic, subscribe, subscribeBytes, type Reactor } from 'percore';
import { struct } from 'percore/queues';

const tick = struct({ price: 'f64', number: 'u32' });

export interface TopicProtocol {
  calls: {
    /** Adds so many subscribers, each of which will get `messages` messages. */
    join(asked: { subscribers: number; messages: number; isInPlace: boolean }): void;
    /** Resolves when all of them have got all messages, with the number of messages that came out of order. */
    heard(): Promise<number>;
    publish(messages: number): void;
  };
  tasks: { ticking: number };
  topics: { tick: { price: number; number: number } };
}

/** How many messages one step publishes. */
const BATCH = 64;

export default function start(reactor: Reactor<TopicProtocol>): void {
  let wrong = 0;
  let resolve!: (wrong: number) => void;
  let heard: Promise<number> = Promise.resolve(0);
  reactor.handle('join', ({ subscribers, messages, isInPlace }) => {
    let left = subscribers;
    if (left === 0) return;
    heard = new Promise((end) => (resolve = end));
    for (let i = 0; i < subscribers; i++) {
      let next = 0;
      const take = (number: number): void => {
        if (number !== next++) wrong++;
        if (next !== messages) return;
        subscription.leave();
        if (--left === 0) resolve(wrong);
      };
      const numberAt = tick.offsets.number >> 2;
      const subscription = isInPlace
        ? subscribeBytes(reactor, 'tick', {}, ({ words, offset }) => take(words[(offset >> 2) + numberAt]!))
        : subscribe(reactor, 'tick', {}, ({ number }) => take(number));
    }
  });
  reactor.handle('heard', () => heard);
  if (reactor.id !== 0) return;
  const topic = createTopic(reactor, { name: 'tick', codec: tick });
  const message = { price: 101.5, number: 0 };
  // It has the band of its topic. A message in a band above that of the sending step would be published at once, by
  // itself.
  const task = reactor.spawn({ name: 'ticking' }, (messages): number => {
    for (let i = 0; i < BATCH && message.number < messages; i++) {
      const code = topic.publish(message);
      if (code !== 0) return code;
      message.number++;
    }
    return message.number < messages ? task.send(messages) : 0;
  });
  reactor.handle('publish', (messages) => {
    message.number = 0;
    task.send(messages);
  });
}
