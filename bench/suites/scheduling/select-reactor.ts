/** The reactor of `select`: makes many tasks ready, times their selection, and runs each of them afterwards. */
import type { Reactor, Selected } from 'percore';

export interface SelectReport {
  readonly nsEach: number;
  /** How many tasks were selected although they were not ready, or were ready and not selected. */
  readonly wrong: number;
}
export type SelectServices = { select(ready: number): SelectReport; heap(ready: number): SelectReport };

/**
 * Until the code is compiled and the tasks have left the young heap: after 30 rounds some still took ten times as long.
 */
const WARMUP_ROUNDS = 100;
const ROUNDS = 60;
const BANDS = 8;

export default function start(reactor: Reactor<{ calls: SelectServices }>): void {
  reactor.handle('select', (count) => {
    let ran = 0;
    const tasks = Array.from({ length: count }, (_, i) =>
      reactor.spawn({ name: `task-${i}`, priority: (i * 5) % BANDS, capacity: 2 }, () => { ran++; }));
    const selected: (Selected | undefined)[] = new Array<undefined>(count).fill(undefined);
    let ns = 0;
    for (let round = 0; round < WARMUP_ROUNDS + ROUNDS; round++) {
      for (const task of tasks) task.send(0);
      const beganNs = reactor.nowNs();
      for (let i = 0; i < count; i++) selected[i] = reactor.select();
      if (round >= WARMUP_ROUNDS) ns += reactor.nowNs() - beganNs;
      // Each task has one message. One that is selected twice would run without a message; one that is not keeps its
      // own.
      for (const one of selected) one?.run();
    }
    const expected = count * (WARMUP_ROUNDS + ROUNDS);
    return { nsEach: ns / (count * ROUNDS), wrong: Math.abs(expected - ran) };
  });

  reactor.handle('heap', (count) => {
    const heap = new Heap();
    let ns = 0;
    let wrong = 0;
    for (let round = 0; round < WARMUP_ROUNDS + ROUNDS; round++) {
      for (let i = 0; i < count; i++) heap.push({ band: (i * 5) % BANDS, order: i });
      let last = BANDS;
      const beganNs = reactor.nowNs();
      for (let i = 0; i < count; i++) {
        const { band } = heap.pop()!;
        if (band > last) wrong++;
        last = band;
      }
      if (round >= WARMUP_ROUNDS) ns += reactor.nowNs() - beganNs;
    }
    return { nsEach: ns / (count * ROUNDS), wrong };
  });
}

interface Item {
  readonly band: number;
  readonly order: number;
}

const isBefore = (a: Item, b: Item): boolean => a.band > b.band || (a.band === b.band && a.order < b.order);

/** The order of selection: the highest band first, and in a band whatever came first. */
class Heap {
  private readonly items: Item[] = [];

  push(item: Item): void {
    const { items } = this;
    let at = items.length;
    items.push(item);
    while (at > 0) {
      const parent = (at - 1) >> 1;
      if (!isBefore(item, items[parent])) break;
      items[at] = items[parent];
      at = parent;
    }
    items[at] = item;
  }

  pop(): Item | undefined {
    const { items } = this;
    const first = items[0];
    const last = items.pop();
    if (last === undefined || items.length === 0) return last;
    let at = 0;
    for (;;) {
      let child = 2 * at + 1;
      if (child >= items.length) break;
      if (child + 1 < items.length && isBefore(items[child + 1], items[child])) child++;
      if (!isBefore(items[child], last)) break;
      items[at] = items[child];
      at = child;
    }
    items[at] = last;
    return first;
  }
}
