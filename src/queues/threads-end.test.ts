/**
 * A process that is given no further thread (`ulimit -u`, pids.max of a container), where a thread sleeps for each
 * queue in a file that is waited for: those for which there is none are looked at, and all who wait are woken.
 */
import { spawnSync } from 'node:child_process';
import { chmodSync, copyFileSync, existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, expect } from 'vitest';
import { isRoot, where } from '../realtime/fixtures/privileges.js';
import { Sharer } from './fixtures/sharers.js';
import { OK, open, pub } from './index.js';

const QUEUES = 60;
const MOST_THREADS = 40;
/** The limit counts all threads of a user, and is none for root: so a user who has no others. */
const USER = 54_321;
const AS_USER = [`--reuid=${USER}`, `--regid=${USER}`, '--clear-groups'];
const index = new URL('./index.js', import.meta.url).href;
const scratch = mkdtempSync(join(existsSync('/dev/shm') ? '/dev/shm' : tmpdir(), 'percore-threads-'));
afterAll(() => rmSync(scratch, { recursive: true }));
/** Node, in a folder that others may read: an npx of root's is in none. */
const node = join(scratch, 'node');
const isReadable = isRoot && canRead();

function canRead(): boolean {
  chmodSync(scratch, 0o777);
  copyFileSync(process.execPath, node);
  return spawnSync('setpriv', [...AS_USER, 'env', node, '--check', fileURLToPath(index)]).status === 0;
}

where(isReadable)('wakes all who wait, and finds the dead, where it may have no thread more', async () => {
  const shared = join(scratch, 'shared');
  const waiting = Sharer.command('setpriv', [
    ...AS_USER, 'prlimit', `--nproc=${MOST_THREADS}`, node, '--input-type=module', '-e', `
    import { readFileSync } from 'node:fs';
    import { create, inspect, pub, sub } from ${JSON.stringify(index)};
    const made = Array.from({ length: ${QUEUES} }, (_, i) => create({
      kind: 'spsc', capacity: 8, recordBytes: 8, memory: { path: ${JSON.stringify(scratch)} + '/queue-' + i },
    }));
    const ready = made.map((queue) => sub(queue).ready());
    await new Promise((resolve) => setTimeout(resolve, 20));
    console.log('threads', /Threads:\\s+(\\d+)/.exec(readFileSync('/proc/self/status', 'utf8'))[1]);
    const full = create({
      kind: 'spmc', capacity: 8, recordBytes: 8, maxConsumers: 2, memory: { path: ${JSON.stringify(shared)} },
    });
    const [producer, own] = [pub(full), sub(full)];
    console.log('ready');
    const isShared = () => inspect(full).consumers.every(({ processId }) => processId !== undefined);
    while (!isShared()) await new Promise((then) => setTimeout(then, 5));
    while (producer.offer(new Uint8Array(8)) === 0) own.poll();
    const room = producer.room();
    console.log('full');
    console.log('room', await room);
    console.log('woken', (await Promise.all(ready)).filter((code) => code === 0).length);
    process.exit();`,
  ]);
  try {
    await waiting.says('ready');
    // Not all have a thread that sleeps for them.
    expect(Number(/threads (\d+)/.exec(waiting.output)![1])).toBeLessThan(QUEUES);
    const reader = Sharer.command('setpriv', [...AS_USER, node, '--input-type=module', '-e', `
      import { open, sub } from ${JSON.stringify(index)};
      sub(open({ kind: 'spmc', recordBytes: 8, memory: { path: ${JSON.stringify(shared)} } }));
      setInterval(() => {}, 1000);`]);
    // It reads nothing, which holds the producer back until it is found dead.
    await waiting.says('full');
    await reader.kill();
    await waiting.says('room 0');
    for (let i = 0; i < QUEUES; i++) {
      const memory = { path: join(scratch, `queue-${i}`), owner: USER };
      expect(pub(open({ kind: 'spsc', recordBytes: 8, memory })).offer(new Uint8Array(8))).toBe(OK);
    }
    expect(await waiting.end()).toContain(`woken ${QUEUES}`);
  } finally {
    waiting.child.kill('SIGKILL');
  }
});
