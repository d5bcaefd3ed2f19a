/**
 * Damaged streams in random pieces, against a slow reference: 200,000 with a new seed each time; with
 * `PERCORE_STRESS=1` ten seeds of ten million. A failure names its seed.
 */
import { describe, expect, it } from 'vitest';
import { fuzzParser } from './fixtures/parser-fuzz.js';

const isLong = process.env['PERCORE_STRESS'] === '1';
const ROUNDS = isLong ? 10 : 1;
const INPUTS = isLong ? 10_000_000 : 200_000;

describe('the request parser', () => {
  it(`agrees with the reference on ${ROUNDS * INPUTS} damaged streams`, () => {
    for (let round = 0; round < ROUNDS; round++) {
      const seed = (Math.random() * 2 ** 31) | 0;
      const { commands, errors } = fuzzParser(INPUTS, seed);
      console.log(`parser fuzz: seed ${seed}, ${INPUTS} streams, ${commands} commands, ${errors} errors`);
      // Both outcomes are common, or nothing was compared.
      expect(commands).toBeGreaterThan(INPUTS / 2);
      expect(errors).toBeGreaterThan(INPUTS / 10);
    }
  }, isLong ? 3_600_000 : 300_000);
});
