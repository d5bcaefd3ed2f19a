/**
 * The shipped linked queue in every order of its accesses, with a floor of states each; then with bugs seeded into its
 * text, which these scenarios must find. `PERCORE_STRESS=1` adds the largest scenarios, and every start to every death.
 */
import { afterAll, describe, expect, it } from 'vitest';
import { linkedQueue, type LinkedScenario } from './linked-scenarios.js';

const isLong = process.env.PERCORE_STRESS === '1';
const TIMEOUT_MS = isLong ? 10 * 60_000 : 180_000;
/** From the last two, the sequence passes its wrap with the second record or the third. */
const STARTS = [0, 2 ** 31 - 24, 2 ** 32 - 24];
const LONG_STARTS = isLong ? STARTS : STARTS.slice(2);
/** Through chunks of 32 bytes: records that end where the last header must begin, and others that do not. */
const MIXED = [0, 8, 3, 8, 8];
const SHORT = [8, 0, 8, 8];
/** Each in a chunk of its own: three chunks, the last of them new. */
const LONE = [8, 8, 8];

interface Case extends LinkedScenario {
  name: string;
  /** Fewest states that a full search visits. */
  floor: number;
}

const scenarios: Record<string, Case[]> = {
  'delivers everything once and in order, through chunks that are used again': [
    ...LONG_STARTS.map((start): Case => ({
      name: `5 through 3 chunks, drained, from ${start}`, floor: 8000, start, lengths: MIXED,
    })),
    ...STARTS.flatMap((start): Case[] => [
      { name: `5 through 2 chunks, drained, from ${start}`, floor: 850, start, chunks: 2, lengths: MIXED },
      {
        name: `5 through 3 chunks, published by threes, offered, polled, from ${start}`, floor: 550, start,
        lengths: MIXED, publishEvery: 3, write: 'offer', read: 'poll',
      },
      {
        name: `5 through 3 chunks, published by twos, peeked, from ${start}`, floor: 550, start, lengths: MIXED,
        publishEvery: 2, read: 'peek',
      },
    ]),
    {
      name: '5 through 4 chunks of one record, drained by twos', floor: 26_000, chunks: 4, lengths: [8, 8, 8, 8, 8],
      start: 8, limit: 2,
    },
    { name: '5 where no chunk comes to the first two', floor: 1300, lengths: MIXED, noMemory: true },
    { name: 'until CLOSED, published by twos', floor: 1400, lengths: MIXED, publishEvery: 2, closes: true },
  ],
  'tells a producer that sleeps until there is room': [
    { name: 'in 2 chunks, drained', floor: 12_000, chunks: 2, lengths: SHORT, asks: true },
    {
      name: 'in 3 chunks, peeked, past 2^31', floor: 1200, start: 2 ** 31 - 24, lengths: SHORT, asks: true,
      read: 'peek',
    },
    {
      name: 'where no chunk comes to the first two', floor: 5200, lengths: SHORT, asks: true, noMemory: true,
      publishEvery: 2,
    },
  ],
  'goes on with a second producer, wherever the first one dies': [
    ...LONG_STARTS.map((start): Case => ({
      name: `one by one, from ${start}`, floor: 15_000, start, lengths: LONE, dies: 'producer', read: 'peek',
    })),
    { name: 'published by threes', floor: 12_000, lengths: SHORT, publishEvery: 3, dies: 'producer' },
    { name: 'in 2 chunks', floor: 7000, chunks: 2, lengths: SHORT, dies: 'producer', read: 'peek' },
  ],
  'goes on with a second consumer, wherever the first one dies': [
    {
      name: 'drained, published by twos, in 2 chunks', floor: 3800, start: 2 ** 32 - 24, chunks: 2, lengths: LONE,
      publishEvery: 2, dies: 'consumer',
    },
    ...(isLong ? STARTS : []).map((start): Case => ({
      name: `drained, published by twos, from ${start}`, floor: 30_000, start, lengths: LONE, publishEvery: 2,
      dies: 'consumer',
    })),
    {
      name: 'peeked, published by threes', floor: 3000, lengths: LONE, publishEvery: 3, read: 'peek', dies: 'consumer',
    },
    { name: 'polled, in 2 chunks', floor: 5000, chunks: 2, lengths: SHORT, read: 'poll', dies: 'consumer' },
  ],
};

const total = { scenarios: 0, states: 0 };

