/** Messages between two reactors without a copy: each writes its answer straight into the lane to the other. */
import { isMainThread } from 'node:worker_threads';
import { BACK_PRESSURED, createRuntime, type Reactor } from 'percore';

type Services = { play(rounds: number): { rounds: number; medianNs: number } };

export default function start(reactor: Reactor<Services>): void {
  const peer = reactor.address('ball', { reactor: 1 - reactor.id, priority: 6 });
  const times: number[] = [];
  let roundsLeft = 0;
  let lastNs = 0;
  let finish: (result: { rounds: number; medianNs: number }) => void;
  let fail: (error: Error) => void = () => undefined;

  const hit = (): void => {
    const at = peer.tryClaim(8);
    // One ball in the air always finds room; who sends more waits for it like this.
    if (at === BACK_PRESSURED) return peer.whenRoom(hit);
    if (at < 0) return fail(new Error('the other reactor has died'));
    peer.words[at >> 2] = roundsLeft;
    peer.commit(8);
  };
  reactor.spawnBytes({ name: 'ball', priority: 6 }, () => {
    if (reactor.id === 1) return hit();
    const nowNs = reactor.nowNs();
    times.push(nowNs - lastNs);
    lastNs = nowNs;
    if (--roundsLeft > 0) hit();
    else finish({ rounds: times.length, medianNs: times.toSorted((a, b) => a - b)[times.length >> 1]! });
  });
  reactor.handle('play', (rounds) => new Promise((resolve, reject) => {
    roundsLeft = rounds;
    finish = resolve;
    fail = reject;
    lastNs = reactor.nowNs();
    hit();
  }));
}

if (isMainThread) {
  const runtime = await createRuntime<Services>({
    entry: new URL(import.meta.url),
    reactors: 2,
    idle: { strategy: 'spin' },
  });
  const { rounds, medianNs } = await runtime.call('play', 100_000, { reactor: 0 });
  console.log(`${rounds} rounds, median ${medianNs.toFixed(0)} ns there and back`);
  await runtime.close();
}
