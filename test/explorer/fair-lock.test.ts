/**
 * The lock of resources under the explorer: the shipped FairLock in every order of its accesses, with levels that die
 * at any of them. Nobody is inside at the same time, nobody sleeps for ever though no time-out wakes anybody, and what
 * a dead level leaves is taken on. Bugs are put into the shipped text, to see that they are found.
 */
import { describe, expect, it } from 'vitest';
import type * as Locks from '../../src/levels/fair-lock.js';
import { fairLockLayout } from '../../src/layout.js';
import { explore, type Report, type VirtualThread } from '../../src/testing/explorer.js';
import { VirtualMemory } from '../../src/testing/virtual-memory.js';
import { isLong } from './run-scenarios.js';
import { assert, sow, type Seed } from './world.js';

const FILE = 'levels/fair-lock.js';
/** Nobody looks again by itself: whoever is not woken sleeps for ever. */
const NO_TIME_OUT: Seed = { file: FILE, from: 'const LOOK_EVERY_MS = 20;', to: 'const LOOK_EVERY_MS = Infinity;' };
const MAIN = 5;

interface Case {
  /** How often each level locks. */
  readonly rounds: readonly number[];
  readonly seeds?: readonly Seed[];
  /** The first of them may die anywhere, and is repaired then. */
  readonly dies?: boolean;
}

function locking({ rounds, seeds = [], dies = false }: Case): Report {
  const memory = new VirtualMemory();
  const { Atomics, Int32Array, SharedArrayBuffer } = memory.globals;
  const module = memory.load<typeof Locks>(
    new URL('../../modules/levels/fair-lock.js', import.meta.url),
    (text, url) => sow(text, url, [NO_TIME_OUT, ...seeds]).text,
  );
  const block = new SharedArrayBuffer(fairLockLayout.bytes);
  memory.name(block, 'lock', fairLockLayout);
  const state = new Int32Array(new SharedArrayBuffer(8));
  memory.name(state.buffer as SharedArrayBuffer, 'state');
  const deaths = new Int32Array(new SharedArrayBuffer(4));
  memory.name(deaths.buffer as SharedArrayBuffer, 'deaths');
  const levels = rounds.map((count, id) => ({
    id, count, done: 0, lefts: 0, isIn: false, lock: new module.FairLock(block, 0, id, [], 0),
  }));
  const threads: VirtualThread[] = levels.map((level) => ({
    name: `level${level.id}`,
    owns: [level, level.lock],
    mayDie: dies && level.id === 0,
    onDeath: () => void Atomics.store(deaths, 0, 1),
    step() {
      if (level.done === level.count) return 'done';
      if (level.lock.acquire()) level.lefts++;
      level.isIn = true;
      // Plain: two at the same time are a race, which the explorer tells of.
      state[0] = state[0]! + 1;
      state[1] = state[1]! + 1;
      level.isIn = false;
      level.lock.release();
      level.done++;
      return undefined;
    },
  }));
  if (dies) {
    const main = { isDone: false, lock: new module.FairLock(block, 0, MAIN, [], 0) };
    threads.push({
      name: 'main', owns: [main, main.lock], mayWait: true,
      step() {
        if (main.isDone) return 'done';
        if (Atomics.load(deaths, 0) === 0) return 'wait';
        main.lock.repair(0);
        main.isDone = true;
        return undefined;
      },
    });
  }
  return explore({
    memory, threads,
    atEnd({ dead }) {
      if (dead.length > 0) {
        // What is left is seen once. That the others got in, the explorer sees: else they were stuck.
        const lefts = levels.reduce((sum, each) => sum + each.lefts, 0);
        const { leftCount } = levels[1]!.lock;
        assert(leftCount <= 1 && lefts <= leftCount, () => `left ${leftCount} times, told ${lefts} times`);
        assert(!levels[0]!.isIn || leftCount === 1, () => 'it died inside, and nobody has noticed');
        return;
      }
      const all = rounds.reduce((sum, count) => sum + count, 0);
      assert(state[0] === all && state[1] === all, () => `${state[0]} and ${state[1]} of ${all} rounds`);
      assert(levels.every(({ lefts }) => lefts === 0), () => 'somebody was told of a death');
    },
  });
}

const seed = (from: string, to: string): Seed[] => [{ file: FILE, from, to }];

describe('the lock of resources, in every order', () => {
  it.each<[string, Case, number]>([
    ['two levels, twice each', { rounds: [2, 2] }, 100],
    ['two levels, of which one dies anywhere', { rounds: [1, 1], dies: true }, 100],
    ...(isLong ? [
      ['three levels', { rounds: [1, 1, 1] }, 1000],
      ['two levels, twice each, of which one dies anywhere', { rounds: [2, 2], dies: true }, 1000],
    ] as [string, Case, number][] : []),
  ])('lets one in at a time, and everybody at last: %s', (_name, scenario, floor) => {
    const report = locking(scenario);
    expect(report.violations.map(({ message, schedule }) => `${message}\n${schedule.join('\n')}`)).toEqual([]);
    expect(report.states).toBeGreaterThan(floor);
  });

  it.each<[string, () => Report]>([
    ['taking it is no swap', () => locking({ rounds: [1, 1], seeds: seed(
      'if (Atomics.compareExchange(this.words, HOLDER, FREE, this.mine) === FREE)',
      'if (Atomics.load(this.words, HOLDER) === FREE && (Atomics.store(this.words, HOLDER, this.mine), true))',
    ) })],
    ['it is freed, whoever waits', () => locking({ rounds: [1, 1], seeds: seed(
      'if (Atomics.compareExchange(words, HOLDER, mine, FREE) === mine)',
      'if (Atomics.store(words, HOLDER, FREE) === FREE)',
    ) })],
    ['who waits does not say so in the word', () => locking({ rounds: [1, 1], seeds: seed(
      'if ((holder & AWAITED) === 0)', 'if (false)',
    ) })],
    ['who has begun to wait for a dead one is forgotten', () => locking({
      rounds: [1, 1], dies: true, seeds: seed('if (found === (from | AWAITED) && found !== from)', 'if (false)'),
    })],
    ['what a dead one had is not handed on', () => locking({
      rounds: [1, 1], dies: true, seeds: seed('this.handOn(holder, waiters, LEFT);', ''),
    })],
    ['a dead one is given the lock', () => locking({
      rounds: [1, 2], dies: true, seeds: seed('Atomics.or(words, DEAD, bit);', ''),
    })],
    ['who has died before it woke the next one is not made good', () => locking({
      rounds: [1, 1], dies: true, seeds: seed(
        'Atomics.notify(words, HOLDER);\n            return false;', 'return false;',
      ),
    })],
    ['nobody is told that one has died inside', () => locking({
      rounds: [1, 1], dies: true, seeds: seed('Atomics.add(words, LEFT_COUNT, 1);', ''),
    })],
    ['who is given the lock is not woken', () => locking({ rounds: [1, 1], seeds: seed(
      'if (next < 0 ? Atomics.load(words, WAITERS) !== 0 : true)', 'if (false)',
    ) })],
  ])('finds the bug that %s', (_bug, run) => {
    expect(run().violations.length).toBeGreaterThan(0);
  });
});
