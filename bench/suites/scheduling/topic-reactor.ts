/** Publishes in reactor 0, and subscribes in whichever reactor is asked. Every subscriber checks each number. */
import { createTopic, subscribe, subscribeBatches, subscribeBytes, type Reactor } from 'percore';
import { BACK_PRESSURED, struct } from 'percore/queues';

const tick = struct({ price: 'f64', number: 'u32' });

/** How messages are published and taken: one by one, one by one and read in place, or in batches. */
export type TopicForm = 'struct' | 'struct, read in place' | 'struct, batches of 64';

export interface TopicProtocol {
  calls: {
    /** Adds so many subscribers, each of which will get `messages` messages. */
    join(asked: { subscribers: number; messages: number; form: TopicForm }): void;
    /** Resolves when all of them have got all messages, with the number of messages that came out of order. */
    heard(): Promise<number>;
    publish(asked: { messages: number; form: TopicForm }): void;
  };
  tasks: { ticking: number; 'ticking in batches': number };
  topics: { tick: { price: number; number: number } };
}

/** How many messages one step publishes, one by one or as a batch. */
const BATCH = 64;

export default function start(reactor: Reactor<TopicProtocol>): void {
  let wrong = 0;
  let resolve!: (wrong: number) => void;
  let heard: Promise<number> = Promise.resolve(0);
  reactor.handle('join', ({ subscribers, messages, form }) => {
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
      const subscription = form === 'struct' ? subscribe(reactor, 'tick', {}, ({ number }) => take(number))
        : form === 'struct, batches of 64' ? subscribeBatches(reactor, 'tick', {}, (list) => {
          for (let at = 0; at < list.length; at++) take(list[at]!.number);
        })
        : subscribeBytes(reactor, 'tick', {}, ({ words, offset }) => take(words[(offset >> 2) + numberAt]!));
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
  let ticks: { price: number; number: number }[] = [];
  const batching = reactor.spawn({ name: 'ticking in batches' }, (messages): number => {
    if (ticks.length === 0) {
      for (let i = 0; i < BATCH && message.number < messages; i++, message.number++) {
        ticks.push({ price: 101.5, number: message.number });
      }
    }
    const taken = topic.publishBatch(ticks);
    if (taken < 0) return taken;
    if (taken < ticks.length) {
      ticks = ticks.slice(taken);
      return BACK_PRESSURED;
    }
    ticks = [];
    return message.number < messages ? batching.send(messages) : 0;
  });
  reactor.handle('publish', ({ messages, form }) => {
    message.number = 0;
    (form === 'struct, batches of 64' ? batching : task).send(messages);
  });
}
