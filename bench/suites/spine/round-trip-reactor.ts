/**
 * Both reactors of a round trip: reactor 0 asks, and reactor 1 answers in the same band. The figure should be that of a
 * reactor in use and not of an empty one. So each has a task and an open lane in every band, a timer that ticks and a
 * socket that listens, and makes a promise in each round.
 */
import type { Reactor } from 'percore';
import { answerQuestions, BAND, furnish, say, wordOf } from './furnished-reactor.js';
import { RoundTripClock } from './round-trip-clock.js';
import type { Plan, RoundTrips } from './round-trip.js';

export type RoundTripServices = { measure(plan: Plan): Promise<RoundTrips & { ticks: number }> };

export default function start(reactor: Reactor<{ calls: RoundTripServices }>): void {
  const peer = 1 - reactor.id;
  const furniture = furnish(reactor, peer);
  const { usePromise } = furniture;

  if (reactor.id === 1) {
    answerQuestions(reactor, peer, furniture);
    return;
  }
  const answerer = reactor.address('question', { reactor: peer, priority: BAND });
  const clock = new RoundTripClock();
  let round = 0;
  let finish: () => void;
  reactor.spawnBytes({ name: 'answer', priority: BAND }, (record) => {
    const isOver = !clock.note(reactor.nowNs(), wordOf(record) === ~round);
    usePromise();
    if (isOver) finish();
    else say(answerer, ++round);
  });
  reactor.handle('measure', (plan) => new Promise((resolve) => {
    finish = () => resolve({ ...clock.result(), ticks: Math.min(furniture.ticks, furniture.promises) });
    clock.start(plan, reactor.nowNs());
    say(answerer, round);
  }));
}
