/**
 * Damaged streams in random pieces, against a slow reference: ten million, which take 40 to 60 s; parser.stress.test.ts
 * takes more.
 */
import { describe, expect, it } from 'vitest';
import { fuzzParser } from './fixtures/parser-fuzz.js';

const INPUTS = 10_000_000;

describe('the request parser', () => {
  it(`agrees with the reference on ${INPUTS} damaged streams`, () => {
    const seed = (Math.random() * 2 ** 31) | 0;
    const { commands, errors } = fuzzParser(INPUTS, seed);
    console.log(`parser fuzz: seed ${seed}, ${INPUTS} streams, ${commands} commands, ${errors} errors`);
    // Both outcomes are common, or nothing was compared.
    expect(commands).toBeGreaterThan(INPUTS / 2);
    expect(errors).toBeGreaterThan(INPUTS / 10);
  }, 300_000);
});
