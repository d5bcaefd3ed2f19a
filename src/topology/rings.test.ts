import { describe, expect, it } from 'vitest';
import { BACK_PRESSURED, CLOSED } from '../queues/index.js';
import { createRuntime, type Runtime } from '../reactor/index.js';
import { errorOf, until } from '../reactor/fixtures/inside.js';
import { openControl, type Control } from './index.js';

const programs = new URL('./fixtures/programs.js', import.meta.url);

async function withTown<R>(
  use: (control: Control, seen: (task: string, reactor: number) => Promise<unknown[]>) => Promise<R>,
): Promise<R> {
  const runtime: Runtime = await createRuntime({ entry: programs, reactors: 2 });
  const control = openControl(runtime);
  for (const reactor of [0, 1]) {
    await control.ask(reactor, 'register', { name: 'note', module: programs.href, export: 'note' });
  }
  try {
    return await use(control, (task, reactor) => runtime.call('seen', task, { reactor }) as Promise<unknown[]>);
  } finally {
    await runtime.close({ drainMs: 1000 });
  }
}

/** Sends the numbers below `count` into a cursor, waiting where it is full. */
async function fill(control: Control, to: number | 'main', cursor: string, count: number): Promise<void> {
  for (let i = 0; i < count; i++) {
    while ((await control.ask(to, 'send', { cursor, message: i })).code === BACK_PRESSURED);
  }
}
const numbers = (count: number): number[] => Array.from({ length: count }, (_, i) => i);

describe('a ring', () => {
  it('is made by one party, written by a second and read by a third, in its order and past its capacity', async () => {
    await withTown(async (control, seen) => {
      await control.ask(0, 'ring', { name: 'orders', capacityBytes: 256, codec: 'value' });
      await control.ask(1, 'spawn', { name: 'book', program: 'note' });
      await control.ask(1, 'cursor', { name: 'reading', ring: 'orders', of: 0, task: 'book' });
      await control.ask('main', 'cursor', { name: 'writing', ring: 'orders', of: 0 });
      await fill(control, 'main', 'writing', 200);
      await until(async () => (await seen('book', 1)).length === 200, 'all numbers');
      expect(await seen('book', 1)).toEqual(numbers(200));
      expect((await control.ask(1, 'show', { name: 'reading' })).details).toMatchObject({
        ring: 'orders', role: 'sub', records: 200,
      });
      expect((await control.ask('main', 'show', { name: 'writing' })).about).toBe('sends into ring "orders"');
    });
  });

  it('of structs or of bytes is made the same way', async () => {
    await withTown(async (control, seen) => {
      await control.ask(0, 'spawn', { name: 'book', program: 'note' });
      await control.ask(0, 'ring', { name: 'quotes', capacity: 8, codec: { struct: { price: 'f64', size: 'u32' } } });
      await control.ask(0, 'cursor', { name: 'r', ring: 'quotes', task: 'book' });
      await control.ask(0, 'cursor', { name: 'w', ring: 'quotes' });
      await control.ask(0, 'send', { cursor: 'w', message: { price: 1.5, size: 7 } });
      await control.ask(0, 'ring', { name: 'bytes', capacityBytes: 256 });
      await control.ask(0, 'cursor', { name: 'br', ring: 'bytes', task: 'book' });
      await control.ask(0, 'cursor', { name: 'bw', ring: 'bytes' });
      await control.ask(0, 'send', { cursor: 'bw', message: new Uint8Array([1, 2]) });
      await until(async () => (await seen('book', 0)).length === 2, 'both records');
      expect(await seen('book', 0)).toEqual(expect.arrayContaining([{ price: 1.5, size: 7 }, new Uint8Array([1, 2])]));
    });
  });

  it('that is full says so, and whoever feeds a task is no end to send to', async () => {
    await withTown(async (control) => {
      await control.ask(0, 'ring', { name: 'full', capacity: 2, codec: { struct: { n: 'u32' } } });
      await control.ask(0, 'cursor', { name: 'w', ring: 'full' });
      const codes = [];
      for (let n = 0; n < 3; n++) codes.push((await control.ask(0, 'send', { cursor: 'w', message: { n } })).code);
      expect(codes).toEqual([0, 0, BACK_PRESSURED]);
      await control.ask(0, 'spawn', { name: 'book', program: 'note' });
      await control.ask(0, 'cursor', { name: 'r', ring: 'full', task: 'book' });
      const error = await errorOf(() => control.ask(0, 'send', { cursor: 'r', message: { n: 1 } }));
      expect(error).toMatchObject({ argument: 'send.cursor' });
      const taken = await errorOf(() => control.ask(0, 'cursor', { name: 'r2', ring: 'full', task: 'book' }));
      expect(taken).toMatchObject({ code: 'ERR_PERCORE_NO_PLACE' });
    });
  });

  it('and its cursors are closed: a place goes to another, and a ring that has ended is read out', async () => {
    await withTown(async (control, seen) => {
      await control.ask(0, 'ring', { name: 'orders', capacityBytes: 1024, codec: 'value' });
      await control.ask(0, 'spawn', { name: 'book', program: 'note' });
      await control.ask(0, 'cursor', { name: 'w', ring: 'orders' });
      await fill(control, 0, 'w', 3);
      expect(await errorOf(() => control.ask(1, 'cursor', { name: 'w', ring: 'orders', of: 0 }))).toMatchObject({
        code: 'ERR_PERCORE_NO_PLACE',
      });
      expect(await control.ask(0, 'close', { name: 'w' })).toEqual({ name: 'w' });
      await control.ask(1, 'cursor', { name: 'w', ring: 'orders', of: 0 });
      await control.ask(1, 'send', { cursor: 'w', message: 3 });
      await control.ask(0, 'split', { name: 's', from: 'orders', percent: [100], to: [{ task: 'book' }] });
      await until(async () => (await seen('book', 0)).length === 4, 'what both have sent');
      await control.ask(0, 'close', { name: 's' });
      await control.ask(1, 'send', { cursor: 'w', message: 4 });
      await control.ask(0, 'close', { name: 'orders' });
      await until(async () => (await control.ask(1, 'send', { cursor: 'w', message: 5 })).code === CLOSED, 'its end');
      expect((await control.ask(0, 'list', {})).map(({ name }) => name)).toEqual(['reactor 0', 'note', 'book']);
      expect(await seen('book', 0)).toEqual([0, 1, 2, 3]);
      expect(await errorOf(() => control.ask(0, 'close', { name: 'book' }))).toMatchObject({ argument: 'close.name' });
      expect(await errorOf(() => control.ask(0, 'close', { name: 'orders' }))).toMatchObject({
        code: 'ERR_PERCORE_UNKNOWN_NAME',
      });
    });
  });

  it('that is not there is named by the party that was said to have it', async () => {
    await withTown(async (control) => {
      const error = await errorOf(() => control.ask(0, 'cursor', { name: 'c', ring: 'none', of: 1 }));
      expect(error).toMatchObject({ code: 'ERR_PERCORE_UNKNOWN_NAME', value: 'none' });
    });
  });
});

