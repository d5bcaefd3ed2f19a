/** When a watch tells that there is something to read, on pipes instead of the kernel's buffers. */
import { spawnSync } from 'node:child_process';
import { closeSync, constants, mkdtempSync, openSync, readSync, rmSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, expect, it } from 'vitest';
import { until } from '../reactor/fixtures/inside.js';
import { PageWatch } from './kernel-trace.js';

const folder = mkdtempSync(join(tmpdir(), 'percore-watch-'));
afterAll(() => rmSync(folder, { recursive: true }));

function openFifo(name: string): number {
  const path = join(folder, name);
  expect(spawnSync('mkfifo', [path]).status).toBe(0);
  return openSync(path, constants.O_RDWR | constants.O_NONBLOCK);
}

it('tells once, is silent until it is armed, and then tells again of what is still there', async () => {
  const [one, other] = [openFifo('one'), openFifo('other')];
  let told = 0;
  const tells = (count: number): Promise<void> => until(() => told === count, `it has told ${count} times: ${told}`);
  const watch = new PageWatch([one, other], () => { told++; });
  const byte = Buffer.from('x');
  const silence = async (): Promise<number> => {
    const before = told;
    await sleep(50);
    return told - before;
  };
  expect(await silence()).toBe(0);
  writeSync(one, byte);
  await tells(1);
  writeSync(one, byte);
  expect(await silence()).toBe(0);
  // The other one has told nothing yet.
  writeSync(other, byte);
  await tells(2);
  watch.arm();
  await tells(3);
  for (const fd of [one, other]) readSync(fd, Buffer.alloc(8));
  watch.arm();
  expect(await silence()).toBe(0);
  writeSync(other, byte);
  await tells(4);
  watch.arm();
  watch.close();
  watch.close();
  writeSync(one, byte);
  expect(await silence()).toBe(0);
  for (const fd of [one, other]) closeSync(fd);
});

it('refuses what the kernel cannot wait for', () => {
  const fd = openSync('/proc/self/exe', 'r');
  expect(() => new PageWatch([fd], () => undefined)).toThrow(expect.objectContaining({
    code: 'ERR_PERCORE_SYSTEM', message: 'cannot wait for events of the scheduler: error 1',
  }));
  closeSync(fd);
});
