/** A reactor with many timers that are due much later. It answers, which proves that it was alive. */
import type { Reactor } from 'percore';
import { randomNumbers } from './delays.js';

export type IdleTimersServices = { arm(count: number): number; count(nothing: null): number };

const HOUR_NS = 3600e9;

export default function start(reactor: Reactor<{ calls: IdleTimersServices }>): void {
  const random = randomNumbers(9);
  reactor.handle('arm', (count) => {
    for (let i = 0; i < count; i++) reactor.timers.after({ delayNs: HOUR_NS + random(HOUR_NS) }, () => undefined);
    return reactor.timers.count;
  });
  reactor.handle('count', () => reactor.timers.count);
}
