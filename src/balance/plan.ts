/**
 * Which buckets to move, from what is measured: as few as are needed. A pure function of its arguments.
 *
 * It moves from the busiest reactor to the idlest the bucket whose time comes closest to half of the difference between
 * the two, until they are close enough. A bucket that takes longer than the whole difference stays, since moving it
 * would only turn the imbalance round. Source of the idea: the greedy rule for scheduling on identical machines
 * (Graham, 1969).
 */
export interface PlannedMove {
  readonly bucket: number;
  readonly to: number;
}

export interface Measured {
  /** For each reactor: the part of the time in which it was busy, 0 to 1. */
  readonly busy: ArrayLike<number>;
  /** For each bucket: the part of the time for which it has kept its owner busy. */
  readonly buckets: ArrayLike<number>;
  /** For each bucket. */
  readonly owners: ArrayLike<number>;
  /** Reactors that take part: those that are alive. */
  readonly reactors: readonly number[];
  /** Buckets that stay where they are: pinned, or moved a short while ago. */
  readonly stays: (bucket: number) => boolean;
}

export interface PlanLimits {
  /** Nothing moves while the busiest is busier than the idlest by at most this part of their mean. */
  readonly hysteresis: number;
  /** Most moves of one plan. */
  readonly mostMoves: number;
  /** Nothing moves while the busiest is busy for at most this part of the time. */
  readonly leastBusy: number;
}

export function planMoves(measured: Measured, { hysteresis, mostMoves, leastBusy }: PlanLimits): PlannedMove[] {
  const { buckets, owners, reactors, stays } = measured;
  const busy = Float64Array.from(measured.busy);
  const moves: PlannedMove[] = [];
  const moved = new Set<number>();
  if (reactors.length < 2) return moves;
  const mean = reactors.reduce((sum, reactor) => sum + busy[reactor]!, 0) / reactors.length;
  const isClose = (most: number, least: number, part: number): boolean => busy[most]! - busy[least]! <= part * mean;
  const [busiest, idlest] = extremes(busy, reactors);
  if (busy[busiest]! <= leastBusy || isClose(busiest, idlest, hysteresis)) return moves;
  while (moves.length < mostMoves) {
    const [from, to] = extremes(busy, reactors);
    // Once it has begun it goes on well below the threshold, so that it does not begin again at once.
    if (isClose(from, to, hysteresis / 4)) break;
    const difference = busy[from]! - busy[to]!;
    let best = -1;
    let bestGain = 0;
    for (let bucket = 0; bucket < buckets.length; bucket++) {
      const time = buckets[bucket]!;
      if (owners[bucket] !== from || time <= 0 || moved.has(bucket) || stays(bucket)) continue;
      const gain = difference - Math.abs(difference - 2 * time);
      if (gain <= bestGain) continue;
      best = bucket;
      bestGain = gain;
    }
    // What is left is too small to be worth a move, or too large.
    if (best < 0 || bestGain < hysteresis * mean / 8) break;
    busy[from]! -= buckets[best]!;
    busy[to]! += buckets[best]!;
    moved.add(best);
    moves.push({ bucket: best, to });
  }
  return moves;
}

/** The busiest and the idlest. */
function extremes(busy: Float64Array, reactors: readonly number[]): [most: number, least: number] {
  let most = reactors[0]!;
  let least = most;
  for (const reactor of reactors) {
    if (busy[reactor]! > busy[most]!) most = reactor;
    if (busy[reactor]! < busy[least]!) least = reactor;
  }
  return [most, least];
}
