/**
 * Node's own work inside a saturated reactor: its band 1 is never empty and a peer floods it. The budget of a turn and
 * the return to libuv between turns are what keeps these alive. The figures are printed; the limit is the one the
 * project promises.
 */
import { describe, expect, it } from 'vitest';
import { inside, until, withRuntime } from './fixtures/inside.js';

const LIMIT_MS = 50;

for (const strategy of ['spin', 'adaptive'] as const) {
  describe(`in a saturated reactor (${strategy})`, () => {
    it(`a promise, setImmediate, fs.readFile and fetch end within ${LIMIT_MS} ms`, async () => {
      await withRuntime(2, { idle: { strategy } }, async (runtime) => {
        await inside(runtime, 0, (reactor, _argument, { state }) => {
          state['own'] = state['flood'] = 0;
          const busy = reactor.spawn<number>({ name: 'busy', priority: 1 }, () => {
            state['own']++;
            busy.send(0);
          });
          for (let i = 0; i < 64; i++) busy.send(i);
          reactor.spawnBytes({ name: 'flood', priority: 1 }, () => void state['flood']++);
        });
        await inside(runtime, 1, (reactor) => {
          const flood = reactor.address('flood', { reactor: 0, priority: 1 });
          const record = new Uint8Array(16);
          const send = (): void => {
            for (let i = 0; i < 1000 && flood.send(record) === 0; i++);
            setImmediate(send);
          };
          send();
        });
        const counts = () =>
          inside(
            runtime, 0, (_reactor, _argument, { state }) => [state['own'], state['flood']] as [number, number],
            undefined, { priority: 7 },
          );
        await until(async () => (await counts()).every((count) => count > 1000), 'saturated');
        const before = await counts();
        const times = await inside(runtime, 0, async (_reactor, _argument, { require }) => {
          const { readFile } = require('node:fs/promises') as typeof import('node:fs/promises');
          const http = require('node:http') as typeof import('node:http');
          const server = http.createServer((_request, response) => void response.end('hello'));
          await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
          const { port } = server.address() as import('node:net').AddressInfo;
          const work: Record<string, () => Promise<unknown>> = {
            promise: () => Promise.resolve(),
            setImmediate: () => new Promise((resolve) => setImmediate(resolve)),
            readFile: () => readFile('/proc/self/cmdline'),
            fetch: () => fetch(`http://127.0.0.1:${port}/`).then((response) => response.text()),
          };
          const result: Record<string, number[]> = {};
          for (const [name, run] of Object.entries(work)) {
            result[name] = [];
            for (let i = 0; i < 20; i++) {
              const from = performance.now();
              await run();
              result[name].push(performance.now() - from);
            }
          }
          server.close();
          server.closeAllConnections();
          return result;
        }, undefined, { priority: 7, timeoutMs: 30_000 });
        const after = await counts();
        expect(after[0], 'its own tasks ran meanwhile').toBeGreaterThan(before[0] + 1000);
        expect(after[1], 'the flood ran meanwhile').toBeGreaterThan(before[1] + 1000);
        const median = (list: number[]) => [...list].sort((a, b) => a - b)[list.length >> 1]!;
        const figures = Object.entries(times).map(
          ([name, list]) => `${name} ${median(list).toFixed(3)} (worst ${Math.max(...list).toFixed(1)})`,
        );
        console.log(`${strategy}, median of 20 in ms: ${figures.join(', ')}`);
        for (const [name, list] of Object.entries(times)) expect(median(list), name).toBeLessThan(LIMIT_MS);
      });
    });
  });
}
