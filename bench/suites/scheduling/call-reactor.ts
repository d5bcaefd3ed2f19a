/** Answers with what it was asked, and also asks its peer: many at once, or one after the other. */
import type { Reactor } from 'percore';
import { check, percentile } from '../../harness.js';
import { answerAll } from '../spine/call-loop.js';

export type CallServices = {
  echo(argument: number): number;
  /** Calls reactor 0 so many times, 64 at once; returns the calls a second. */
  askPeer(calls: number): Promise<number>;
  /** Calls reactor 0 so many times, one after the other; returns the median in microseconds. */
  medianToPeer(calls: number): Promise<number>;
};

/** The median time of `calls` calls that are made one after the other, in microseconds. */
export async function medianUs(ask: (argument: number) => Promise<number>, calls: number): Promise<number> {
  const took = new Float64Array(calls);
  let wrong = 0;
  for (let i = 0; i < calls; i++) {
    const startMs = performance.now();
    if ((await ask(i)) !== i) wrong++;
    took[i] = performance.now() - startMs;
  }
  check(wrong === 0, `${wrong} of ${calls} answers were wrong`);
  return percentile(took.sort(), 50) * 1000;
}

export default function start(reactor: Reactor<{ calls: CallServices }>): void {
  const toPeer = { reactor: 0 };
  const ask = (argument: number): Promise<number> => reactor.call('echo', argument, toPeer);
  reactor.handle('echo', (argument) => argument);
  reactor.handle('askPeer', (calls) => answerAll(ask, calls));
  reactor.handle('medianToPeer', (calls) => medianUs(ask, calls));
}