describe('a split', () => {
  it('deals shares of a ring to tasks of several reactors', async () => {
    await withTown(async (control, seen) => {
      for (const [reactor, name] of [[0, 'a'], [1, 'b'], [1, 'c']] as const) {
        await control.ask(reactor, 'spawn', { name, program: 'note' });
      }
      await control.ask(0, 'ring', { name: 'in', capacityBytes: 512, codec: 'value' });
      await control.ask(0, 'split', {
        name: 'split', from: 'in', percent: [50, 30, 20],
        to: [{ task: 'a' }, { task: 'b', reactor: 1 }, { task: 'c', reactor: 1, priority: 6 }],
      });
      await control.ask(1, 'cursor', { name: 'w', ring: 'in', of: 0 });
      await fill(control, 1, 'w', 200);
      const all = async (): Promise<unknown[][]> => [await seen('a', 0), await seen('b', 1), await seen('c', 1)];
      await until(async () => (await all()).flat().length === 200, 'all numbers');
      const got = await all();
      expect(got.map(({ length }) => length)).toEqual([100, 60, 40]);
      expect(got.flat().toSorted((x, y) => Number(x) - Number(y))).toEqual(numbers(200));
      for (const each of got) expect(each).toEqual(each.toSorted((x, y) => Number(x) - Number(y)));
      const { details } = await control.ask(0, 'show', { name: 'split' });
      expect(details['targets']).toMatchObject([{ sent: 100 }, { sent: 60 }, { sent: 40 }]);
    });
  });

  it('copies a ring to each, into other rings as well', async () => {
    await withTown(async (control, seen) => {
      await control.ask(0, 'ring', { name: 'in', capacityBytes: 512, codec: 'value' });
      await control.ask(1, 'ring', { name: 'out', capacityBytes: 256, codec: 'value' });
      await control.ask(0, 'cursor', { name: 'into out', ring: 'out', of: 1 });
      await control.ask(0, 'spawn', { name: 'a', program: 'note' });
      await control.ask(1, 'spawn', { name: 'b', program: 'note' });
      await control.ask(1, 'cursor', { name: 'from out', ring: 'out', task: 'b' });
      await control.ask(0, 'split', {
        name: 'split', from: 'in', to: [{ task: 'a' }, { cursor: 'into out' }], overlapped: true,
      });
      await control.ask(0, 'cursor', { name: 'w', ring: 'in' });
      await fill(control, 0, 'w', 100);
      await until(async () => (await seen('b', 1)).length === 100, 'all copies');
      expect(await seen('a', 0)).toEqual(numbers(100));
      expect(await seen('b', 1)).toEqual(numbers(100));
    });
  });
});
