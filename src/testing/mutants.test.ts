/**
 * Is the explorer worth its name? Each entry seeds one bug into the shipped text (or into the order of calls around it), and
 * the explorer must find it. The same scenarios without the seed are clean: see explorer.test.ts.
 */
import { afterAll, describe, expect, it } from 'vitest';
import { mutants } from './fixtures/mutants.js';

const score = { found: 0, states: 0, most: 0, kinds: new Map<string, number>() };

describe('a seeded bug is found', () => {
  for (const { kind, bug, shows, run } of mutants) {
    it(`${kind}: ${bug}`, () => {
      const { states, violations } = run();
      expect(violations, 'the explorer found nothing wrong').toHaveLength(1);
      expect(`${violations[0].kind}: ${violations[0].message}`).toMatch(shows);
      score.found++;
      score.states += states;
      score.most = Math.max(score.most, states);
      score.kinds.set(violations[0].kind, (score.kinds.get(violations[0].kind) ?? 0) + 1);
    });
  }

  afterAll(() => {
    const kinds = [...score.kinds].map(([kind, count]) => `${kind} ${count}`).join(', ');
    console.log(`mutants: ${score.found} of ${mutants.length} found (${kinds}); ${score.states} states in all, ${score.most} at most`);
  });
});
