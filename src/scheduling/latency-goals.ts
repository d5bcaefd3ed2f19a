/**
 * Shares that adjust themselves: a band with a latency goal gets as many as it needs to keep it, and gives them back
 * when it no longer needs them. The others share what is left, in proportion to their own shares.
 *
 *      each quantum: how long had it waited since it became ready?
 *      worst wait of a window > 1/2 of the goal --> shares doubled, up to `most` times its own
 *      worst wait of a window < 1/4 of the goal --> a tenth given back, down to its own
 *      each quantum of whomever: one of the band has waited for > 1/2 of the goal --> shares times eight, up to `most`
 *
 * The last rule is for a band that owes much, because a pause of the kernel has hit it: it is then not selected for a
 * long time, so no window would end. With its shares, what it owes is revalued.
 *
 * A goal is not a guarantee: a step that has begun runs to its end, so the wait can be longer by the longest step.
 * `most` bounds what a band with a goal asks for beyond its own shares, so it cannot starve the others. Source: the
 * latency goals of Glommio's task queues; additive and multiplicative control as in TCP.
 */
import { BANDS } from '../layout.js';
import type { Discipline } from './discipline.js';
import type { Ready } from './ready.js';
import { DEFAULT_DEBT_NS, Shares } from './shares.js';
import { NumberQueue } from './number-queue.js';

/** After this many quanta of a band, or this long, its shares are reviewed. */
const WINDOW_QUANTA = 32;
const WINDOW_NS = 5_000_000;

/** By how much the shares of an overdue band grow with each quantum that others run before it. */
const OVERDUE_TIMES = 8;

export interface LatencyGoal {
  readonly band: number;
  /** Nanoseconds from ready to running, above 0. */
  readonly goalNs: number;
}

export class LatencyGoals implements Discipline<Ready> {
  private readonly shares: Shares;
  private readonly own: Float64Array;
  private readonly goals = new Float64Array(BANDS).fill(Infinity);
  private readonly waits: NumberQueue[] = Array.from({ length: BANDS }, () => new NumberQueue());
  /** Bands that have one. */
  private goalBands: readonly number[] = [];
  private readonly worstNs = new Float64Array(BANDS);
  private readonly quanta = new Int32Array(BANDS);
  private readonly windowEndNs = new Float64Array(BANDS);

  /**
   * `shares` of bands 0 to 7 as for `Shares`; bands that are not in `goals` have none. `most` is how many times its own
   * shares a band may get; `debtNs` as for `Shares`. `nowNs` must be exact within a turn.
   */
  constructor(
    shares: ArrayLike<number>, goals: readonly LatencyGoal[], private readonly nowNs: () => number,
    private readonly most = 1024, debtNs = DEFAULT_DEBT_NS,
  ) {
    this.shares = new Shares(shares, debtNs);
    this.own = Float64Array.from(shares);
    for (const { band, goalNs } of goals) this.goals[band] = goalNs;
    this.goalBands = goals.map(({ band }) => band);
  }

  get isEmpty(): boolean {
    return this.shares.isEmpty;
  }

  hasAbove(_band: number): boolean {
    return false;
  }

  push(ready: Ready): void {
    if (this.goals[ready.band] !== Infinity) this.waits[ready.band]!.push(this.nowNs());
    this.shares.push(ready);
  }

  select(): Ready | undefined {
    const ready = this.shares.select();
    if (ready !== undefined && this.goals[ready.band] !== Infinity) this.noteWait(ready.band);
    return ready;
  }

  charge(band: number, ns: number): void {
    this.shares.charge(band, ns);
    if (this.goalBands.length !== 0) this.helpOverdue();
  }

  refund(band: number, collectedNs: number, chargedNs: number): void {
    this.shares.refund(band, collectedNs, chargedNs);
  }

  /** What a band has at the moment. */
  sharesOf(band: number): number {
    return this.shares.sharesOf(band);
  }

  /** Changes a band's own shares. A band with a goal begins anew from there. */
  setShares(band: number, shares: number): void {
    this.own[band] = shares;
    this.shares.setShares(band, shares);
  }

  /**
   * New numbers, while it runs: virtual times stay, so nobody gains or loses what it has used. A band whose own shares
   * and goal stay the same keeps what it was given for its goal.
   */
  adjust(shares: ArrayLike<number>, goals: readonly LatencyGoal[], debtNs: number): void {
    this.shares.debtNs = debtNs;
    for (let band = 0; band < BANDS; band++) {
      const goalNs = goals.find((goal) => goal.band === band)?.goalNs ?? Infinity;
      if (this.own[band] === shares[band] && this.goals[band] === goalNs) continue;
      this.setShares(band, shares[band]!);
      this.setGoal(band, goalNs);
    }
    this.goalBands = goals.map(({ band }) => band);
  }

  /** What waits already has waited since now, as far as a new goal is concerned. */
  private setGoal(band: number, goalNs: number): void {
    if (goalNs === Infinity) {
      this.waits[band] = new NumberQueue();
    } else if (this.goals[band] === Infinity) {
      for (let i = this.shares.countOf(band); i > 0; i--) this.waits[band]!.push(this.nowNs());
    }
    this.goals[band] = goalNs;
  }

  private helpOverdue(): void {
    let now = -1;
    for (const band of this.goalBands) {
      if (this.shares.countOf(band) === 0) continue;
      if (now < 0) now = this.nowNs();
      if (now - this.waits[band]!.peek() > this.goals[band]! / 2) this.raise(band, OVERDUE_TIMES);
    }
  }

  private raise(band: number, times: number): void {
    this.shares.revalue(band, Math.min(this.shares.sharesOf(band) * times, this.own[band]! * this.most));
  }

  private noteWait(band: number): void {
    const now = this.nowNs();
    this.worstNs[band] = Math.max(this.worstNs[band]!, now - this.waits[band]!.shift());
    if (++this.quanta[band]! < WINDOW_QUANTA && now < this.windowEndNs[band]!) return;
    const goal = this.goals[band]!;
    const shares = this.shares.sharesOf(band);
    if (this.worstNs[band]! > goal / 2) this.raise(band, 2);
    else if (this.worstNs[band]! < goal / 4) this.shares.setShares(band, Math.max(shares * 0.9, this.own[band]!));
    this.worstNs[band] = 0;
    this.quanta[band] = 0;
    this.windowEndNs[band] = now + WINDOW_NS;
  }
}
