import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { fixture } from './fixtures/inside.js';

const isStress = process.env['PERCORE_STRESS'] === '1';
const CYCLES = isStress ? 500 : 10;
const BATCHES = isStress ? 4 : 1;

describe('a worker that is ended at a random moment, under traffic', () => {
  for (let batch = 1; batch <= BATCHES; batch++) {
    const seed = isStress ? Math.floor(Math.random() * 2 ** 31) : 7919 * batch;

    it(
      `${CYCLES} times, seed ${seed}: no crash, no descriptor and no thread left`,
      { timeout: isStress ? 900_000 : 120_000 },
      () => {
        const { status, signal, stdout, stderr } = spawnSync(
          process.execPath, [fileURLToPath(fixture('terminate')), String(CYCLES), String(seed)], { encoding: 'utf8' },
        );
        expect({ status, signal, stderr: stderr.slice(-2000) }, `seed ${seed}`).toEqual({
          status: 0, signal: null, stderr: '',
        });
        const { cycles, before, after } = JSON.parse(stdout) as { cycles: number; before: object; after: object };
        expect(cycles).toBe(CYCLES);
        expect(after, `seed ${seed}`).toEqual(before);
      },
    );
  }
});
