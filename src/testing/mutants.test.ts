/**
 * Is the explorer worth its name? Each entry seeds one bug into the shipped text (or into the order of calls around it), and
 * the explorer must find it. The same scenarios without the seed are clean: see explorer.test.ts.
 */
import { afterAll, describe, expect, it } from 'vitest';
import type { Report } from './explorer.js';
import { fixedRing, type FixedScenario } from './fixed-scenarios.js';
import { parkHandshake, roomHandshake, type ParkScenario } from './park-scenarios.js';
import { variableRing, type VariableScenario } from './variable-scenarios.js';
import type { Seed } from './world.js';

interface Mutant {
  kind: 'order' | 'wrap' | 'full or empty' | 'framing' | 'wake' | 'close' | 'death';
  bug: string;
  /** How it shows: the violation must say this. A mutant that is found for another reason proves nothing. */
  shows: RegExp;
  run: () => Report;
}

const RACE = /^race: .* are not ordered$/;
/** A published record does not hold what was sent, or a cursor stands inside one. */
const CORRUPT = /^invariant: .*(is published, unread, and|where no record ends)/;
const STUCK = /^stuck: .* can never go on$/;

const queue = (from: string, to: string): Seed[] => [{ file: 'spsc-queue.js', from, to }];
const framing = (from: string, to: string): Seed[] => [{ file: 'record.js', from, to }];
const parking = (from: string, to: string): Seed[] => [{ file: 'parking.js', from, to }];

const fixed = (seeds: Seed[], scenario: FixedScenario = {}) => (): Report => fixedRing({ ...scenario, seeds });
const variable = (seeds: Seed[], scenario: Partial<VariableScenario> = {}) => (): Report => variableRing({ lengths: [8, 0, 5, 8, 0, 3], ...scenario, seeds });
const parked = (scenario: ParkScenario) => (): Report => parkHandshake(scenario);
const room = (seeds: Seed[]) => (): Report => roomHandshake({ messages: 4, seeds });

const BEFORE_SIGNED = 2 ** 31 - 2;
const BEFORE_ZERO = 2 ** 32 - 2;

