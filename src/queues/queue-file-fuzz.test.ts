/**
 * A queue's file with random words in random places, while its ends go on: each call answers a code or throws a
 * PercoreError, in the end; none hangs, and no process dies. 8,000 mutations in CI, 10^7 with `PERCORE_STRESS=1`, by
 * processes of 40,000 each (fixtures/queue-file-fuzzer.ts), as many at once as there are CPUs.
 */
import { spawn } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { availableParallelism, tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, expect, it } from 'vitest';
import type { Fuzzing } from './fixtures/queue-file-fuzzer.js';
import { isLong } from './fixtures/stress.js';

const scratch = mkdtempSync(join(existsSync('/dev/shm') ? '/dev/shm' : tmpdir(), 'percore-fuzz-'));
afterAll(() => rmSync(scratch, { recursive: true }));

const MUTATIONS = isLong ? 10_000_000 : 8_000;
const A_PROCESS = Math.min(MUTATIONS, 40_000);
/** Without a file done for so long it hangs: one takes some milliseconds. */
const HANGS_MS = 60_000;
const program = fileURLToPath(new URL('./fixtures/queue-file-fuzzer.js', import.meta.url));

/** What was thrown in one process, by its code. */
function fuzz(seed: number): Promise<Record<string, number>> {
  const folder = join(scratch, `${seed}`);
  mkdirSync(folder);
  const work: Fuzzing = { seed, mutations: A_PROCESS, folder };
  const child = spawn(process.execPath, [program, JSON.stringify(work)], { stdio: ['ignore', 'pipe', 'pipe'] });
  return new Promise((resolve, reject) => {
    let said = '';
    let complained = '';
    const give = (why: string): void => reject(new Error(`${why}: node ${program} '${JSON.stringify(work)}'`));
    let hangs: NodeJS.Timeout | undefined;
    const wait = (): void => {
      clearTimeout(hangs);
      hangs = setTimeout(() => {
        child.kill('SIGKILL');
        give(`it hangs after ${said.length} files`);
      }, HANGS_MS);
    };
    wait();
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      said += text;
      wait();
    });
    child.stderr.setEncoding('utf8').on('data', (text: string) => void (complained += text));
    child.once('close', (code, signal) => {
      clearTimeout(hangs);
      rmSync(folder, { recursive: true });
      if (code === 0) resolve(JSON.parse(said.slice(said.indexOf('\n'))) as Record<string, number>);
      else give(`it ended by ${signal ?? code} after ${said.length} files: ${complained}`);
    });
  });
}

it('throws what has a name, and goes on or ends, whatever is written over the file', async () => {
  const codes: Record<string, number> = {};
  const first = (Math.random() * 2 ** 30) | 0;
  let processes = 0;
  await Promise.all(Array.from({ length: isLong ? availableParallelism() : 1 }, async () => {
    while (processes * A_PROCESS < MUTATIONS) {
      for (const [code, count] of Object.entries(await fuzz(first + processes++)))
        codes[code] = (codes[code] ?? 0) + count;
    }
  }));
  if (isLong) console.log(`${processes * A_PROCESS} mutations: ${JSON.stringify(codes)}`);
  // Most of the words that are overwritten are not looked at again: of 8,000 mutations some ten are noticed.
  expect(codes.ERR_PERCORE_DAMAGED, JSON.stringify(codes)).toBeGreaterThan(0);
}, isLong ? 3_600_000 : 60_000);
