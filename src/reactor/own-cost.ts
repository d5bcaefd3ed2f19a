/**
 * The cost of being watched (JR-7): how many nanoseconds figures add to a step, and what the recorder of causes adds to
 * that, measured by the code that runs in each turn, on memory of its own. It measures one turn for each step, which is
 * the most expensive case, and turns that follow each other closely, of which most are passed over. Without `metrics`
 * there is nothing to measure except branches that are not taken.
 */
import { deliveryLayout, partyLayout } from '../layout.js';
import { FigureTable, RESPONSE, WorstCases, createFigures } from '../observe/internal.js';
import type { Party } from './party.js';
import { LocalTask } from './task.js';
import { TaskWatch } from './watch.js';

/** Nanoseconds of a step that has a turn of its own. */
export interface OwnCost {
  /** What figures of tasks add. */
  readonly figuresNs: number;
  /** What the recorder adds to that while there is a bound. */
  readonly recorderNs: number;
}

/** Short enough that most batches are not interrupted; the best one counts. */
const ROUNDS = 256;
const BATCHES = 400;
const TURN_NS = partyLayout.fields.turnNs.at >> 3;
const BEFORE_NS = partyLayout.fields.beforeNs.at >> 3;
const MAY_PASS_OVER = deliveryLayout.fields.mayPassOver.at >> 2;
const ENDED_NS = partyLayout.fields.endedNs.at >> 3;
/** Of the simulated turns: how long they take, and when the next one begins. */
const STEP_NS = 400;
const PERIOD_NS = 1000;

let measured: OwnCost | undefined;

/** Measured once in each thread, in some milliseconds; then known. */
export function ownCost(party: Party): OwnCost {
  return (measured ??= measure(party));
}

function measure(party: Party): OwnCost {
  const { turn, nowNs, id } = party;
  const table = new FigureTable(createFigures(4));
  const counters = new Float64Array(partyLayout.bytes >> 3);
  const delivery = new Int32Array(deliveryLayout.bytes >> 2);
  const watch: TaskWatch = new TaskWatch({
    id, table, counters, nowNs, party: new Int32Array(partyLayout.bytes >> 2),
    delivery,
    trace: () => { throw new Error('nobody traces this'); },
    recorder: () => new WorstCases({
      id, nowNs, lastWake: () => watch.lastWake(),
      logCollections: () => ({ between: () => [], close: () => undefined }),
      watchHalts: () => ({ between: () => 0, end: () => undefined }), report: () => undefined,
    }),
  });
  const task = new LocalTask<unknown, false>(
    turn, { name: 'own cost', band: 0, capacity: 1, concurrency: Infinity, takesBytes: false }, () => undefined,
  );
  watch.attach({ isRunning: true });
  watch.add(task);
  let atNs = nowNs();
  const batch = (watched: TaskWatch | undefined): number => {
    const beganNs = nowNs();
    for (let round = 0; round < ROUNDS; round++) {
      counters[BEFORE_NS] = atNs;
      counters[TURN_NS] = atNs += PERIOD_NS;
      if (watched !== undefined) {
        // As native code does with turns that come so soon.
        if (delivery[MAY_PASS_OVER]! > 0) {
          delivery[MAY_PASS_OVER]!--;
          watched.passOver();
        } else {
          watched.beginTurn();
        }
        watched.makeReady(task);
        if (watched.current !== task) watched.begin(task);
        watched.step(task);
        if (watched.isTold) watched.tell();
      }
      counters[ENDED_NS] = atNs + STEP_NS;
    }
    return (nowNs() - beganNs) / ROUNDS;
  };
  const best = (watched: TaskWatch | undefined): number =>
    Math.min(...Array.from({ length: BATCHES }, () => batch(watched)));
  best(watch);
  const emptyNs = best(undefined);
  const figuresNs = best(watch);
  table.setBound(table.slots()[0]!, RESPONSE, 2 ** 39);
  const recorderNs = best(watch);
  watch.leave();
  return { figuresNs: Math.max(0, figuresNs - emptyNs), recorderNs: Math.max(0, recorderNs - figuresNs) };
}
