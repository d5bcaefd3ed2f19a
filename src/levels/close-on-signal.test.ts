/** An app and an executor end at a signal as a runtime does, also with tasks that schedule themselves for ever. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, it } from 'vitest';

const folder = mkdtempSync(join(tmpdir(), 'percore-app-signal-'));
afterAll(() => rmSync(folder, { recursive: true }));
const here = (name: string): string => JSON.stringify(new URL(name, import.meta.url).href);

/** What a program says that runs `start()` of this code, and is sent SIGTERM. */
async function endOf(name: string, code: string) {
  const program = join(folder, `${name}.mjs`);
  writeFileSync(program, `
    import { isMainThread } from 'node:worker_threads';
    import { createExecutor, defineApp, implementApp, startApp } from ${here('./index.js')};
    import { closeOnSignal } from ${here('../reactor/index.js')};
    ${code}
    if (isMainThread) {
      closeOnSignal(await start(), { drainMs: 60_000, afterwards: (result) => console.log(JSON.stringify(result)) });
      setTimeout(() => process.kill(process.pid, 'SIGTERM'), 50);
    }`);
  const child = spawn(process.execPath, [program], { stdio: ['ignore', 'pipe', 'inherit'] });
  let said = '';
  child.stdout.on('data', (bytes: Buffer) => void (said += bytes.toString()));
  const [exitCode] = await once(child, 'close') as [number];
  return { exitCode, result: JSON.parse(said) as object };
}

const CLEAN = { drained: true, undelivered: 0, leftBehind: [], stillRunning: [] };

it('ends an app whose task schedules itself for ever, long before drainMs is over', async () => {
  const began = performance.now();
  expect(await endOf('app', `
    const app = defineApp({
      cores: [{}],
      tasks: { tick: { priority: 1, schedules: ['tick'] }, late: { priority: 2 } },
      main: { schedules: ['tick', 'late'] },
    });
    export default implementApp(app, {
      tasks: { tick({ schedule, scheduledNs }) { schedule('tick', scheduledNs + 1e6); }, late() {} },
    });
    async function start() {
      const running = await startApp(app, { entry: new URL(import.meta.url) });
      running.schedule('tick', running.nowNs());
      running.schedule('late', running.nowNs() + 3600e9);
      return running;
    }`)).toEqual({ exitCode: 0, result: { ...CLEAN, notRun: { late: 1 } } });
  expect(performance.now() - began).toBeLessThan(50_000);
});

it('ends an executor with its periodic work', async () => {
  expect(await endOf('executor', `
    export function work() {}
    async function start() {
      const executor = await createExecutor();
      await executor.every({ module: import.meta.url, export: 'work' }, { intervalNs: 1e6 });
      return executor;
    }`)).toEqual({ exitCode: 0, result: CLEAN });
});