const mutants: Mutant[] = [
  {
    kind: 'order', bug: 'offer publishes before it has written the record',
    shows: CORRUPT,
    run: fixed(queue('const offset = this.offsetOf(at);\n        this.bytes.set(record, offset);', 'const offset = this.offsetOf(at);\n        this.commit(1); this.claimed = 1; this.next -= 1;\n        this.bytes.set(record, offset);'), { write: 'offer' }),
  },
  {
    kind: 'order', bug: 'commit publishes a variable record before its header is written',
    shows: CORRUPT,
    run: variable(queue('const header = DATA_WORDS + (at >> 2);\n        this.words[header] = length;', 'const header = DATA_WORDS + (at >> 2);\n        Atomics.store(this.words, PRODUCER_CURSOR, (this.next + this.skipped + framedBytes(length)) | 0);\n        this.words[header] = length;')),
  },
  {
    kind: 'order', bug: 'commit publishes a variable record before the padding in front of it is written',
    shows: CORRUPT,
    run: variable(queue('const padding = DATA_WORDS + (at >> 2);', 'const padding = DATA_WORDS + (at >> 2); Atomics.store(this.words, PRODUCER_CURSOR, (this.next + this.skipped) | 0);')),
  },
  {
    kind: 'order', bug: 'flush publishes with a plain store',
    shows: RACE,
    run: fixed(queue('Atomics.store(this.words, PRODUCER_CURSOR, this.next);', 'this.words[PRODUCER_CURSOR] = this.next;')),
  },
  {
    kind: 'order', bug: 'the consumer looks at the producer\'s cursor with a plain load',
    shows: RACE,
    run: fixed(queue('if (Atomics.load(this.words, IS_CLOSED) === 0)\n            return EMPTY;', 'this.cachedProducerCursor = this.words[PRODUCER_CURSOR];\n        if (Atomics.load(this.words, IS_CLOSED) === 0)\n            return EMPTY;')),
  },
  {
    kind: 'order', bug: 'poll releases a fixed record before it has copied it',
    shows: RACE,
    run: fixed(queue('const copy = this.bytes.slice(offset, offset + this.recordBytes);\n        this.release();', 'this.release();\n        const copy = this.bytes.slice(offset, offset + this.recordBytes);'), { read: 'poll' }),
  },
  {
    kind: 'order', bug: 'drain releases each fixed record before its handler has read it',
    shows: RACE,
    run: fixed(queue('handler(this.view, offset, this.recordBytes);', 'this.publishRelease();\n            handler(this.view, offset, this.recordBytes);')),
  },
  {
    kind: 'order', bug: 'poll releases a variable record before it has copied it',
    shows: RACE,
    run: variable(queue('const copy = this.bytes.slice(offset, offset + this.length);\n        this.advance();\n        this.publishRelease();', 'this.advance();\n        this.publishRelease();\n        const copy = this.bytes.slice(offset, offset + this.length);'), { read: 'poll' }),
  },
  {
    kind: 'order', bug: 'the cursor of the consumer is released as far as it is published, not as far as it is read',
    shows: RACE,
    run: fixed(queue('Atomics.store(this.words, CONSUMER_CURSOR, this.next);', 'Atomics.store(this.words, CONSUMER_CURSOR, this.cachedProducerCursor);'), { limit: 1 }),
  },
  {
    kind: 'wrap', bug: 'the producer compares sequences signed, without the wrap',
    shows: CORRUPT,
    run: fixed(queue('if (((this.next + needed - this.cachedConsumerCursor) | 0) <= this.capacity)\n            return OK;\n        // spsc.free', 'if (this.next + needed - this.cachedConsumerCursor <= this.capacity)\n            return OK;\n        // spsc.free'), { start: BEFORE_SIGNED }),
  },
  {
    kind: 'wrap', bug: 'the consumer counts what is ready without the wrap',
    shows: /^error: consumer made 1000 calls/,
    run: fixed(queue('const ready = (this.cachedProducerCursor - this.next) | 0;\n        const count', 'const ready = this.cachedProducerCursor - this.next;\n        const count'), { start: BEFORE_SIGNED }),
  },
  {
    kind: 'wrap', bug: 'the consumer\'s own sequence does not wrap',
    shows: STUCK,
    run: fixed(queue('this.next = (this.next + 1) | 0;', 'this.next = this.next + 1;'), { start: BEFORE_SIGNED }),
  },
  {
    kind: 'wrap', bug: 'the consumer is empty when its sequence is not below the producer\'s',
    shows: STUCK,
    run: fixed([
      ...queue('available() {\n        if (this.next !== this.cachedProducerCursor)', 'available() {\n        if (this.next < this.cachedProducerCursor)'),
      ...queue('if (this.next !== this.cachedProducerCursor)\n            return OK;\n        // spsc.close', 'if (this.next < this.cachedProducerCursor)\n            return OK;\n        // spsc.close'),
    ], { start: BEFORE_SIGNED }),
  },
  {
    kind: 'wrap', bug: 'the index is the remainder of a signed sequence',
    shows: STUCK,
    run: fixed(queue('this.claimed = count;\n        return this.next & this.mask;', 'this.claimed = count;\n        return this.next % this.capacity;'), { start: BEFORE_ZERO }),
  },
  {
    kind: 'wrap', bug: 'the place of a variable record is the remainder of a signed sequence',
    shows: CORRUPT,
    run: variable(queue('const needed = framedBytes(length);\n        const at = this.next & this.mask;', 'const needed = framedBytes(length);\n        const at = this.next % this.capacity;'), { start: 2 ** 32 - 8 }),
  },
  {
    kind: 'full or empty', bug: 'full is checked off by one',
    shows: CORRUPT,
    run: fixed(queue('if (((this.next + needed - this.cachedConsumerCursor) | 0) <= this.capacity)\n            return OK;\n        // spsc.free', 'if (((this.next + needed - this.cachedConsumerCursor) | 0) <= this.capacity + 1)\n            return OK;\n        // spsc.free')),
  },
  {
    kind: 'full or empty', bug: 'full is checked one too early, so that a claim of the whole ring never succeeds',
    shows: STUCK,
    run: fixed([
      ...queue('<= this.capacity)\n            return OK;\n        // spsc.free', '< this.capacity)\n            return OK;\n        // spsc.free'),
      ...queue('<= this.capacity)\n            return OK;\n        // spsc.abandon', '< this.capacity)\n            return OK;\n        // spsc.abandon'),
    ], { batch: 2 }),
  },
  {
    kind: 'full or empty', bug: 'the room for a batch is checked as if it were one record',
    shows: CORRUPT,
    run: fixed(queue('const room = this.room(count);', 'const room = this.room(1);'), { batch: 2, limit: 1 }),
  },
  {
    kind: 'full or empty', bug: 'the producer never looks at the consumer\'s cursor again',
    shows: STUCK,
    run: fixed(queue('this.cachedConsumerCursor = Atomics.load(this.words, CONSUMER_CURSOR);\n        if (', 'if (')),
  },
  {
    kind: 'full or empty', bug: 'drain takes as many as its limit says, ready or not',
    shows: RACE,
    run: fixed(queue('const ready = (this.cachedProducerCursor - this.next) | 0;\n        const count = ready < limit ? ready : Math.max(limit, 0);', 'const count = limit;')),
  },
  {
    kind: 'full or empty', bug: 'the last record of a lazy batch is never published',
    shows: STUCK,
    run: fixed(queue('this.unpublished += count;\n        if (this.unpublished >= this.publishEvery)', 'this.unpublished += count - 1;\n        if (this.unpublished >= this.publishEvery)'), { publishEvery: 2 }),
  },
  {
    kind: 'full or empty', bug: 'the consumer never releases',
    shows: STUCK,
    run: fixed(queue('Atomics.store(this.words, CONSUMER_CURSOR, this.next);', '')),
  },
  {
    kind: 'framing', bug: 'the padding says a length without its own header',
    shows: /^error: consumer made 500 accesses in one call: it loops/,
    run: variable(queue('this.words[padding] = this.skipped;', 'this.words[padding] = this.skipped - HEADER_BYTES;')),
  },
  {
    kind: 'framing', bug: 'the room of the padding is not counted',
    shows: CORRUPT,
    run: variable(queue('const room = this.room(needed + skipped);', 'const room = this.room(needed);'), { lengths: [0, 0, 0, 8] }),
  },
  {
    kind: 'framing', bug: 'the sequence does not move past the padding',
    shows: CORRUPT,
    run: variable(queue('this.next = (this.next + this.skipped + framedBytes(length)) | 0;', 'this.next = (this.next + framedBytes(length)) | 0;')),
  },
  {
    kind: 'framing', bug: 'the padding carries no mark',
    shows: /^error: received type 0/,
    run: variable(queue('this.words[padding + 1] = PADDING;', '')),
  },
  {
    kind: 'framing', bug: 'a record that ends at the ring\'s end is taken for one that does not fit',
    shows: CORRUPT,
    run: variable(queue('const skipped = needed <= toEnd ? 0 : toEnd;', 'const skipped = needed < toEnd ? 0 : toEnd;')),
  },
  {
    kind: 'framing', bug: 'a record takes no room for its header',
    shows: CORRUPT,
    run: variable(framing('(length + HEADER_BYTES + 7) & ~7', '(length + 7) & ~7')),
  },
  {
    kind: 'framing', bug: 'a record takes no room for its unaligned rest',
    shows: CORRUPT,
    run: variable(framing('(length + HEADER_BYTES + 7) & ~7', '(length + HEADER_BYTES) & ~7')),
  },
  {
    kind: 'wake', bug: 'the consumer looks for wishes before it has stored its cursor',
    shows: STUCK,
    run: fixed(queue('Atomics.store(this.words, CONSUMER_CURSOR, this.next);\n        // spsc.waits: look for a wish after the cursor is stored. Pairs with askForSpace().\n        if (Atomics.load(this.words, PRODUCER_WAITS) === 1) {', 'const waits = Atomics.load(this.words, PRODUCER_WAITS);\n        Atomics.store(this.words, CONSUMER_CURSOR, this.next);\n        if (waits === 1) {'), { asks: true }),
  },
  {
    kind: 'wake', bug: 'the consumer clears the wish after it has told the producer',
    shows: STUCK,
    run: fixed(queue('Atomics.store(this.words, PRODUCER_WAITS, 0);\n            if (this.onSpace !== null)\n                this.onSpace();', 'if (this.onSpace !== null)\n                this.onSpace();\n            Atomics.store(this.words, PRODUCER_WAITS, 0);'), { asks: true }),
  },
  {
    kind: 'wake', bug: 'the producer looks for room before it has stored its wish',
    shows: STUCK,
    run: fixed(queue('Atomics.store(this.words, PRODUCER_WAITS, 1);\n        if (this.room(needed) === BACK_PRESSURED)\n            return false;', 'const room = this.room(needed);\n        Atomics.store(this.words, PRODUCER_WAITS, 1);\n        if (room === BACK_PRESSURED)\n            return false;'), { asks: true }),
  },
  {
    kind: 'wake', bug: 'the producer does not look for room again after it has stored its wish',
    shows: STUCK,
    run: fixed(queue('if (this.room(needed) === BACK_PRESSURED)', 'if (needed > 0)'), { asks: true }),
  },
  {
    kind: 'wake', bug: 'askForRecord asks for padding where none is needed',
    shows: STUCK,
    run: variable(queue('return this.askForSpace(needed <= toEnd ? needed : needed + toEnd);', 'return this.askForSpace(needed + toEnd);'), { asks: true }),
  },
  {
    kind: 'wake', bug: 'the producer notifies before it publishes',
    shows: STUCK,
    run: parked({ producers: [2], notifiesFirst: true }),
  },
  {
    kind: 'wake', bug: 'the sleeper does not look again before it sleeps',
    shows: STUCK,
    run: parked({ producers: [2], forgetsToLook: true }),
  },
  {
    kind: 'wake', bug: 'notify swaps the flag and writes no eventfd',
    shows: STUCK,
    run: parked({ producers: [1, 1], seeds: parking('if (Atomics.compareExchange(party, ATTENTION, PARKED, AWAKE) === PARKED)\n            wake();\n        return;', 'Atomics.compareExchange(party, ATTENTION, PARKED, AWAKE);\n        return;') }),
  },
  {
    kind: 'wake', bug: 'notify lets the loser of the swap write the eventfd',
    shows: STUCK,
    run: parked({ producers: [2], seeds: parking('if (Atomics.compareExchange(party, ATTENTION, PARKED, AWAKE) === PARKED)\n            wake();\n        return;', 'if (Atomics.compareExchange(party, ATTENTION, PARKED, AWAKE) !== PARKED)\n            wake();\n        return;') }),
  },
  {
    kind: 'wake', bug: 'notify takes a sleeper for a party that runs something as urgent',
    shows: STUCK,
    run: parked({ producers: [2], seeds: parking('if (band <= attention)', 'if (band <= Math.abs(attention) + AWAKE)') }),
  },
  {
    kind: 'wake', bug: 'summon looks whether the party sleeps before it has stored its request',
    shows: STUCK,
    run: room(parking('Atomics.store(party, YIELD_REQUESTED, 1);\n    // park.attention: as in notify().\n    if (Atomics.load(party, ATTENTION) === PARKED', 'const attention = Atomics.load(party, ATTENTION);\n    Atomics.store(party, YIELD_REQUESTED, 1);\n    if (attention === PARKED')),
  },
  {
    kind: 'close', bug: 'CLOSED is answered without a second look for records',
    shows: /^error: CLOSED after 5 records of 6/,
    run: fixed(queue('this.cachedProducerCursor = Atomics.load(this.words, PRODUCER_CURSOR);\n        return this.next === this.cachedProducerCursor ? CLOSED : OK;', 'return CLOSED;'), { closes: true }),
  },
  {
    kind: 'close', bug: 'close comes before the last records are published',
    shows: /^error: CLOSED after 2 records of 3/,
    run: fixed(queue('this.flush();\n        // spsc.close: pairs with the load in available(); follows the last spsc.publish.\n        Atomics.store(this.words, IS_CLOSED, 1);', 'Atomics.store(this.words, IS_CLOSED, 1);\n        this.flush();'), { closes: true, publishEvery: 2, messages: 3 }),
  },
  {
    kind: 'close', bug: 'close forgets the records that are not published',
    shows: /^error: CLOSED after 2 records of 3/,
    run: fixed(queue('this.flush();\n        // spsc.close', '// spsc.close'), { closes: true, publishEvery: 2, messages: 3 }),
  },
  {
    kind: 'close', bug: 'a full ring that nobody reads any more says BACK_PRESSURED',
    shows: STUCK,
    run: fixed(queue('return Atomics.load(this.words, IS_ABANDONED) === 1 ? CLOSED : BACK_PRESSURED;', 'return BACK_PRESSURED;'), { abandonsAfter: 2 }),
  },
  {
    kind: 'death', bug: 'nobody wakes the sleeper of a dead waker',
    shows: /^end: at the end 1 records .* lie unread/,
    run: parked({ producers: [2], deathMeets: 'nobody' }),
  },
  {
    kind: 'death', bug: 'the sleeper of a dead waker is summoned, though its flag says AWAKE',
    shows: /^end: at the end 1 records .* lie unread/,
    run: parked({ producers: [1, 1], deathMeets: 'summon' }),
  },
  {
    kind: 'death', bug: 'the sequence is published when it is claimed, and written later: a hole',
    shows: CORRUPT,
    run: fixed(queue('this.claimed = count;\n        return this.next & this.mask;', 'this.claimed = count;\n        Atomics.store(this.words, PRODUCER_CURSOR, (this.next + count) | 0);\n        return this.next & this.mask;'), { dies: 'producer' }),
  },
];

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
