/** A reactor with twenty tasks, each of which runs two hundred times a second. */
import type { Reactor } from 'percore';

const TASKS = 20;

export default function start(reactor: Reactor): void {
  for (let i = 0; i < TASKS; i++) {
    const task = reactor.spawn({ name: `task ${i}`, priority: i % 8 }, () => undefined);
    reactor.timers.every({ intervalNs: 5e6 }, () => void task.send(i));
  }
}
