/**
 * Mixed delays, the same for all contenders. They are whole milliseconds, since setTimeout has no others, and no timer
 * falls due during the measurement.
 */

/** A generator of whole numbers below a bound, which are the same in each process (Park and Miller's, 1988). */
export function randomNumbers(seed = 1): (bound: number) => number {
  let state = seed;
  return (bound) => {
    state = (state * 48_271) % 2_147_483_647;
    return Math.floor((state / 2_147_483_647) * bound);
  };
}

export const LEAST_MS = 60_000;
const SPAN_MS = 60_000;

/** `count` delays from one to two minutes. */
export function mixedDelaysMs(count: number, seed?: number): Float64Array {
  const random = randomNumbers(seed);
  return Float64Array.from({ length: count }, () => LEAST_MS + random(SPAN_MS));
}
