/**
 * How far apart the first two CPUs of this process are while a bench runs, in nanoseconds of a round trip in C++.
 *
 *     near   one core complex, so both share a cache: 0.1 to 0.15 us
 *     far    two core complexes or sockets: 0.5 us and more
 *
 * A virtual machine is moved from one to the other and back, within seconds, and whatever crosses cores takes several
 * times as long then. So the harness asks before and after each run, and a row says what it found near and far.
 */

/** Below this the CPUs are near each other. Nothing was seen between 0.16 and 0.45 us. */
export const NEAR_BELOW_NS = 250;

/** What was found near and far: the middle one of the values of those runs, and how many there were. */
export interface ByDistance {
  readonly near: { readonly value: number; readonly runs: number } | null;
  readonly far: { readonly value: number; readonly runs: number } | null;
}

/**
 * Sorts the values of runs by the distances that were measured around each. Runs in which they changed count as
 * neither.
 */
export function byDistance(values: readonly number[], distances: readonly (readonly number[])[]): ByDistance {
  const of = (isIn: (ns: number) => boolean): ByDistance['near'] => {
    const found = values.filter((_, run) => distances[run].every(isIn)).sort((a, b) => a - b);
    return found.length === 0 ? null : { value: found[found.length >> 1], runs: found.length };
  };
  return { near: of((ns) => ns < NEAR_BELOW_NS), far: of((ns) => ns >= NEAR_BELOW_NS) };
}
