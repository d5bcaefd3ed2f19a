/** `percore slo` against a runtime of this process, and records that nobody should have written. */
import { spawn } from 'node:child_process';
import { mkdtempSync, openSync, closeSync, readFileSync, rmSync, statSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { metricsOf, publishCounters, type CountersPage, type Runtime } from '../index.js';
import { pageAskLayout, pageLayout } from '../layout.js';
import { packAsk } from '../monitor/page-asks.js';
import { inside, remoteRuntime, until } from '../reactor/fixtures/inside.js';

const program = fileURLToPath(new URL('./main.js', import.meta.url));

describe('percore slo', () => {
  let folder: string;
  let runtime: Runtime;
  let page: CountersPage;
  const slo = (...args: string[]): Promise<[number | null, string]> => new Promise((resolve) => {
    const child = spawn(process.execPath, [program, 'slo', ...args, '--page', page.path]);
    let said = '';
    for (const stream of [child.stdout, child.stderr]) stream.on('data', (text: Buffer) => void (said += text));
    child.on('close', (code) => resolve([code, said]));
  });
  const boundOf = (name: string, reactor: number) => metricsOf(runtime).tasks.find((task) =>
    task.name === name && task.party === reactor)!.figures;

  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'percore-slo-'));
    runtime = await remoteRuntime(2, { metrics: { tasks: 16 } });
    for (const reactor of [0, 1]) {
      await inside(runtime, reactor, (here) => {
        const task = here.spawn({ name: 'orders', priority: 5 }, () => {
          const endNs = here.nowNs() + 3e6;
          while (here.nowNs() < endNs);
        });
        here.timers.every({ intervalNs: 2e7 }, () => void task.send(0));
      });
    }
    page = publishCounters(runtime, { path: join(folder, 'page'), everyMs: 20 });
    await until(() => metricsOf(runtime).tasks.filter(({ name }) => name === 'orders').length === 2, 'both are there');
  }, 30_000);
  afterAll(async () => {
    await runtime?.close({ drainMs: 1000 });
    rmSync(folder, { recursive: true, force: true });
  });

  it('sets bounds of a task, of a priority, of one reactor, and takes them back', async () => {
    expect(statSync(page.path).mode & 0o777).toBe(0o600);
    expect(await slo('--task', 'orders', '--reactor', '1', '--response', '1ms')).toEqual([0, '1 task\n']);
    expect([boundOf('orders', 1).response.boundNs, boundOf('orders', 0).response.boundNs]).toEqual([1e6, undefined]);
    await until(() => boundOf('orders', 1).response.violations > 0, 'it is broken');
    expect(await slo('--priority', '5', '--run', '2.5us', '--schedule-in', '1s')).toEqual([0, '2 tasks\n']);
    expect([boundOf('orders', 0).run.boundNs, boundOf('orders', 0).scheduleIn.boundNs]).toEqual([2500, 1e9]);
    expect(boundOf('orders', 1).response.boundNs).toBe(1e6);
    expect(await slo('--task', 'orders', '--response', '0')).toEqual([0, '2 tasks\n']);
    expect(boundOf('orders', 1).response.boundNs).toBeUndefined();
    expect(await slo('--task', 'none', '--run', '1ms')).toEqual(
      [1, '0 tasks\npercore slo: there is no such task; there is orders\n']);
  }, 60_000);

  it('answers all of several that ask at one time', async () => {
    const all = await Promise.all([1, 2, 3, 4].map((ms) => slo('--task', 'orders', '--relief', `${ms}ms`)));
    expect(all).toEqual(Array.from({ length: 4 }, () => [0, '2 tasks\n']));
  }, 60_000);

  it('does not take what is torn or out of range', async () => {
    const head = readFileSync(page.path);
    const at = head.readInt32LE(pageLayout.fields.asksAt.at);
    const before = boundOf('orders', 0).run.boundNs;
    const answered = head.readDoubleLE(pageLayout.fields.answeredId.at);
    const bad = [
      packAsk(77, { task: 'orders', band: undefined, reactor: undefined, boundsNs: [-1, -1, -1, 2 ** 41] }),
      packAsk(78, { task: 'orders', band: undefined, reactor: undefined, boundsNs: [-1, -1, -1, NaN] }),
      packAsk(79, { task: 'orders', band: undefined, reactor: undefined, boundsNs: [-1, -1, -1, 5] }),
      Buffer.alloc(pageAskLayout.bytes, 0xff),
    ];
    bad[2]![pageAskLayout.fields.name.at]! ^= 1;
    const fd = openSync(page.path, 'r+');
    for (const record of bad) {
      writeSync(fd, record, 0, record.length, at);
      page.publish();
      expect(readFileSync(page.path).readDoubleLE(pageLayout.fields.answeredId.at)).toBe(answered);
    }
    closeSync(fd);
    expect(boundOf('orders', 0).run.boundNs).toBe(before);
  });

  it('says what was typed wrongly', async () => {
    for (const args of [
      [], ['--task', 'a'], ['--task', 'a', '--run', '5'], ['--task', 'a', '--priority', '1', '--run', '1ms'],
      ['--priority', '8', '--run', '1ms'], ['--task', 'orders', '--reactor', '3', '--run', '1ms'],
    ]) expect((await slo(...args))[0], args.join(' ')).toBe(2);
  }, 60_000);
});
