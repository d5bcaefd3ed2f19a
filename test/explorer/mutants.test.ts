/**
 * Is the explorer worth its name? Each entry seeds one bug into the shipped text (or into the order of calls around
 * it), and the explorer must find it. The same scenarios without the seed are clean: see rings.test.ts and
 * unseeded-explorer.test.ts.
 */
import { afterAll, describe, expect, it } from 'vitest';
import { mutants } from './mutants.js';

/** The least that the explorer is worth: so many that no unit test finds, and so many of each of these kinds. */
const LEAST_ALONE = 30;
const LEAST_OF_A_KIND = 4;
const KINDS = ['order', 'wrap', 'full or empty', 'wake', 'lap', 'death'] as const;

const score = { found: 0, states: 0, most: 0, cpuMs: 0, kinds: new Map<string, number>() };

describe('a seeded bug is found', () => {
  for (const { kind, bug, shows, run } of mutants) {
    it(`${kind}: ${bug}`, () => {
      const before = process.cpuUsage();
      const { states, violations } = run();
      score.cpuMs += process.cpuUsage(before).user / 1000;
      expect(violations, 'the explorer found nothing wrong').toHaveLength(1);
      expect(`${violations[0].kind}: ${violations[0].message}`).toMatch(shows);
      score.found++;
      score.states += states;
      score.most = Math.max(score.most, states);
      score.kinds.set(violations[0].kind, (score.kinds.get(violations[0].kind) ?? 0) + 1);
    });
  }

  it('of which enough are found by nothing else', () => {
    const alone = mutants.filter((mutant) => mutant.alone === true);
    expect(new Set(alone.map(({ bug }) => bug)).size).toBe(alone.length);
    expect(alone.length).toBeGreaterThanOrEqual(LEAST_ALONE);
    for (const kind of KINDS)
      expect(alone.filter((mutant) => mutant.kind === kind).length, kind).toBeGreaterThanOrEqual(LEAST_OF_A_KIND);
  });

  afterAll(() => {
    const kinds = [...score.kinds].map(([kind, count]) => `${kind} ${count}`).join(', ');
    console.log(
      `mutants: ${score.found} of ${mutants.length} found (${kinds}); ${score.states} states in all, ${score.most} at `
        + `most; ${score.cpuMs.toFixed(0)} ms of CPU`,
    );
  });
});
