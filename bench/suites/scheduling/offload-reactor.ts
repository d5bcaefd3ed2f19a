/** A reactor that offloads. */
import { offload, type Reactor } from 'percore';
import { timeOfTaskUs, type OffloadLoad, type OffloadTask } from './offload-loop.js';

export type OffloadServices = {
  /** Returns the microseconds for each task. */
  offload(load: OffloadLoad): Promise<number>;
  /** How many tasks of a lower band end before an urgent one that was asked for after them. */
  urgentBefore(others: number): Promise<number>;
};

const module = new URL('./offload-task.js', import.meta.url);

export default function start(reactor: Reactor<{ calls: OffloadServices }>): void {
  const ask = (task: OffloadTask, priority: number): Promise<number> =>
    offload<typeof import('./offload-task.js')>(reactor, module, task, { priority });
  reactor.handle('offload', (load) => timeOfTaskUs((task) => ask(task, 3), load));
  reactor.handle('urgentBefore', async (others) => {
    let before = 0;
    const all = Array.from({ length: others }, (_, number) => ask({ number, spinUs: 2000 }, 2).then(() => before++));
    await ask({ number: 0, spinUs: 200 }, 6);
    const count = before;
    await Promise.all(all);
    return count;
  });
}
