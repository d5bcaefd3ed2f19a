/**
 * Messages without a copy: two reactors play ping-pong. Each writes the ball straight into the lane to the other one,
 * and reads it where it lies.
 */
import { isMainThread } from 'node:worker_threads';
import { OK, createRuntime, type Address, type Reactor } from 'percore';

type Services = { play(rounds: number): Promise<{ rounds: number; medianNs: number }> };

/** Writes the ball into the lane. The answer is OK, BACK_PRESSURED, or CLOSED when the other reactor has died. */
function hit(peer: Address, roundsLeft: number): number {
  const at = peer.tryClaim(4);
  if (at < 0) return at;
  peer.words[at >> 2] = roundsLeft;
  peer.commit(4);
  return OK;
}

export default function start(reactor: Reactor<{ calls: Services }>): void {
  const peer = reactor.address('ball', { reactor: 1 - reactor.id, priority: 6 });
  const timesNs: number[] = [];
  let hitNs = 0;
  let finish: (result: { rounds: number; medianNs: number }) => void;

  reactor.spawnBytes({ name: 'ball', priority: 6 }, (ball) => {
    const roundsLeft = ball.words[ball.offset >> 2]!;
    if (reactor.id === 1) return hit(peer, roundsLeft);

    timesNs.push(reactor.nowNs() - hitNs);
    if (roundsLeft === 1) {
      finish({ rounds: timesNs.length, medianNs: timesNs.toSorted((a, b) => a - b)[timesNs.length >> 1]! });
      return OK;
    }
    hitNs = reactor.nowNs();
    // The step answers what the lane answered. Were the lane full, the step would keep its ball and run again when
    // there is room. With one ball in the air there always is.
    return hit(peer, roundsLeft - 1);
  });

  reactor.handle('play', (rounds) => new Promise((resolve) => {
    finish = resolve;
    hitNs = reactor.nowNs();
    if (hit(peer, rounds) !== OK) throw new Error('The other reactor does not take the ball.');
  }));
}

if (isMainThread) {
  const entry = new URL(import.meta.url);
  const runtime = await createRuntime<{ calls: Services }>({ entry, reactors: 2, idle: { strategy: 'spin' } });
  const { rounds, medianNs } = await runtime.call('play', 20_000, { reactor: 0 });
  console.log(`${rounds} rounds, median ${medianNs.toFixed(0)} ns there and back`);
  await runtime.close();
}
