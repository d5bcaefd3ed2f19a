/** Each cause is planted, and named. What the machine itself does meanwhile may be named instead, and only that. */
import { spawn, type ChildProcess } from 'node:child_process';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { createRuntime, setSlo, type Runtime, type SloViolation } from '../index.js';
import { native } from '../native.js';
import { controllerOf, partyWords } from '../reactor/internal.js';
import { partyLayout, words } from '../layout.js';
import { sleep, until, within } from '../reactor/fixtures/inside.js';
import type { Plant, PlantedTown } from './fixtures/planted.js';

const IS_LONG = process.env['PERCORE_STRESS'] === '1';
const BOUND_NS = 1_000_000;
/** Short, so that a busy machine seldom comes in between. */
const PLANT_MS = 3;
/** Named instead of what was planted where the machine is busy with other things, or Node collects of itself. */
const OF_THE_MACHINE = ['notKnown', 'notScheduled', 'collection'];

describe('the cause of what is late', () => {
  let runtime: Runtime<PlantedTown>;
  const seen: SloViolation[] = [];
  const children: ChildProcess[] = [];

  beforeAll(async () => {
    runtime = await createRuntime<PlantedTown>({
      entry: new URL('./fixtures/planted.js', import.meta.url), reactors: 1, metrics: true, idle: { strategy: 'park' },
    });
    runtime.on('sloViolated', (violation) => void seen.push(violation));
    expect(setSlo(runtime as Runtime, { task: 'victim' }, { responseNs: BOUND_NS })).toBe(1);
    // The bound is taken within a millisecond of work.
    for (let i = 0; i < 20; i++) {
      await runtime.call('idle', undefined, { reactor: 0 });
      await sleep(1);
    }
  }, 60_000);
  afterAll(async () => {
    for (const child of children) child.kill();
    await runtime?.close({ drainMs: 1000 });
  });

  /** The violation that this plant has made. */
  const plantOnce = async (plant: Plant): Promise<SloViolation> => {
    const before = seen.length;
    // Events are rationed, so one violation may be counted and not told of.
    for (let attempt = 0; attempt < 5 && seen.length === before; attempt++) {
      if (plant === 'asleep') await sendToSleeper();
      else await runtime.call('plant', { plant, ms: plant === 'notScheduled' ? 60 : PLANT_MS }, { reactor: 0 });
      await until(() => seen.length > before, plant, 2000).catch(() => undefined);
    }
    expect(seen.length, `a violation by ${plant}`).toBeGreaterThan(before);
    return seen.at(-1)!;
  };

  /** Its doorbell is rung late: the sender has said that it wakes it, and is held up before it does. */
  const sendToSleeper = async (): Promise<void> => {
    const { shared } = controllerOf(runtime as Runtime);
    const party = partyWords(shared.inboxes[0]!);
    const { wakers } = native();
    const { wake } = wakers;
    const attention = partyLayout.fields.attention.at >> 2;
    await until(() => Atomics.load(party, attention) === words.attention.PARKED, 'it sleeps');
    const late = vi.spyOn(wakers, 'wake').mockImplementation((fd) => void setTimeout(() => wake(fd), PLANT_MS));
    try {
      runtime.send('victim', 0, { reactor: 0 });
      runtime.flush();
      await sleep(4 * PLANT_MS);
    } finally {
      late.mockRestore();
    }
  };

  const compete = (): void => {
    const cpu = runtime.status().reactors[0]!.cpuGranted[0]!;
    for (let i = 0; i < 4; i++) {
      children.push(spawn('taskset', ['-c', String(cpu), process.execPath, '-e', 'for (;;);'], { stdio: 'ignore' }));
    }
  };

  it.each<Plant>([
    'queuedBehind', 'longStep', 'collection', 'outsideOfTurns', 'asleep', 'notScheduled',
  ])('%s is named', async (plant) => {
    if (plant === 'notScheduled') {
      compete();
      await sleep(300);
    }
    const named: string[] = [];
    const most = IS_LONG ? 20 : 100;
    for (let i = 0; i < most; i++) {
      const { task, figure, ns, boundNs, cause, shares } = await within(30_000, plantOnce(plant), plant);
      expect([task, figure, boundNs]).toEqual(['victim', 'response', BOUND_NS]);
      expect(ns).toBeGreaterThan(BOUND_NS);
      named.push(cause.kind);
      if (cause.kind !== plant) {
        expect(plant === 'notScheduled' ? ['longStep', ...OF_THE_MACHINE] : OF_THE_MACHINE, JSON.stringify(shares))
          .toContain(cause.kind);
        continue;
      }
      if (plant === 'queuedBehind') expect(cause.what).toBe('hog');
      if (!IS_LONG) break;
    }
    const right = named.filter((kind) => kind === plant).length;
    const others = named.filter((kind) => kind !== plant && OF_THE_MACHINE.includes(kind)).length;
    expect(right, `named: ${named.join(', ')}`).toBeGreaterThan(0);
    // What the machine does beside is told by the long form, which wants a quiet one.
    if (IS_LONG) expect(right / (right + others)).toBeGreaterThanOrEqual(0.95);
  }, 60_000);
});
