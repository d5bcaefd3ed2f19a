import { describe, expect, it } from 'vitest';
import { PercoreError } from '../errors.js';
import { AgeingBands } from './ageing-bands.js';
import { Bands } from './bands.js';
import { checkDiscipline, makeDiscipline, type BuiltInOptions, type DisciplineChoice } from './choose.js';
import { EarliestDeadline } from './earliest-deadline.js';
import { LatencyGoals } from './latency-goals.js';
import { RoundRobin } from './round-robin.js';
import { ShuffledBands } from './shuffled-bands.js';
import { WeightedBands } from './weighted-bands.js';

const clock = { nowNs: () => 0, readyNs: () => 0 };
const made = (choice?: DisciplineChoice): unknown =>
  makeDiscipline(checkDiscipline(choice) as BuiltInOptions, clock).constructor;

describe('a discipline is chosen', () => {
  it('by its name, or with its numbers; the strict one where nothing is said', () => {
    expect([made(), made('strict'), made({ kind: 'strict', ageing: 100 }), made('roundRobin'), made('weighted')])
      .toEqual([Bands, Bands, AgeingBands, RoundRobin, WeightedBands]);
    expect([made('shares'), made('deadline'), made({ kind: 'shuffled', seed: -1 })])
      .toEqual([LatencyGoals, EarliestDeadline, ShuffledBands]);
  });

  it('with a number for some bands, and one for the others', () => {
    const discipline = makeDiscipline({ kind: 'weighted', weights: { 7: 3, others: 2 } }, clock);
    for (const band of [7, 1]) for (let i = 0; i < 20; i++) discipline.push({ band, isReady: true, run: () => false });
    expect(Array.from({ length: 10 }, () => discipline.select()!.band)).toEqual([7, 7, 7, 1, 1, 7, 7, 7, 1, 1]);
  });

  it('as it was when it was given, read once: inherited, by getters, and through a Proxy', () => {
    expect(made(Object.create({ kind: 'strict', ageing: 5 }) as DisciplineChoice)).toBe(AgeingBands);
    const answers = ['roundRobin', 'nothing that exists'];
    expect(made({ get kind() { return answers.shift(); } } as never)).toBe(RoundRobin);
    expect(made(new Proxy({ kind: 'weighted' as const, weights: new Proxy({ 7: 2 }, {}) }, {}))).toBe(WeightedBands);
    const options = checkDiscipline(new Proxy({ kind: 'weighted' as const, weights: { 7: 2 } }, {}));
    expect(structuredClone(options)).toEqual({ kind: 'weighted', weights: { 7: 2 } });
  });

  it('or refused with the argument, its value and what is allowed', () => {
    const said = (choice: unknown): string => {
      try {
        checkDiscipline(choice as DisciplineChoice);
      } catch (error) {
        expect(error).toBeInstanceOf(PercoreError);
        return (error as Error).message.replace(/^discipline\.(kind|module)/, '$1');
      }
      return 'taken';
    };
    expect([
      5, null, 'fair', 'shuffled', {}, { kind: 'fifo' }, { kind: 'strict', ageing: 0 }, { kind: 'strict', aging: 5 },
      { kind: 'weighted', weights: { 8: 1 } }, { kind: 'weighted', weights: { 7: 1.5 } },
      { kind: 'shares', shares: { others: 0 } }, { kind: 'shares', shares: { 1: NaN } },
      { kind: 'shares', goalsNs: { 6: -1 } },
      { kind: 'deadline', deadlinesNs: { 6: '5' } }, { kind: 'shuffled' }, { kind: 'own' },
      { kind: 'own', module: 'by-name' }, { kind: 'shares', debtNs: 1 }, { kind: 'roundRobin', weights: {} },
    ].map(said)).toMatchInlineSnapshot(`
      [
        "discipline must be an object with a kind, or a name such as 'strict', not 5",
        "discipline must be an object with a kind, or a name such as 'strict', not null",
        "discipline must be 'strict', 'roundRobin', 'weighted', 'shares' or 'deadline', not "fair"",
        "discipline must be 'strict', 'roundRobin', 'weighted', 'shares' or 'deadline', not "shuffled"",
        "kind must be 'strict', 'roundRobin', 'weighted', 'shares', 'deadline', 'shuffled' or 'own', not undefined",
        "kind must be 'strict', 'roundRobin', 'weighted', 'shares', 'deadline', 'shuffled' or 'own', not "fifo"",
        "discipline.ageing must be a whole number from 1 to 1073741824, not 0",
        "discipline has no option "aging"; did you mean "ageing"? It takes kind, ageing",
        "discipline.weights has no option "8". It takes 0, 1, 2, 3, 4, 5, 6, 7, others",
        "discipline.weights.7 must be a whole number from 1 to 1048576, not 1.5",
        "discipline.shares.others must be a number above 0, up to 1000000, not 0",
        "discipline.shares.1 must be a number above 0, up to 1000000, not NaN",
        "discipline.goalsNs.6 must be a number above 0, up to 1000000000000000, not -1",
        "discipline.deadlinesNs.6 must be a number from 0 to 1000000000000000, not "5"",
        "discipline.seed must be a whole number from -2147483648 to 4294967295, not undefined",
        "module must be a file URL such as new URL('./mine.js', import.meta.url), or an absolute path, not undefined",
        "module must be a file URL such as new URL('./mine.js', import.meta.url), or an absolute path, not "by-name"",
        "discipline.debtNs must be a whole number from 1000 to 1000000000000, not 1",
        "discipline has no option "weights". It takes kind",
      ]
    `);
  });
});
