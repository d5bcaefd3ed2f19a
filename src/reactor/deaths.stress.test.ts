/** A reactor that dies under load and is started again: what becomes of each message, counted one by one. */
import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { fixture } from './fixtures/inside.js';

const isStress = process.env['PERCORE_STRESS'] === '1';
const TIMES = isStress ? 500 : 3;

interface Seen {
  readonly sent: number;
  readonly begunNever: number;
  readonly begunTwice: number;
  readonly offered: number;
  readonly accepted: number;
  readonly arrived: number;
  readonly lostUnpublished: number;
  readonly lostBegun: number;
  readonly deaths: number;
  readonly answered: number;
  readonly lateAnswers: number;
  readonly [figure: string]: unknown;
}

const kinds: [how: string, code: unknown, deathsEach: number][] = [
  ['terminate', 1, 1],
  ['exit', 3, 1],
  ['throw', 'RangeError', 1],
  ['rejection', 'TypeError', 1],
  ['stack', 'RangeError', 1],
  ['heap', 'ERR_WORKER_OUT_OF_MEMORY', 1],
  ['bad start', 1, 3],
  ['two at once', 1, 1],
];

describe(`a reactor that dies ${TIMES} times under load and is started again`, () => {
  for (const [how, code, deathsEach] of kinds) {
    const seed = isStress ? Math.floor(Math.random() * 2 ** 31) : 20261128;
    it(
      `by ${how}: every message is run once, or lost as counted; seed ${seed}`,
      { timeout: isStress ? 1_800_000 : 120_000 },
      () => {
        const { status, signal, stdout, stderr } = spawnSync(
          process.execPath, [fileURLToPath(fixture('deaths')), how, String(TIMES), String(seed)], { encoding: 'utf8' },
        );
        const shown = stderr.replace(/^.*(ExperimentalWarning|--trace-warnings).*\n/gm, '').slice(-2000);
        expect({ status, signal, shown }).toMatchObject({ status: 0, signal: null });
        const seen = JSON.parse(stdout) as Seen;
        const deaths = TIMES * deathsEach;
        expect(seen).toMatchObject({
          begunTwice: 0, arrivedTwice: 0, wrong: 0, drained: true, undelivered: 0, deaths, areGenerationsInOrder: true,
          restarts: TIMES, starts: deaths + 1,
          status: { generation: deaths, restarts: TIMES, lost: seen.lostUnpublished },
        });
        expect(seen['codes']).toContain(code);
        expect(seen.sent).toBeGreaterThan(TIMES * 50);
        // To the dead one: all but the record that was under way ran once.
        expect(seen.begunNever).toBeLessThanOrEqual(seen.lostBegun);
        expect(seen.lostBegun).toBeLessThanOrEqual(deaths);
        // From it: what it was told is accepted has arrived, or is counted. A send may end with the thread: each death
        // has at most one of which nobody knows whether it was accepted.
        expect(seen.accepted - seen.arrived).toBeLessThanOrEqual(seen.lostUnpublished);
        // A call that it had just made may be among the lost.
        expect(seen.lostUnpublished).toBeLessThanOrEqual(seen.offered - seen.arrived + deaths);
        expect(seen.offered - seen.accepted).toBeLessThanOrEqual(deaths);
        // Each death is told to each once.
        expect(seen['rejected']).toBe(deaths);
        // A peer that does not run between two deaths in a row hears of both at once, and had one call under way.
        expect(seen['peerRejected']).toBeLessThanOrEqual(deaths);
        expect(seen['peerRejected']).toBeGreaterThanOrEqual(TIMES);
        expect(seen.answered).toBeGreaterThan(0);
        expect(seen.lateAnswers, 'answers to calls of a dead one').toBeGreaterThan(0);
      },
    );
  }
});
