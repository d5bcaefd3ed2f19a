/**
 * The reactor of `dispatch`: a task counts its messages, and at the last one of a batch sends the next batch to itself.
 */
import type { Reactor } from 'percore';
import { Batches } from './dispatch-batches.js';

export type DispatchServices = { measure(underWay: number): Promise<number> };

export default function start(reactor: Reactor<{ calls: DispatchServices }>): void {
  reactor.handle('measure', (underWay) => new Promise((resolve) => {
    let sent = 0;
    const batches = new Batches(underWay, reactor.nowNs, resolve, () => {
      if (task.send(sent++) !== 0) throw new Error('the mailbox is too small');
    });
    const task = reactor.spawn<number>({ name: 'counts', capacity: 2 * underWay }, (number) => batches.step(number));
    batches.begin();
  }));
}
