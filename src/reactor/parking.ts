/**
 * The waker's half of the park and wake handshake. The sleeper's half is native: `park` in native/turn.cc.
 *
 *      sleeper (native)                          waker (here)
 *      store attention = PARKED                  publish the record (ring.publish)
 *      look again: lanes, yield, stop, wheel     load attention
 *      nothing? sleep in libuv's epoll           PARKED? swap it for AWAKE; whoever swapped writes the eventfd
 *      woken: attention = AWAKE, look at lanes   a lower band runs? store yieldRequested
 *
 * | pair           | write side         | read side         | carries                     | needs            |
 * |----------------|--------------------|-------------------|-----------------------------|------------------|
 * | park.attention | `park` in turn.cc  | `notify`          | "I may sleep"               | seq. cst., both  |
 * | park.publish   | the ring's `flush` | `park` in turn.cc | "there is a record"         | seq. cst., both  |
 * | park.yield     | `notify`           | `shouldYield`     | "something above your band" | relaxed: a hint  |
 *
 * Both sides store their own word, then load the other's (Dekker): at least one of them sees the other, so a record is
 * never left behind a sleeper. A waker that dies between its swap and its write leaves a sleeper that nobody wakes: the
 * *dead waker*. Whoever learns of a worker's exit therefore wakes every peer, whatever its attention says: the dead one
 * may have swapped it.
 */
import { partyLayout, words } from '../layout.js';

const ATTENTION = partyLayout.fields.attention.at >> 2;
const YIELD_REQUESTED = partyLayout.fields.yieldRequested.at >> 2;
const PARKED = words.attention.PARKED;
const AWAKE = words.attention.AWAKE;

/**
 * Tells the party whose block is `party` that a record of `band` was published for it. Call it after the publishing
 * store. Costs one load unless the party sleeps or runs something lower. `wake` writes its eventfd. Any thread may call
 * it; does not block.
 */
export function notify(party: Int32Array, band: number, wake: () => void): void {
  // park.attention: my record is published; pairs with the store of PARKED, after which the sleeper looks at its
  // lanes again.
  const attention = Atomics.load(party, ATTENTION);
  if (band <= attention) return;
  if (attention === PARKED) {
    // park.attention: only one of many wakers pays for the system call. A swap, not a store: the sleeper may have
    // woken meanwhile.
    if (Atomics.compareExchange(party, ATTENTION, PARKED, AWAKE) === PARKED) wake();
    return;
  }
  // park.yield: pairs with shouldYield() and with the turn's look between steps.
  Atomics.store(party, YIELD_REQUESTED, 1);
}

/**
 * Makes the party look at everything again, whatever it runs: there is room in a lane, or the stop word has changed.
 * Call it after storing what the party shall see. Any thread may call it; does not block.
 */
export function summon(party: Int32Array, wake: () => void): void {
  // park.yield: stored before attention is loaded; the sleeper looks at it after storing PARKED.
  Atomics.store(party, YIELD_REQUESTED, 1);
  // park.attention: as in notify().
  if (
    Atomics.load(party, ATTENTION) === PARKED
    && Atomics.compareExchange(party, ATTENTION, PARKED, AWAKE) === PARKED
  ) {
    wake();
  }
}

/**
 * The same after a peer's death. It always wakes: the dead one may have swapped PARKED for AWAKE without writing the
 * eventfd.
 */
export function summonAfterDeath(party: Int32Array, wake: () => void): void {
  // park.yield: as in summon().
  Atomics.store(party, YIELD_REQUESTED, 1);
  wake();
}
