/** The reactors of a round trip that is measured in slices: 0 asks, counts and switches, and 1 answers. */
import { setMetrics, type Reactor } from 'percore';
import { fifo, setPolicy } from 'percore/realtime';
import { answerQuestions, BAND, furnish, say, wordOf } from '../spine/furnished-reactor.js';

/** Each slice lasts `sliceMs`, after `settleMs` in which nothing counts. */
export interface SlicePlan {
  readonly warmupMs: number;
  readonly settleMs: number;
  readonly sliceMs: number;
  /** Whether figures are taken in the slice; undefined: they stay as they are. */
  readonly isOn: readonly (boolean | undefined)[];
}

export interface Slices {
  readonly rates: number[];
  readonly wrong: number;
  readonly ticks: number;
}

export interface SlicedTown {
  calls: { measure(plan: SlicePlan): Promise<Slices> };
}

/** `priority` is that of its thread, 0 for the usual policy. */
export default function start(reactor: Reactor<SlicedTown>, priority: number): void {
  // What an entry asks for is granted once it has run.
  if (priority > 0) setImmediate(() => setPolicy(reactor as unknown as Reactor, fifo(priority)));
  const peer = 1 - reactor.id;
  const furniture = furnish(reactor as unknown as Reactor, peer);
  const { usePromise } = furniture;
  const switchTo = (isOn: boolean): void => setMetrics(reactor as unknown as Reactor, isOn);

  if (reactor.id === 1) {
    reactor.spawn({ name: 'switch' }, switchTo);
    answerQuestions(reactor as unknown as Reactor, peer, furniture);
    return;
  }
  const answerer = reactor.address('question', { reactor: peer, priority: BAND });
  let round = 0;
  let wrong = 0;
  // The present slice: since when and from which round on it counts, and when it ends.
  let countsFromNs = 0;
  let countsFrom = 0;
  let endNs = 0;
  let rates: number[] = [];
  let left: (boolean | undefined)[] = [];
  let plan: SlicePlan;
  let finish: () => void;

  const beginSlice = (nowNs: number, settleMs: number): void => {
    const isOn = left.shift();
    if (isOn !== undefined) {
      switchTo(isOn);
      reactor.send('switch', isOn, { reactor: peer });
    }
    countsFromNs = nowNs + settleMs * 1e6;
    countsFrom = 0;
    endNs = countsFromNs + plan.sliceMs * 1e6;
  };
  reactor.spawnBytes({ name: 'answer', priority: BAND }, (record) => {
    const nowNs = reactor.nowNs();
    if (wordOf(record) !== ~round) wrong++;
    usePromise();
    if (nowNs >= countsFromNs && countsFrom === 0) {
      countsFromNs = nowNs;
      countsFrom = round;
    } else if (nowNs >= endNs) {
      rates.push((round - countsFrom) / (nowNs - countsFromNs) * 1e9);
      if (left.length === 0) return finish();
      beginSlice(nowNs, plan.settleMs);
    }
    say(answerer, ++round);
  });
  reactor.handle('measure', (asked) => new Promise((resolve) => {
    plan = asked;
    left = [...plan.isOn];
    rates = [];
    finish = () => resolve({ rates, wrong, ticks: Math.min(furniture.ticks, furniture.promises) });
    beginSlice(reactor.nowNs(), plan.warmupMs);
    say(answerer, ++round);
  }));
}
