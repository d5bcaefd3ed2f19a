/** The reactor of `dispatch`: a task that counts its messages, and sends itself the next batch with the last of one. */
import type { Reactor } from 'percore';
import { Batches, BATCH } from './dispatch-batches.js';

export type DispatchServices = { measure(): Promise<number> };

export default function start(reactor: Reactor<{ calls: DispatchServices }>): void {
  reactor.handle('measure', () => new Promise((resolve) => {
    let sent = 0;
    const batches = new Batches(reactor.nowNs, resolve, () => {
      for (let i = 0; i < BATCH; i++) if (task.send(sent++) !== 0) throw new Error('the mailbox is too small');
    });
    const task = reactor.spawn<number>({ name: 'counts', capacity: 2 * BATCH }, (number) => batches.step(number));
    batches.begin();
  }));
}
