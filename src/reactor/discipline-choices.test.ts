/** Disciplines that are asked for one after the other, without waiting: of those, the last one selects in the end. */
import { describe, expect, it } from 'vitest';
import type { DisciplineChoice } from '../scheduling/index.js';
import { DisciplineChoices } from './discipline-choices.js';
import { fixture, inside, until, withRuntime } from './fixtures/inside.js';
import type { Runtime } from './runtime.js';
import { setDiscipline } from './set-discipline.js';

const own: DisciplineChoice = { kind: 'own', module: fixture('last-come-first') };
const restart = { most: 9, withinMs: 60_000, backoffMs: 0 };
const kindOf = (runtime: Runtime, id: number): string => runtime.status().reactors[id]!.discipline.kind;

/** Ends a reactor's thread and waits until another runs in its place. */
async function startAgain(runtime: Runtime, id: number): Promise<void> {
  const again = new Promise((resolve) => void runtime.once('reactorRestarted', resolve));
  void inside(runtime, id, () => process.exit(3)).catch(() => undefined);
  await again;
}

describe('choices', () => {
  it('hold in the order in which they were asked for, whenever they are known to hold', () => {
    const choices = new DisciplineChoices({ kind: 'strict' });
    const all = choices.ask();
    const one = choices.ask();
    choices.note({ kind: 'deadline' }, one, 1);
    choices.note({ kind: 'weighted' }, all);
    expect([choices.all.kind, choices.of(0).kind, choices.of(1).kind]).toEqual(['weighted', 'weighted', 'deadline']);
    expect([choices.isOutdone(0, all), choices.isOutdone(1, all)]).toEqual([false, true]);
    const last = choices.ask();
    choices.note({ kind: 'shares' }, last);
    choices.note({ kind: 'weighted' }, all);
    expect([choices.of(0).kind, choices.of(1).kind]).toEqual(['shares', 'shares']);
    choices.note({ kind: 'strict' }, choices.ask(), 1);
    choices.forget(1);
    expect(choices.of(1).kind).toBe('shares');
  });
});

describe('a reactor that is started again', () => {
  it('has what was chosen for it while a choice for all was under way', async () => {
    await withRuntime(2, { restart }, async (runtime) => {
      runtime.on('reactorDied', () => undefined);
      await Promise.all([
        setDiscipline(runtime, 'roundRobin'), setDiscipline(runtime, 'deadline', { reactor: 1 }),
      ]);
      expect([kindOf(runtime, 0), kindOf(runtime, 1)]).toEqual(['roundRobin', 'deadline']);
      await startAgain(runtime, 1);
      expect([kindOf(runtime, 0), kindOf(runtime, 1)]).toEqual(['roundRobin', 'deadline']);
    });
  });

  it.each<DisciplineChoice>(['roundRobin', own])('has what was chosen for all while it was dead: %j', async (one) => {
    // Reactor 0 answers when reactor 1 runs again.
    const gate = new Int32Array(new SharedArrayBuffer(4));
    await withRuntime(2, { restart: { ...restart, backoffMs: 50 }, data: gate }, async (runtime) => {
      // The second start is not at once, so there is a time in which it is dead.
      runtime.once('reactorDied', () => undefined);
      await startAgain(runtime, 1);
      const isHeld = inside(runtime, 0, (_reactor, _argument, { data }) => void Atomics.wait(data, 0, 0));
      let change!: Promise<void>;
      runtime.on('reactorDied', () => void (change = setDiscipline(runtime, one)));
      await startAgain(runtime, 1);
      Atomics.store(gate, 0, 1);
      Atomics.notify(gate, 0);
      await isHeld;
      await change;
      const kind = typeof one === 'string' ? one : 'own';
      await until(() => kindOf(runtime, 1) === kind, 'reactor 1 selects by what was chosen');
      expect(kindOf(runtime, 0)).toBe(kind);
    });
  });
});

describe('what was asked for last', () => {
  it('is what the main thread selects by, although a module that was asked for before loads for longer', async () => {
    await withRuntime(1, {}, async (runtime) => {
      await Promise.all([
        setDiscipline(runtime, own, { reactor: 'main' }), setDiscipline(runtime, 'weighted', { reactor: 'main' }),
      ]);
      expect(runtime.status().main.discipline.kind).toBe('weighted');
    });
  });

  it('is what a reactor selects by that was still loading the module that it was started with', async () => {
    await withRuntime(1, { maxReactors: 2, discipline: own }, async (runtime) => {
      const added = runtime.scale(2);
      await until(() => runtime.status().reactors.length === 2, 'it is being added');
      await setDiscipline(runtime, 'weighted');
      await added;
      expect([kindOf(runtime, 0), kindOf(runtime, 1)]).toEqual(['weighted', 'weighted']);
      expect(await inside(runtime, 1, () => 1)).toBe(1);
      expect(kindOf(runtime, 1)).toBe('weighted');
    });
  });
});
