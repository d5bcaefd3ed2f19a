/**
 * The gate before the steps of a level, under the explorer: the shipped text in every order of its accesses. No step
 * begins while the ceiling keeps it away, nobody sleeps for ever though no time-out wakes anybody, and a dead holder
 * keeps nobody away. Bugs are put into the shipped text, to see that they are found.
 */
import { describe, expect, it } from 'vitest';
import type * as Gates from '../../src/levels/step-gate.js';
import type { Plan } from '../../src/levels/plan.js';
import { appLevelLayout } from '../../src/layout.js';
import { explore, type Report, type VirtualThread } from '../../src/testing/explorer.js';
import { VirtualMemory } from '../../src/testing/virtual-memory.js';
import { assert, sow, type Seed } from './world.js';

const FILE = 'levels/step-gate.js';
/** Nobody looks again by itself: whoever is not woken sleeps for ever. */
const NO_TIME_OUT: Seed = { file: FILE, from: 'const LOOK_EVERY_MS = 20;', to: 'const LOOK_EVERY_MS = Infinity;' };

interface Case {
  /** How often the lowest level locks. */
  readonly rounds: number;
  /** Levels above it, which its ceiling keeps away. */
  readonly above: number;
  readonly seeds?: readonly Seed[];
  /** The lowest may die anywhere, and is made good then. */
  readonly dies?: boolean;
}

function gated({ rounds, above, seeds = [], dies = false }: Case): Report {
  const memory = new VirtualMemory();
  const { Atomics, Int32Array, SharedArrayBuffer } = memory.globals;
  const module = memory.load<typeof Gates>(
    new URL('../../modules/levels/step-gate.js', import.meta.url),
    (text, url) => sow(text, url, [NO_TIME_OUT, ...seeds]).text,
  );
  const levels = Array.from({ length: above + 1 }, (_, id) => ({ id, core: 0, rank: id + 1 }));
  const block = new SharedArrayBuffer(appLevelLayout.bytes * levels.length);
  for (const { id } of levels) {
    const at = id * appLevelLayout.bytes;
    memory.name(block, `level${id}`, appLevelLayout, at, at + appLevelLayout.bytes);
  }
  const plan = {
    levels, levelAt: (id: number) => id * appLevelLayout.bytes,
    resources: [{ users: levels.map(({ id }) => id), ceilings: [above + 1] }],
  } as unknown as Plan;
  // What the holder has said: 1 inside of its first section, 2 when that is about to end.
  const said = new Int32Array(new SharedArrayBuffer(8));
  memory.name(said.buffer as SharedArrayBuffer, 'said');
  const holder = { round: 0, shown: new module.ShownCeiling(module.levelWords(plan, block, 0)) };
  const threads: VirtualThread[] = [{
    name: 'holder', owns: [holder, holder.shown], mayDie: dies,
    onDeath: () => void Atomics.store(said, 1, 1),
    step() {
      if (holder.round === rounds) return 'done';
      if (holder.shown.show(above + 1)) holder.shown.wake();
      if (holder.round === 0) {
        Atomics.store(said, 0, 1);
        Atomics.store(said, 0, 2);
      }
      if (holder.shown.show(0)) holder.shown.wake();
      holder.round++;
      return undefined;
    },
  }];
  for (const { id } of levels.slice(1)) {
    const level = { isDone: false, gate: new module.StepGate(plan, block, id, () => undefined) };
    threads.push({
      name: `level${id}`, owns: [level, level.gate],
      step() {
        if (level.isDone) return 'done';
        const before = Atomics.load(said, 0);
        level.gate.enter();
        // Whoever came while the section was under way has waited for its end, or for the holder's death.
        if (before === 1) {
          assert(Atomics.load(said, 0) === 2 || Atomics.load(said, 1) === 1, () => `level ${id} began within it`);
        }
        level.isDone = true;
        return undefined;
      },
    });
  }
  if (dies) {
    const main = { isDone: false };
    threads.push({
      name: 'main', owns: [main], mayWait: true,
      step() {
        if (main.isDone) return 'done';
        if (Atomics.load(said, 1) === 0) return 'wait';
        module.openGate(plan, block, 0);
        main.isDone = true;
        return undefined;
      },
    });
  }
  return explore({ memory, threads });
}

const seed = (from: string, to: string): Seed[] => [{ file: FILE, from, to }];

describe('the gate before steps, in every order', () => {
  it.each<[string, Case, number]>([
    ['one above, two sections', { rounds: 2, above: 1 }, 50],
    ['two above, one section', { rounds: 1, above: 2 }, 100],
    ['one above, and the holder dies anywhere', { rounds: 1, above: 1, dies: true }, 50],
  ])('keeps out whom it must, and lets everybody in at last: %s', (_name, scenario, floor) => {
    const report = gated(scenario);
    expect(report.violations.map(({ message, schedule }) => `${message}\n${schedule.join('\n')}`)).toEqual([]);
    expect(report.states).toBeGreaterThan(floor);
  });

  it.each<[string, () => Report]>([
    ['nobody looks', () => gated({ rounds: 1, above: 1, seeds: seed('CEILING) >= rank)', 'CEILING) > 99)') })],
    ['who waits does not show it', () => gated({
      rounds: 1, above: 1, seeds: seed('Atomics.or(words, WAITS, bit);', ''),
    })],
    ['who waits sleeps without a second look', () => gated({
      rounds: 1, above: 1, seeds: seed('if (ceiling < rank)', 'if (false)'),
    })],
    ['the holder does not look who waits', () => gated({
      rounds: 1, above: 1, seeds: seed('return Atomics.load(this.words, WAITS) !== 0;', 'return false;'),
    })],
    ['who waits hides that before it is through', () => gated({
      rounds: 2, above: 1, seeds: seed(
        'if (ceiling < rank)', 'Atomics.and(words, WAITS, ~bit);\n            if (ceiling < rank)',
      ),
    })],
    ['a dead holder keeps others away', () => gated({
      rounds: 1, above: 1, dies: true, seeds: seed('Atomics.store(words, CEILING, 0);', ''),
    })],
    ['nobody is woken after a death', () => gated({
      rounds: 1, above: 1, dies: true,
      seeds: seed(
        'Atomics.store(words, CEILING, 0);\n    Atomics.notify(words, CEILING);', 'Atomics.store(words, CEILING, 0);',
      ),
    })],
  ])('finds the bug that %s', (_bug, run) => {
    expect(run().violations.length).toBeGreaterThan(0);
  });
});
