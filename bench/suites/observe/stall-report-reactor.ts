/** A reactor that tells when a step has begun, and then blocks its thread. */
import type { Reactor } from 'percore';

export interface HoldTown {
  tasks: { hold: number };
}

export default function start(reactor: Reactor<HoldTown>, clock: Float64Array): void {
  reactor.spawn({ name: 'hold' }, (ms: number) => {
    const began = performance.now();
    clock[0] = performance.timeOrigin + began;
    while (performance.now() < began + ms);
  });
}
