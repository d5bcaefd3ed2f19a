/**
 * The baselines of row `topic` in a worker: a BroadcastChannel for each subscriber, or one MessagePort to each thread
 * with an EventEmitter for its subscribers, by messages or by lists of them.
 */
import { EventEmitter } from 'node:events';
import { BroadcastChannel, MessagePort, parentPort, workerData } from 'node:worker_threads';
import { pinThisThread } from '../../cpus.js';

export interface TopicWorker {
  readonly cpu: number;
  readonly way: 'BroadcastChannel' | 'EventEmitter + postMessage' | 'EventEmitter + postMessage of lists of 64';
  readonly subscribers: number;
  readonly messages: number;
  /** The port between the publisher and the other thread. */
  readonly port: MessagePort;
  readonly isPublisher: boolean;
  readonly channel: string;
}
interface Tick { price: number; number: number }

const { cpu, way, subscribers, messages, port, isPublisher, channel } = workerData as TopicWorker;
pinThisThread(cpu);
const emitter = new EventEmitter();
emitter.setMaxListeners(0);
const channels: BroadcastChannel[] = [];
let left = subscribers;
let wrong = 0;
const subscriber = (): ((tick: Tick) => void) => {
  let next = 0;
  return ({ number }) => {
    if (number !== next++) wrong++;
    if (next === messages && --left === 0) parentPort!.postMessage({ wrong });
  };
};
for (let i = 0; i < subscribers; i++) {
  const take = subscriber();
  if (way !== 'BroadcastChannel') {
    emitter.on('tick', take);
    continue;
  }
  const each = new BroadcastChannel(channel);
  each.onmessage = (event) => take((event as { data: Tick }).data);
  channels.push(each);
}
const isInLists = way === 'EventEmitter + postMessage of lists of 64';
if (isPublisher || way === 'BroadcastChannel') {
  // It hears nothing by the port.
} else if (isInLists) {
  port.on('message', (list: readonly Tick[]) => {
    for (const tick of list) emitter.emit('tick', tick);
  });
} else {
  port.on('message', (tick: Tick) => emitter.emit('tick', tick));
}
const own = new BroadcastChannel(channel);
own.onmessage = () => undefined;

/**
 * After so many messages it makes a pass of the loop, in which the subscribers of this thread get what was published.
 */
const BATCH = 64;
parentPort!.on('message', (asked: 'publish' | 'end') => {
  if (asked === 'end') {
    for (const each of [...channels, own]) each.close();
    port.close();
    parentPort!.close();
    return;
  }
  let number = 0;
  const go = (): void => {
    if (isInLists) {
      const list: Tick[] = [];
      for (let i = 0; i < BATCH && number < messages; i++, number++) list.push({ price: 101.5, number });
      port.postMessage(list);
      for (const tick of list) emitter.emit('tick', tick);
      if (number < messages) setImmediate(go);
      return;
    }
    for (let i = 0; i < BATCH && number < messages; i++, number++) {
      const tick = { price: 101.5, number };
      if (way === 'BroadcastChannel') own.postMessage(tick);
      else {
        port.postMessage(tick);
        emitter.emit('tick', tick);
      }
    }
    if (number < messages) setImmediate(go);
  };
  go();
});
if (subscribers === 0) parentPort!.postMessage({ wrong });
parentPort!.postMessage('ready');