for (const [promise, cases] of Object.entries(scenarios)) {
  describe(`a linked queue ${promise}`, () => {
    for (const { name, floor, ...scenario } of cases) {
      it(name, { timeout: TIMEOUT_MS }, () => {
        const { states, terminalStates, violations, hops, mostAllocated } = linkedQueue(scenario);
        total.scenarios++;
        total.states += states;
        expect(violations.map(({ kind, message, schedule }) => `${kind}: ${message}\n${schedule.join('\n')}`)).toEqual(
          [],
        );
        expect(terminalStates).toBeGreaterThan(0);
        expect(hops, 'no chunk was ever followed by another').toBeGreaterThan(1);
        expect(mostAllocated).toBe(scenario.noMemory === true ? 2 : (scenario.chunks ?? 3));
        expect(states, 'the search was not complete').toBeGreaterThanOrEqual(floor);
      });
    }
  });
}

const CORRUPT = /^(error: received type|invariant: record \d+ is published, unread, and)/;
const LEAK = /^invariant: of \d chunks a successor finds/;
const STUCK = /^stuck: /;

interface Mutant extends LinkedScenario {
  bug: string;
  from: string;
  to: string;
  /** How it shows: the violation's kind and message. */
  shows: RegExp;
  lengths: readonly number[];
}

const mutants: Mutant[] = [
  {
    bug: 'the table is not written when a chunk follows another',
    from: 'this.memory.table[slotOf(this.memory, begin)] = this.following;', to: '',
    shows: CORRUPT, lengths: MIXED,
  },
  {
    bug: 'the table is written after the record behind the turn is published',
    from: 'this.memory.table[slotOf(this.memory, begin)] = this.following;',
    to: 'Atomics.store(this.words, 32, begin); this.memory.table[slotOf(this.memory, begin)] = this.following;',
    shows: /^(race|error|invariant): /, lengths: MIXED,
  },
  {
    bug: 'a chunk is taken back while the consumer stands in it',
    from: 'this.reclaim(cursor & ~this.mask);', to: 'this.reclaim((cursor + this.mask) & ~this.mask);',
    shows: /^(race|error|invariant): /, lengths: MIXED,
  },
  {
    bug: 'one chunk is handed out twice',
    from: 'this.free[--this.freeCount]', to: 'this.free[this.freeCount - 1]',
    shows: /^(race|error|invariant): /, lengths: MIXED,
  },
  {
    bug: 'no room is kept for the padding at the end of a chunk',
    from: 'return needed + HEADER_BYTES <= toEnd ? needed : needed + toEnd;',
    to: 'return needed <= toEnd ? needed : needed + toEnd;', shows: /^(stuck|error|invariant): /, lengths: MIXED,
  },
  {
    bug: 'chunks are not taken back across the wrap',
    from: '((end - this.oldest) | 0) > 0', to: 'end > this.oldest',
    shows: STUCK, lengths: MIXED, start: 2 ** 31 - 24, chunks: 2,
  },
  {
    bug: 'a successor takes the stretch behind the published one for used: a chunk leaks with each death',
    from: '((this.next - at) | 0) >= 0', to: '((this.next + this.mask - at) | 0) >= 0',
    shows: LEAK, lengths: MIXED,
  },
  {
    bug: 'a successor takes all chunks but the published one for free',
    from: 'this.oldest = Atomics.load(this.words, PLACE + CURSOR) & ~this.mask;',
    to: 'this.oldest = this.next & ~this.mask;', shows: LEAK, lengths: MIXED,
  },
  {
    bug: 'a chunk that was promised to one who asked for room is forgotten',
    from: ' || this.following !== NONE)\n            return OK;', to: ')\n            return OK;',
    shows: STUCK, lengths: SHORT, chunks: 2, asks: true,
  },
  {
    bug: 'the producer writes through views that end before the new chunk',
    from: 'reachAll(this, memory.buffer);\n        return allocated;', to: 'return allocated;',
    shows: /^error: /, lengths: MIXED,
  },
  {
    bug: 'the consumer reads through views that end before the new chunk',
    from: 'if (begin + memory.chunkBytes > this.bytes.length)\n            reachAll(this, memory.buffer);', to: '',
    shows: /^error: /, lengths: MIXED,
  },
];

describe('a bug seeded into the linked queue is found', () => {
  for (const { bug, from, to, shows, ...scenario } of mutants) {
    it(bug, () => {
      const { violations } = linkedQueue({ ...scenario, seeds: [{ file: 'linked-queue.js', from, to }] });
      expect(violations, 'the explorer found nothing wrong').toHaveLength(1);
      expect(`${violations[0].kind}: ${violations[0].message}`).toMatch(shows);
    });
  }
});

afterAll(() =>
  console.log(`linked: ${total.scenarios} scenarios, ${total.states} states; ${mutants.length} seeded bugs`),
);
