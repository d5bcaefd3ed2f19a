/** What createRuntime refuses, which entries it takes, and that a start that fails leaves nothing behind. */
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  descriptors, errorOf, fixture, inside, leftBehind, remoteEntry, remoteRuntime, sleep, startTimeoutMs, threads,
  until,
} from './fixtures/inside.js';
import { createRuntime, type RuntimeOptions } from './runtime.js';

const entry = remoteEntry;

describe('createRuntime', () => {
  // What Node and libuv keep open for good, the thread pool too, is open after the first runtime; its own turn ends a
  // pass of the loop after close().
  beforeAll(async () => {
    await (await remoteRuntime(1)).close();
    await sleep(50);
  });

  it('refuses wrong options with argument, value and what is allowed', async () => {
    const aUrl = "a file URL such as new URL('./reactor.js', import.meta.url), or an absolute path";
    const cases: [unknown, string][] = [
      [undefined, 'options must be an object with an entry, not undefined'],
      [{}, `entry must be ${aUrl}, not undefined`],
      [{ entry: './reactor.js' }, `entry must be ${aUrl}, not "./reactor.js"`],
      [{ entry: new URL('https://example.org/a.js') }, `entry must be ${aUrl}, not "https://example.org/a.js"`],
      [{ entry, reactors: 0 }, 'reactors must be a whole number from 1 to 255, not 0'],
      [{ entry, reactors: 256 }, 'reactors must be a whole number from 1 to 255, not 256'],
      [{ entry, reactors: 1.5 }, 'reactors must be a whole number from 1 to 255, not 1.5'],
      [{ entry, reactors: '2' }, 'reactors must be a whole number from 1 to 255, not "2"'],
      [
        { entry, reactors: 2, pin: [0] },
        "pin must be true, false, 'pack', 'spread', 'isolated', or a list of 2 CPU numbers, one a reactor, not "
          + '[object Array]',
      ],
      [{ entry, reactors: 1, pin: [-1] }, 'pin[0] must be a whole number from 0 to 8191, not -1'],
      [
        { entry, reactors: 1, pin: 'yes' },
        'pin must be \'pack\', \'spread\' or \'isolated\', not "yes"',
      ],
      [{ entry, laneBytes: 2048 }, 'laneBytes must be a power of two from 4096 to 67108864, not 2048'],
      [{ entry, laneBytes: 5000 }, 'laneBytes must be a power of two from 4096 to 67108864, not 5000'],
      [{ entry, laneBytes: '8192' as never }, 'laneBytes must be a power of two from 4096 to 67108864, not "8192"'],
      [{ entry, laneBytes: 2 ** 32 + 4096 }, 'laneBytes must be a power of two from 4096 to 67108864, not 4294971392'],
      [{ entry, laneBytes: 2 ** 27 }, 'laneBytes must be a power of two from 4096 to 67108864, not 134217728'],
      [
        { entry, idle: { strategy: 'doze' } },
        `idle.strategy must be 'spin', 'backoff', 'park', 'adaptive', not "doze"`,
      ],
      [{ entry, idle: { spinNs: -1 } }, 'idle.spinNs must be a whole number from 0 to 1000000000, not -1'],
      [
        { entry, idle: { ioIntervalNs: 10 } },
        'idle.ioIntervalNs must be a whole number from 1000 to 1000000000, not 10',
      ],
      [{ entry, budget: { quanta: 0 } }, 'budget.quanta must be a whole number from 1 to 1000000, not 0'],
      [
        { entry, budget: { timeNs: 1000.5 } },
        'budget.timeNs must be a whole number from 1000 to 1000000000, not 1000.5',
      ],
      [{ entry, publishEvery: { records: 0 } }, 'publishEvery.records must be a whole number from 1 to 1048576, not 0'],
      [
        { entry, publishEvery: { timeNs: NaN } },
        'publishEvery.timeNs must be a whole number from 1000 to 1000000000, not NaN',
      ],
    ];
    const before: [string[], number] = [descriptors(), threads()];
    for (const [options, message] of cases) {
      const error = await errorOf(() => createRuntime(options as RuntimeOptions));
      expect([error.message, error.code]).toEqual([message, 'ERR_PERCORE_INVALID_ARGUMENT']);
    }
    expect([descriptors(), threads()], 'nothing is left behind').toEqual(before);
  });

  it('leaves no descriptor and no thread behind when its data cannot be cloned', async () => {
    const before: [string[], number] = [descriptors(), threads()];
    expect((await errorOf(() => createRuntime({ entry, reactors: 2, data: { f: () => 1 } }))).message).toMatch(
      /could not be cloned/,
    );
    await until(() => leftBehind(before).length === 0, 'as before', 10_000);
  });

  it('takes an absolute path and a file URL as text', async () => {
    for (const form of [fileURLToPath(entry), entry.href]) {
      const runtime = await createRuntime({ entry: form, reactors: 1, startTimeoutMs });
      expect(await inside(runtime, 0, () => 'here')).toBe('here');
      await runtime.close();
    }
  });

  describe('with an entry', () => {
    const folder = mkdtempSync(join(tmpdir(), 'percore-entry-'));
    afterAll(() => rmSync(folder, { recursive: true }));
    const failed = async (options: RuntimeOptions) => {
      const before: [string[], number] = [descriptors(), threads()];
      const error = await errorOf(() => createRuntime({ startTimeoutMs, ...options }));
      expect(error.code).toBe('ERR_PERCORE_ENTRY');
      await until(() => leftBehind(before).length === 0, 'nothing is left behind', 10_000).catch(() =>
        expect(leftBehind(before)).toEqual([]),
      );
      return error as Error & { cause?: { name: string; message: string; code: string; stack: string } };
    };

    it('that is missing says which file', async () => {
      const path = join(folder, 'nowhere.js');
      expect((await failed({ entry: path })).message).toBe(`entry ${path} does not exist`);
    });

    it('that is missing and stands beside its TypeScript says to compile it', async () => {
      writeFileSync(join(folder, 'later.ts'), 'export default function start() {}');
      expect((await failed({ entry: pathToFileURL(join(folder, 'later.js')) })).message).toBe(
        `entry ${join(folder, 'later.js')} does not exist; there is a .ts file of that name: compile it first`,
      );
    });

    it('that is TypeScript runs where Node strips types, and says what to do where it does not', async () => {
      const path = join(folder, 'typed.ts');
      writeFileSync(
        path,
        'export default function start(reactor: { handle(name: string, f: () => number): void }): void { '
          + 'reactor.handle("one", () => 1); }',
      );
      if ((process.features as { typescript?: unknown }).typescript) {
        const runtime = await createRuntime({ entry: path, reactors: 1, startTimeoutMs });
        expect(await runtime.call('one', undefined)).toBe(1);
        await runtime.close();
      } else {
        expect((await failed({ entry: path })).message).toBe(
          `entry ${path} is TypeScript, which Node ${process.version} does not load: compile it and name the .js `
            + `file, or start node with --import tsx`,
        );
      }
    });

    it('without a default function says how to write one', async () => {
      const error = await failed({ entry: fixture('no-default'), reactors: 1 });
      expect(error.message).toBe(
        `reactor 0: ${fileURLToPath(fixture('no-default'))} failed: ${fixture('no-default').href} has no default `
          + `export that is a function; write "export default function start(reactor) { … }"`,
      );
    });

    it('that throws names the reactor and keeps what was thrown as the cause', async () => {
      const error = await failed({ entry: fixture('failing'), reactors: 2, data: { how: 'throw', reactor: 1 } });
      expect(error.message).toBe(`reactor 1: ${fileURLToPath(fixture('failing'))} failed: out of range`);
      expect([error.cause!.name, error.cause!.message, error.cause!.code]).toEqual([
        'RangeError', 'out of range', 'E_RANGE',
      ]);
      expect(error.cause!.stack).toContain('failing.');
    });

    it('that rejects later, or throws something that is no error, fails the same way', async () => {
      expect((await failed({ entry: fixture('failing'), reactors: 1, data: { how: 'reject' } })).cause!.name).toBe(
        'TypeError',
      );
      expect((await failed({ entry: fixture('failing'), reactors: 1, data: { how: 'string' } })).message).toMatch(
        /failed: only a text$/,
      );
    });

    it.each(['listen', 'listen, unheard'])('that finds its port taken says how reactors share one: %s', async (how) => {
      const taken = createServer().listen(0, '127.0.0.1');
      await once(taken, 'listening');
      const { port } = taken.address() as AddressInfo;
      const { message } = await failed({ entry: fixture('failing'), reactors: 1, data: { how, port } });
      taken.close();
      expect(message).toMatch(/EADDRINUSE.*they share a port by server\.listen\(\{ fd: reactor\.io\.listenFd/);
    });

    it('that ends its process says with which exit code', async () => {
      expect((await failed({ entry: fixture('failing'), reactors: 1, data: { how: 'exit' } })).message).toBe(
        'reactor 0 ended with exit code 7 while it started',
      );
    });

    it('with a syntax error, or an import that is missing, says so', async () => {
      const [broken, lost] = [join(folder, 'broken.mjs'), join(folder, 'lost.mjs')];
      writeFileSync(broken, 'export default function (');
      writeFileSync(lost, 'import "./not-there.js"; export default function () {}');
      expect((await failed({ entry: broken, reactors: 1 })).cause!.name).toBe('SyntaxError');
      expect((await failed({ entry: lost, reactors: 1 })).cause!.code).toBe('ERR_MODULE_NOT_FOUND');
    });

    it('hands the data over as a structured copy, shared memory shared', async () => {
      const path = join(folder, 'data.mjs');
      writeFileSync(
        path,
        'export default function (reactor, data) { Atomics.store(data.words, reactor.id, 7); reactor.handle("data", '
          + '() => [data.by.get("k"), data.when]); }',
      );
      const words = new Int32Array(new SharedArrayBuffer(8));
      const runtime = await createRuntime({
        entry: path, reactors: 2, startTimeoutMs, data: { words, by: new Map([['k', 1]]), when: new Date(5) },
      });
      expect([[...words], await runtime.call('data', undefined)]).toEqual([
        [7, 7], [1, new Date(5)],
      ]);
      await runtime.close();
    });
  });
});
