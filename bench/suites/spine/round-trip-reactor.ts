/**
 * Both reactors of a round trip: reactor 0 asks, and reactor 1 answers in the same band. The figure should be that of a
 * reactor in use and not of an empty one. So each has a task and an open lane in every band, a timer that ticks and a
 * socket that listens, and makes a promise in each round.
 */
import type { Address, ByteRecord, Reactor } from 'percore';
import { RoundTripClock } from './round-trip-clock.js';
import type { Plan, RoundTrips } from './round-trip.js';

export type RoundTripServices = { measure(plan: Plan): Promise<RoundTrips & { ticks: number }> };

const BANDS = 8;
const BAND = 3;
const TICK_NS = 1_000_000;
const MESSAGE_BYTES = 8;

export default function start(reactor: Reactor<{ calls: RoundTripServices }>): void {
  const peer = 1 - reactor.id;
  let ticks = 0;
  let promises = 0;
  for (let band = 0; band < BANDS; band++) {
    reactor.spawnBytes({ name: `band-${band}`, priority: band }, () => undefined);
    // Sending by an address makes the lane. After that, the peer's scan looks at all eight lanes in every turn.
    reactor.address(`band-${band}`, { reactor: peer, priority: band });
  }
  reactor.timers.every({ intervalNs: TICK_NS }, () => { ticks++; });
  reactor.io.listen({ port: 0 }, (connection) => connection.close());
  const usePromise = (): void => void Promise.resolve().then(() => { promises++; });

  if (reactor.id === 1) {
    const asker = reactor.address('answer', { reactor: peer, priority: BAND });
    reactor.spawnBytes({ name: 'question', priority: BAND }, (record) => {
      usePromise();
      say(asker, ~wordOf(record));
    });
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
    finish = () => resolve({ ...clock.result(), ticks: Math.min(ticks, promises) });
    clock.start(plan, reactor.nowNs());
    say(answerer, round);
  }));
}

const wordOf = (record: ByteRecord): number => record.words[record.offset >> 2];

/** Sends one number, written where the other side will read it. */
function say(address: Address, word: number): void {
  const at = address.tryClaim(MESSAGE_BYTES);
  if (at < 0) throw new Error(`one message under way, and no room: code ${at}`);
  address.words[at >> 2] = word;
  address.commit(MESSAGE_BYTES);
}
