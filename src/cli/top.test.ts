/** `percore top` as users call it, beside a runtime that shows its counters. */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { prometheusText, publishCounters, setSlo, showQueue, type CountersPage, type Runtime } from '../index.js';
import type { PageSnapshot } from '../monitor/internal.js';
import { create, sub } from '../queues/index.js';
import { inside, remoteRuntime, until } from '../reactor/fixtures/inside.js';

const program = fileURLToPath(new URL('./main.js', import.meta.url));
const top = (...args: string[]): { status: number | null; stdout: string; stderr: string } =>
  spawnSync(process.execPath, [program, 'top', ...args], { encoding: 'utf8', timeout: 30_000 });

describe('a program that is watched from outside', () => {
  let folder: string;
  let runtime: Runtime;
  let page: CountersPage;

  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'percore-top-'));
    runtime = await remoteRuntime(1, { metrics: true });
    await inside(runtime, 0, (reactor) => {
      const task = reactor.spawn({ name: 'orders "of" today', priority: 5 }, () => {
        const endNs = reactor.nowNs() + 2e6;
        while (reactor.nowNs() < endNs);
      });
      for (let i = 0; i < 3; i++) task.send(i);
    });
    setSlo(runtime, { priority: 5 }, { responseNs: 5e9 });
    page = publishCounters(runtime, { path: join(folder, 'page') });
    await until(() => {
      const [figures] = JSON.parse(JSON.stringify(prometheusText(runtime).match(/response_seconds_count.*orders.*/g)));
      page.publish();
      return figures !== null && !String(figures).endsWith(' 0');
    }, 'it has run');
  }, 30_000);
  afterAll(async () => {
    await runtime?.close({ drainMs: 1000 });
    rmSync(folder, { recursive: true, force: true });
  });

  it('is shown as JSON, for scripts', () => {
    const { status, stdout, stderr } = top('--once', '--json', '--page', page.path);
    expect([status, stderr]).toEqual([0, '']);
    const { pid, parties, tasks } = JSON.parse(stdout) as PageSnapshot;
    expect([pid, parties.length]).toEqual([process.pid, 2]);
    const orders = tasks.find(({ name }) => name === 'orders "of" today')!;
    expect([orders.party, orders.priority, orders.steps, orders.figures.response.boundNs]).toEqual([0, 5, 3, 5e9]);
    expect(orders.figures.run.minNs).toBeGreaterThanOrEqual(2e6);
  });

  it('is shown as text of at most 100 columns', () => {
    const { status, stdout } = top('--once', '--page', page.path);
    expect(status).toBe(0);
    expect(stdout).toMatch(new RegExp(`^process ${process.pid}, as of \\d+ ms ago\n`));
    expect(stdout).toMatch(/^orders "of" today +0 5 .* 5000ms +0$/m);
    for (const name of ['class', 'lane', 'reactor']) expect(stdout).toMatch(new RegExp(`^${name} `, 'm'));
    expect(stdout.split('\n').filter((line) => line.length > 100)).toEqual([]);
  });

  it('is shown table by table, sorted and filtered', () => {
    const lanes = top('--once', '--table', 'lanes', '--sort', 'refused', '--page', page.path).stdout;
    expect(lanes).toMatch(/^main -> 0 +3 messages /m);
    expect(lanes).not.toContain('orders');
    const filtered = top('--once', '--table', 'classes', '--filter', 'BAND 5', '--page', page.path).stdout;
    expect(filtered).toMatch(/^band 5 +5 +1 /m);
    expect(filtered).not.toContain('band 3');
  });

  it('names the consumers of a queue, and no place that nobody has taken', () => {
    const queue = create({ kind: 'spsc', capacity: 64, recordBytes: 16 });
    showQueue(runtime, 'jobs', queue);
    const shown = (): string => {
      page.publish();
      return top('--once', '--table', 'queues', '--page', page.path).stdout;
    };
    expect(shown()).toMatch(/^jobs +spsc fixed [^\n]*\n\s*$/m);
    const consumer = sub(queue);
    expect(shown()).toMatch(/^jobs .*\n +0 reading, lag 0, wait$/m);
    consumer.close();
    showQueue(runtime, 'jobs', undefined);
  });

  it('is told where there is none, and what was typed wrongly', () => {
    expect(top('--once', '999999999')).toMatchObject({ status: 1, stderr: expect.stringContaining('publishCounters') });
    for (const args of [[], ['--once', 'x'], ['--once', '--table', 'x'], ['--once', '--sort', 'lag']])
      expect(top(...args).status).toBe(2);
    expect(top('--once', '--page', program)).toMatchObject({
      status: 1, stderr: expect.stringContaining('is not a counters page'),
    });
  });

  it('is exported as Prometheus reads it', () => {
    const text = prometheusText(runtime);
    const known = new Set<string>();
    for (const line of text.trimEnd().split('\n')) {
      if (line.startsWith('# TYPE ')) {
        const [, , name] = line.split(' ') as [string, string, string];
        expect(known.has(name), `${name} is declared once`).toBe(false);
        known.add(name);
      } else if (!line.startsWith('#')) {
        expect(line).toMatch(/^[a-z_]+\{[a-z]+="(?:[^"\\]|\\.)*"(?:,[a-z]+="(?:[^"\\]|\\.)*")*\} -?[\d.e+-]+$/);
        expect(known).toContain(/^[a-z_]+/.exec(line)![0].replace(/_seconds_(?:sum|count)$/, '_seconds'));
      }
    }
    expect(text).toMatch(/^percore_task_steps_total\{reactor="0",task="orders \\"of\\" today",band="5"\} 3$/m);
    expect(text).toMatch(/^percore_busy_seconds_total\{reactor="0"\} 0\.\d+/m);
    expect(text).toContain('percore_steps_total{reactor="main",band="7"} 0');
  });
});
