/**
 * Nothing that a user can call with anything ends otherwise than with a right result or an error of Percore's own: see
 * fuzzer.ts.
 *
 * A failure is tried again by its area and seed: `node dist/test/fuzz/child.js <area> <seed> <seconds> /tmp/log`.
 */
import { spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';

const isStress = process.env['PERCORE_STRESS'] !== undefined;
const SECONDS = isStress ? 120 : 1;
const SEEDS = isStress ? [1, 2, 3, 4, 5, 6, 7, 8] : [1];
/** Two at a time. */
const AREAS = [
  ['timers', 'queues'], ['io', 'runtime'], ['testing', 'party-main'], ['observe', 'realtime'], ['nats'],
] as const;
/** Without a line in the log for so long, a call stands still. */
const SILENCE_MS = 30_000;

interface Outcome {
  readonly calls: number;
  readonly failures: readonly string[];
}

function fuzz(area: string, seed: number): Promise<Outcome> {
  const folder = mkdtempSync(join(tmpdir(), 'percore-fuzz-'));
  const log = join(folder, 'calls');
  const child = spawn(
    process.execPath, [fileURLToPath(new URL('./child.js', import.meta.url)), area, String(seed), String(SECONDS), log],
    { cwd: folder, stdio: ['ignore', 'pipe', 'pipe'] },
  );
  let said = '';
  let stderr = '';
  let wasSilent = false;
  child.stdout.on('data', (text: Buffer) => (said += text.toString()));
  child.stderr.on('data', (text: Buffer) => (stderr += text.toString()));
  const watch = setInterval(() => {
    try {
      if (Date.now() - statSync(log).mtimeMs < SILENCE_MS) return;
    } catch {
      // Not begun yet.
      return;
    }
    wasSilent = true;
    child.kill('SIGKILL');
  }, 1000);
  return new Promise((resolve, reject) =>
    child.once('error', reject).once('close', (code, signal) => {
      clearInterval(watch);
      try {
        if (code === 0) {
          resolve(JSON.parse(said.trim().split('\n').at(-1)!) as Outcome);
          return;
        }
        const why = wasSilent ? `stood still for ${SILENCE_MS / 1000} s` : `ended by ${signal ?? `code ${code}`}`;
        resolve({
          calls: 0, failures: [`${why}; its last calls were\n${lastCalls(log).join('\n')}\n${stderr.slice(-2000)}`],
        });
      } finally {
        rmSync(folder, { recursive: true, force: true });
      }
    }),
  );
}

function lastCalls(log: string): string[] {
  const numbered = readFileSync(log, 'utf8')
    .split('\n')
    .filter((line) => /^\d+ /.test(line));
  return numbered.sort((a, b) => parseInt(a, 10) - parseInt(b, 10)).slice(-25);
}

describe('everything that is public', () => {
  for (const areas of AREAS) {
    for (const seed of SEEDS) {
      it(`takes anything: ${areas.join(' and ')}, seed ${seed}`, async () => {
        const outcomes = await Promise.all(areas.map((area) => fuzz(area, seed)));
        for (const [i, { calls, failures }] of outcomes.entries()) {
          expect(failures.join('\n'), `node dist/test/fuzz/child.js ${areas[i]} ${seed} ${SECONDS} /tmp/log`).toBe('');
          expect(calls).toBeGreaterThan(100);
        }
      }, (SECONDS + 120) * 1000);
    }
  }
});
