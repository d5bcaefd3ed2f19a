/**
 * The fuzz of parser.fuzz.test.ts with ten seeds of ten million streams. Long with `PERCORE_STRESS=1` only: it takes
 * minutes.
 */
import { describe, expect, it } from 'vitest';
import { fuzzParser } from './fixtures/parser-fuzz.js';

const isLong = process.env['PERCORE_STRESS'] === '1';
const ROUNDS = isLong ? 10 : 1;
const INPUTS = isLong ? 10_000_000 : 100_000;

describe('the request parser', () => {
  it(`agrees with the reference on ${ROUNDS * INPUTS} damaged streams`, () => {
    for (let round = 0; round < ROUNDS; round++) {
      const seed = (Math.random() * 2 ** 31) | 0;
      expect(fuzzParser(INPUTS, seed).inputs).toBe(INPUTS);
    }
  }, 3_600_000);
});
