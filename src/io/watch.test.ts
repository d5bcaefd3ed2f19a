import {
  appendFileSync, closeSync, mkdirSync, mkdtempSync, openSync, renameSync, rmSync, writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { inside, remoteRuntime, sleep, until } from '../reactor/fixtures/inside.js';
import type { Runtime } from '../reactor/runtime.js';

describe.each(['epoll', 'io_uring'] as const)('on %s', (source) => {
  let runtime: Runtime;
  let folder: string;
  beforeAll(async () => {
    runtime = await remoteRuntime(1, { io: { source } });
  });
  afterAll(() => runtime.close());
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'percore-watch-'));
  });
  afterEach(async () => {
    await inside(runtime, 0, (reactor, _argument, { state }) => {
      for (const key of Object.keys(state)) delete state[key];
      reactor.io.closeAll();
    });
    rmSync(folder, { recursive: true, force: true });
  });

  /** Watches `path` in reactor 0 as state[name], with what it is told in state[name + 'Events']. */
  const watch = (path: string, options: Record<string, unknown> = {}, name = 'watch'): Promise<void> =>
    inside(
      runtime,
      0,
      (reactor, [at, given, key]: [string, Record<string, unknown>, string], { state }) => {
        state[`${key}Events`] = [];
        state[key] = reactor.io.watchPath(at, given, (event) => void state[`${key}Events`].push(event));
      },
      [path, options, name] as [string, Record<string, unknown>, string],
    );
  const events = (
    name = 'watch',
  ): Promise<{ kind: string; name: string; cookie: number; isDirectory: boolean; nameBytes: Uint8Array }[]> =>
    inside(runtime, 0, (_reactor, key: string, { state }) => state[`${key}Events`], name) as never;
  const told = async (name = 'watch'): Promise<string[]> =>
    (await events(name)).map((event) => `${event.kind}${event.isDirectory ? '/' : ''} ${event.name}`);

  describe('a watched folder', () => {
    it('tells what is made, written, renamed and deleted, in order', async () => {
      await watch(folder);
      writeFileSync(join(folder, 'a'), 'x');
      mkdirSync(join(folder, 'dir'));
      renameSync(join(folder, 'a'), join(folder, 'naïve €'));
      rmSync(join(folder, 'naïve €'));
      await until(async () => (await events()).length === 6, 'six events');
      expect(await told()).toEqual([
        'created a', 'closedAfterWrite a', 'created/ dir', 'movedFrom a', 'movedTo naïve €', 'deleted naïve €',
      ]);
      const [, , , from, to] = await events();
      expect(from!.cookie).toBe(to!.cookie);
      expect(from!.cookie).toBeGreaterThan(0);
    });

    it('tells only what was asked for, and gives a name that is not UTF-8 as bytes', async () => {
      await watch(folder, { events: ['created'], onlyDirectory: true });
      writeFileSync(Buffer.concat([Buffer.from(`${folder}/x`), Buffer.of(0xff)]), 'y');
      writeFileSync(join(folder, 'last'), '');
      await until(async () => (await events()).length === 2, 'two');
      expect(await told()).toEqual(['created x\ufffd', 'created last']);
      expect([...(await events())[0]!.nameBytes]).toEqual([120, 255]);
    });

    it('hears nothing after close, not even what was queued; the descriptor goes with the last watch', async () => {
      await watch(folder, {}, 'first');
      await watch(join(folder, '..'), { events: ['created'] }, 'second');
      expect(await inside(runtime, 0, (reactor) => reactor.io.status().endpoints)).toBe(1);
      const busy = inside(runtime, 0, (_reactor, _argument, { state }) => {
        const endMs = Date.now() + 60;
        while (Date.now() < endMs);
        state['first'].close();
      });
      await sleep(10);
      writeFileSync(join(folder, 'a'), '');
      await busy;
      await sleep(20);
      expect(await events('first')).toEqual([]);
      await inside(runtime, 0, (_reactor, _argument, { state }) => state['second'].close());
      expect(await inside(runtime, 0, (reactor) => reactor.io.status().endpoints)).toBe(0);
      // And a new one begins anew.
      await watch(folder, {}, 'third');
      writeFileSync(join(folder, 'b'), '');
      await until(async () => (await events('third')).length === 2, 'the new watch');
    });
  });

  describe('a watched file', () => {
    it('tells its deletion, then gone, and is closed', async () => {
      const file = join(folder, 'file');
      writeFileSync(file, '');
      await watch(file, { events: ['modified', 'deletedItself'] });
      appendFileSync(file, 'x');
      await until(async () => (await events()).length === 1, 'the change');
      rmSync(file);
      await until(async () => (await events()).length === 3, 'the end');
      expect(await told()).toEqual(['modified ', 'deletedItself ', 'gone ']);
      expect(
        await inside(runtime, 0, (reactor, _argument, { state }) => [
          state['watch'].isClosed, reactor.io.status().endpoints,
        ]),
      ).toEqual([true, 0]);
    });

    it('that is watched twice tells each watch what it asked for; closing one leaves the other', async () => {
      const file = join(folder, 'file');
      writeFileSync(file, '');
      await watch(file, { events: ['modified'] }, 'first');
      await watch(file, { events: ['attributes', 'closedAfterWrite'] }, 'second');
      appendFileSync(file, 'x');
      await until(async () => (await events('second')).length === 1, 'both');
      expect([await told('first'), await told('second')]).toEqual([['modified '], ['closedAfterWrite ']]);
      await inside(runtime, 0, (_reactor, _argument, { state }) => state['second'].close());
      appendFileSync(file, 'y');
      await until(async () => (await events('first')).length === 2, 'the other');
      expect(await events('second')).toHaveLength(1);
    });
  });

  describe('bad weather', () => {
    it('an overflow of the queue is told to every watch', async () => {
      const [one, two] = [join(folder, 'one'), join(folder, 'two')];
      mkdirSync(one);
      mkdirSync(two);
      await watch(one, { events: ['opened', 'closed'] }, 'first');
      await watch(two, {}, 'second');
      // More than max_queued_events (16,384) while nobody reads. Two files in turn, as equal events in a row merge.
      await inside(runtime, 0, (_reactor, path: string, { require }) => {
        const { closeSync: close, openSync: open, writeFileSync: make } = require('node:fs');
        const files = [`${path}/a`, `${path}/b`];
        for (const file of files) make(file, '');
        for (let i = 0; i < 10_000; i++) close(open(files[i % 2], 'r'));
      }, one);
      await until(async () => (await told('second')).includes('overflow '), 'the overflow');
      expect(
        await inside(
          runtime,
          0,
          (_reactor, _argument, { state }) =>
            state['firstEvents'].filter(({ kind }: { kind: string }) => kind === 'overflow').length,
        ),
      ).toBe(1);
      // It goes on.
      closeSync(openSync(join(two, 'c'), 'w'));
      await until(async () => (await told('second')).includes('created c'), 'what comes afterwards');
    });

    it('a handler that throws in the middle of a batch is told the rest', async () => {
      const errors: string[] = [];
      runtime.on('stepError', ({ error }) => void errors.push(error.message));
      await inside(
        runtime,
        0,
        (reactor, path: string, { state, require }) => {
          state['names'] = [];
          reactor.io.watchPath(path, { events: ['created'] }, (event) => {
            state['names'].push(event.name);
            if (event.name === 'b') throw new Error('on b');
          });
          for (const name of ['a', 'b', 'c']) require('node:fs').writeFileSync(`${path}/${name}`, '');
        },
        folder,
      );
      await until(
        async () =>
          (await inside(runtime, 0, (_reactor, _argument, { state }) => state['names'].length as number)) === 3,
        'three',
      );
      await until(() => errors.length === 1, 'the report');
      expect(errors).toEqual(['on b']);
    });

    it('a path that is not there, no folder, or wrong options are refused by name, and '
      + 'nothing stays open', async () => {
      writeFileSync(join(folder, 'file'), '');
      const messages = await inside(
        runtime,
        0,
        (reactor, path: string) =>
          (
            [
              [`${path}/none`, {}], [`${path}/file`, { onlyDirectory: true }], ['', {}], [path, { events: [] }],
              [path, { events: ['changed'] }], [path, { priority: 9 }],
            ] as [string, never][]
          ).map(([at, options]) => {
            try {
              reactor.io.watchPath(at, options, () => undefined);
              return 'accepted';
            } catch (error) {
              return (error as Error).message.replace(path, '');
            }
          }),
        folder,
      );
      expect(messages.map((message) => message.slice(0, 40))).toEqual([
        'cannot watch /none: ENOENT', 'cannot watch /file: ENOTDIR', 'path must be a path: text that is not em',
        'events must be an array with some of acc', "events must be 'accessed', 'modified', '",
        'priority must be a whole number from 0 t',
      ]);
      expect(await inside(runtime, 0, (reactor) => reactor.io.status().endpoints)).toBe(0);
    });
  });
});
