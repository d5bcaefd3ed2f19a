/** Processes: ping-pong between two cores, each player a loop that waits for the ball and hits it back. */
import { isMainThread } from 'node:worker_threads';
import { BACK_PRESSURED, createProcess, createRuntime, type Reactor, type Self } from 'percore';

type Services = { play(rounds: number): Promise<number> };

export default function start(reactor: Reactor<{ calls: Services }>): void {
  const peer = reactor.address('player', { reactor: 1 - reactor.id, priority: 6 });

  function* answer(self: Self<number>): Generator<number | symbol, void, unknown> {
    for (;;) {
      const ball = yield* self.receive();
      // A full lane would refuse the ball: the process waits for room then, and no longer than that.
      while (peer.send(ball) === BACK_PRESSURED) yield BACK_PRESSURED;
    }
  }

  function* serve(self: Self<number>, rounds: number): Generator<number | symbol, number, unknown> {
    const beganNs = reactor.nowNs();
    for (let ball = 1; ball <= rounds; ball++) {
      while (peer.send(ball) === BACK_PRESSURED) yield BACK_PRESSURED;
      if ((yield* self.receive()) !== ball) throw new Error('Another ball has come back.');
    }
    return (reactor.nowNs() - beganNs) / rounds;
  }

  if (reactor.id === 1) createProcess(reactor, { name: 'player', priority: 6 }, answer);

  reactor.handle('play', async (rounds) => {
    const player = createProcess(reactor, { name: 'player', priority: 6 }, (self: Self<number>) => serve(self, rounds));
    const end = await player.join();
    if (end.how !== 'ended') throw new Error(`The player has ${end.how}.`);
    return end.value;
  });
}

if (isMainThread) {
  const entry = new URL(import.meta.url);
  const runtime = await createRuntime<{ calls: Services }>({ entry, reactors: 2, idle: { strategy: 'spin' } });
  const roundNs = await runtime.call('play', 5000, { reactor: 0 });
  console.log(`5000 rounds, ${roundNs.toFixed(0)} ns there and back`);
  await runtime.close();
}
