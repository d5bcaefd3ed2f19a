/**
 * One side of the row `migrate`. Reactor 0 feeds one bucket, which reactor 1 owns at first. A reactor can be stalled,
 * so that messages queue up. The number of the next message, and when the last one was run, move with the bucket.
 */
import { BACK_PRESSURED, createKeyed, keyedAddress, type Reactor } from 'percore';

export interface MigrateState {
  next: number;
  lastNs: number;
}
export type MigrateServices = {
  /** Sends ten messages every 50 µs, until `stop`. */
  feed(bucket: number): void;
  /** Sends so many at once; returns how many were accepted. */
  burst(order: { bucket: number; messages: number }): number;
  /** Stops feeding; returns how many were sent. */
  stop(argument: null): Promise<number>;
  /** Stalls this reactor until the word that its entry was given is 1. */
  stall(argument: null): void;
  report(argument: null): { run: number; wrong: number; pauseNs: number };
  // The baseline: handing over by calls, as a user would write it.
  /** Gives the state away. Every message that was sent before has been run by then. */
  give(argument: null): MigrateState;
  take(state: MigrateState): void;
  /** Feeds the plain task and hands it over in the middle, from reactor 1 to this one. Returns how many were sent. */
  byCalls(messages: number): Promise<number>;
};

const NAME = 'count';
const PLAIN = 'plain';
const PAUSE_NS = 50_000;
const AT_ONCE = 10;

export default function start(reactor: Reactor<{ calls: MigrateServices }>, isFree: Int32Array): void {
  let state: MigrateState | undefined = reactor.id === 1 ? { next: 0, lastNs: 0 } : undefined;
  let run = 0;
  let wrong = 0;
  let pauseNs = 0;
  let hasArrived = false;
  const step = (sequence: number): void => {
    run++;
    if (state === undefined || sequence !== state.next) {
      wrong++;
      return;
    }
    state.next++;
    const now = reactor.nowNs();
    if (hasArrived) pauseNs = now - state.lastNs;
    hasArrived = false;
    state.lastNs = now;
  };
  const give = (): MigrateState => {
    const given = state!;
    state = undefined;
    return given;
  };
  const take = (given: MigrateState): void => {
    state = given;
    hasArrived = true;
  };
  createKeyed<number, MigrateState>(reactor, {
    name: NAME,
    // The other buckets have no state.
    onBucketLeaves: give,
    onBucketArrives: (_bucket, given) => take(given!),
  }, step);
  const address = keyedAddress<number>(reactor, NAME, { capacity: 2 ** 16 });
  let sent = 0;
  let isOver = false;
  let end: (() => void) | undefined;

  reactor.handle('burst', ({ bucket, messages }) => {
    const end = sent + messages;
    while (sent < end && address.sendToBucket(bucket, sent) === 0) sent++;
    return messages - (end - sent);
  });
  reactor.handle('feed', (bucket) => {
    const timer = reactor.timers.every({ intervalNs: PAUSE_NS }, () => {
      if (isOver) {
        reactor.timers.cancel(timer);
        return void end?.();
      }
      for (let i = 0; i < AT_ONCE && address.sendToBucket(bucket, sent) === 0; i++) sent++;
    });
  });
  reactor.handle('stop', () => new Promise((resolve) => {
    isOver = true;
    end = () => resolve(sent);
  }));
  reactor.handle('stall', () => {
    // The bench must end even if something has gone wrong.
    for (const endNs = reactor.nowNs() + 1e10; Atomics.load(isFree, 0) === 0 && reactor.nowNs() < endNs;);
  });
  reactor.handle('report', () => ({ run, wrong, pauseNs }));

  reactor.spawn<number>({ name: PLAIN }, step);
  reactor.handle('give', give);
  reactor.handle('take', take);
  reactor.handle('byCalls', async (messages) => {
    const old = reactor.address(PLAIN, { reactor: 1 });
    while (sent < messages && old.send(sent) !== BACK_PRESSURED) sent++;
    take(await reactor.call('give', null, { reactor: 1 }));
    const own = reactor.address(PLAIN, { reactor: 0 });
    for (const all = sent + 1000; sent < all; sent++) own.send(sent);
    return sent;
  });
}
