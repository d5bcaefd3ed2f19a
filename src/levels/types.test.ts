/** What the types of apps take and refuse: tsc compiles this file, and tells of an error that does not come. */
import { expect, expectTypeOf, it } from 'vitest';
import { defineApp, implementApp, takes, type AppCode, type AppContext, type RunningApp } from './index.js';

const app = defineApp({
  cores: [{ init: { spawns: ['work'] }, idle: { uses: ['shared'] } }],
  resources: { shared: { value: 'u32', label: 'utf8[8]' }, hidden: { value: 'u8' } },
  tasks: {
    work: { priority: 1, uses: ['shared'], spawns: ['alarm'], schedules: ['work'] },
    alarm: { priority: 2, takes: takes<{ level: number }>() },
  },
  main: { spawns: ['work'] },
});
type Declared = typeof app['declaration'];

/** Never run: what a task may do. */
export function task({ lock, spawn, schedule, scheduledNs }: AppContext<Declared, Declared['tasks']['work']>): void {
  expectTypeOf(lock('shared', (shared) => shared.value)).toEqualTypeOf<number>();
  lock('shared', (shared) => { shared.label = 'now'; });
  // @ts-expect-error It does not declare this resource.
  lock('hidden', (hidden) => hidden);
  // @ts-expect-error Nobody has this name.
  lock('shard', () => 0);
  // @ts-expect-error A critical section returns no promise.
  lock('shared', async () => 0);
  // @ts-expect-error Nor one that it has made.
  lock('shared', () => Promise.resolve(1));
  // @ts-expect-error The field is a number.
  lock('shared', (shared) => { shared.value = 'text'; });
  spawn('alarm', { level: 1 });
  // @ts-expect-error An alarm has a level.
  spawn('alarm');
  // @ts-expect-error It may schedule itself, and not spawn itself.
  spawn('work');
  schedule('work', scheduledNs + 1e6);
  // @ts-expect-error The edge is a spawn.
  schedule('alarm', 0, { level: 1 });
}

/** Never run: the main thread. */
export function main(running: RunningApp<Declared>): void {
  running.spawn('work');
  // @ts-expect-error Main may spawn work alone.
  running.spawn('alarm', { level: 1 });
  // @ts-expect-error Main schedules nothing.
  running.schedule('work', 0);
}

/** Never run: code. */
export function code(): unknown[] {
  const work = (): void => undefined;
  const right: AppCode<Declared> = {
    init: [({ spawn }) => void spawn('work')], idle: [() => false],
    tasks: { work, alarm: (_context, { level }) => expectTypeOf(level).toEqualTypeOf<number>() && undefined },
  };
  return [
    right,
    // @ts-expect-error A task is missing.
    () => implementApp(app, { init: [work], idle: [work], tasks: { work } }),
    // @ts-expect-error Code runs to completion.
    () => implementApp(app, { init: [work], idle: [work], tasks: { work: async () => undefined, alarm: work } }),
    // @ts-expect-error There is one core.
    () => implementApp(app, { init: [work, work], idle: [work], tasks: { work, alarm: work } }),
  ];
}

/** Never run: declarations. */
export function declarations(): unknown[] {
  return [
    // @ts-expect-error Nobody has this name.
    () => defineApp({ cores: [{}], tasks: { work: { priority: 1, spawns: ['wrok'] } } }),
    // @ts-expect-error There is no such resource.
    () => defineApp({ cores: [{}], tasks: { work: { priority: 1, uses: ['shared'] } } }),
    // @ts-expect-error Nor for an init.
    () => defineApp({ cores: [{ init: { spawns: ['wrok'] } }], tasks: { work: { priority: 1 } } }),
    // @ts-expect-error A field has a type.
    () => defineApp({ cores: [{}], resources: { r: { x: 'u33' } }, tasks: {} }),
  ];
}

it('is held against the declaration by the compiler', () => {
  expect(app.describe().ceilings).toEqual({ shared: [1], hidden: [0] });
});
