import { describe, expect, it } from 'vitest';
import { bucketMove } from './bucket-scenarios.js';

describe('a bucket that moves, in every order of the accesses', () => {
  it.each<[string, Parameters<typeof bucketMove>[0], number]>([
    ['one sender', { senders: [[1, 3]] }, 20],
    ['two senders', { senders: [[1, 2], [2, 2]] }, 100],
    ['the old owner itself sends as well, by its lane to itself', { senders: [[0, 1], [2, 2]] }, 50],
  ])('loses nothing: %s', (_name, scenario, states) => {
    const report = bucketMove(scenario);
    expect(report.violations).toEqual([]);
    expect(report.states).toBeGreaterThan(states);
  });

  it.each([
    [
      'the sender looks before it counts',
      {
        file: 'table.js',
        from: 'Atomics.store(this.sent, slot, this.sent[slot] + 1);',
        to: 'const seen = Atomics.load(this.words, WORD + slot); '
          + 'Atomics.store(this.sent, slot, this.sent[slot] + 1); return isMoving(seen) ? -1 : ownerIn(seen);',
      },
      /after the bucket went|lie with the old owner/,
    ],
    [
      'what was not sent stays counted',
      { file: 'table.js', from: 'Atomics.store(this.sent, slot, this.sent[slot] - 1);', to: '' },
      /never goes/,
    ],
  ])('a seeded bug is found: %s', (_name, seed, says) => {
    const { violations } = bucketMove({ senders: [[1, 2], [2, 1]], seeds: [seed] });
    expect(violations.map(({ message }) => message).join('\n')).toMatch(says);
  });
});
