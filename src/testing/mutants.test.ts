/**
 * Is the explorer worth its name? Each entry seeds one bug into the shipped text (or into the order of calls around it), and
 * the explorer must find it. The same scenarios without the seed are clean: see explorer.test.ts.
 */
import { afterAll, describe, expect, it } from 'vitest';
import type { Report } from './explorer.js';
import { fixedRing, type FixedScenario } from './fixed-scenarios.js';
import { lossyRing, type LossyScenario } from './lossy-scenarios.js';
import { parkHandshake, roomHandshake, type ParkScenario } from './park-scenarios.js';
import { spmcRing, type SpmcScenario } from './spmc-scenarios.js';
import { variableRing, type VariableScenario } from './variable-scenarios.js';
import type { Seed } from './world.js';

interface Mutant {
  kind: 'order' | 'wrap' | 'full or empty' | 'framing' | 'wake' | 'close' | 'death' | 'lap' | 'join';
  bug: string;
  /** How it shows: the violation must say this. A mutant that is found for another reason proves nothing. */
  shows: RegExp;
  run: () => Report;
}

const RACE = /^race: .* are not ordered$/;
/** A published record does not hold what was sent, or a cursor stands inside one. */
const CORRUPT = /^invariant: .*(is published, unread, and|where no record ends)/;
const STUCK = /^stuck: .* can never go on$/;

const seeds = (file: string) => (from: string, to: string): Seed[] => [{ file, from, to }];
const producer = seeds('ring-producer.js');
const consumer = seeds('ring-consumer.js');
const fixedRecords = seeds('fixed-records.js');
const variableRecords = seeds('variable-records.js');
const framing = seeds('record.js');
const parking = seeds('parking.js');

const fixed = (seeds: Seed[], scenario: FixedScenario = {}) => (): Report => fixedRing({ ...scenario, seeds });
const variable = (seeds: Seed[], scenario: Partial<VariableScenario> = {}) => (): Report => variableRing({ lengths: [8, 0, 5, 8, 0, 3], ...scenario, seeds });
const lossyConsumer = seeds('lossy-consumer.js');
const places = seeds('places.js');
const lapped = (seeds: Seed[], scenario: LossyScenario = {}) => (): Report => lossyRing({ messages: 3, ...scenario, seeds });
const readers = (seeds: Seed[], scenario: Partial<SpmcScenario> = {}) => (): Report => spmcRing({ readers: [{}, {}], ...scenario, seeds });
const parked = (scenario: ParkScenario) => (): Report => parkHandshake(scenario);
const room = (seeds: Seed[]) => (): Report => roomHandshake({ messages: 4, seeds });

const BEFORE_SIGNED = 2 ** 31 - 2;
const BEFORE_ZERO = 2 ** 32 - 2;

const mutants: Mutant[] = [
  {
    kind: 'order', bug: 'offer publishes before it has written the record',
    shows: CORRUPT,
    run: fixed(fixedRecords('const offset = this.offsetOf(at);\n        this.bytes.set(record, offset);', 'const offset = this.offsetOf(at);\n        this.commit(1); this.claimed = 1; this.next -= 1;\n        this.bytes.set(record, offset);'), { write: 'offer' }),
  },
  {
    kind: 'order', bug: 'commit publishes a variable record before its header is written',
    shows: CORRUPT,
    run: variable(variableRecords('const header = this.dataWords + (at >> 2);\n        this.words[header] = length;', 'const header = this.dataWords + (at >> 2);\n        Atomics.store(this.words, 32, (this.next + this.skipped + framedBytes(length)) | 0);\n        this.words[header] = length;')),
  },
  {
    kind: 'order', bug: 'commit publishes a variable record before the padding in front of it is written',
    shows: CORRUPT,
    run: variable(variableRecords('const padding = this.dataWords + (at >> 2);', 'const padding = this.dataWords + (at >> 2); Atomics.store(this.words, 32, (this.next + this.skipped) | 0);')),
  },
  {
    kind: 'order', bug: 'flush publishes with a plain store',
    shows: RACE,
    run: fixed(producer('Atomics.store(this.words, PRODUCER_CURSOR, this.next);', 'this.words[PRODUCER_CURSOR] = this.next;')),
  },
  {
    kind: 'order', bug: 'the consumer looks at the producer\'s cursor with a plain load',
    shows: RACE,
    run: fixed(consumer('let seen = Atomics.load(words, PRODUCER_CURSOR);', 'let seen = words[PRODUCER_CURSOR];')),
  },
  {
    kind: 'order', bug: 'poll releases a fixed record before it has copied it',
    shows: RACE,
    run: fixed(fixedRecords('const copy = this.bytes.slice(offset, offset + this.recordBytes);\n        this.release();', 'this.release();\n        const copy = this.bytes.slice(offset, offset + this.recordBytes);'), { read: 'poll' }),
  },
  {
    kind: 'order', bug: 'drain releases each fixed record before its handler has read it',
    shows: RACE,
    run: fixed(fixedRecords('handler(this.view, offset, this.recordBytes, 1);', 'this.publishRelease();\n            handler(this.view, offset, this.recordBytes, 1);')),
  },
  {
    kind: 'order', bug: 'poll releases a variable record before it has copied it',
    shows: RACE,
    run: variable(variableRecords('const copy = this.bytes.slice(offset, offset + this.length);\n        this.advance();\n        this.publishRelease();', 'this.advance();\n        this.publishRelease();\n        const copy = this.bytes.slice(offset, offset + this.length);'), { read: 'poll' }),
  },
  {
    kind: 'order', bug: 'the cursor of the consumer is released as far as it is published, not as far as it is read',
    shows: RACE,
    run: fixed(consumer('Atomics.store(this.words, this.at + CURSOR, this.next);', 'Atomics.store(this.words, this.at + CURSOR, this.seen);'), { limit: 1 }),
  },
  {
    kind: 'wrap', bug: 'the producer compares sequences signed, without the wrap',
    shows: CORRUPT,
    run: fixed(producer('room(needed, records) {\n        if (((this.next + needed - this.gate) | 0) <= this.capacity)', 'room(needed, records) {\n        if (this.next + needed - this.gate <= this.capacity)'), { start: BEFORE_SIGNED }),
  },
  {
    kind: 'wrap', bug: 'the consumer counts what is ready without the wrap',
    shows: /^error: consumer made 1000 calls/,
    run: fixed(fixedRecords('const ready = (this.seen - this.next) | 0;\n        const count', 'const ready = this.seen - this.next;\n        const count'), { start: BEFORE_SIGNED }),
  },
  {
    kind: 'wrap', bug: 'the consumer\'s own sequence does not wrap',
    shows: STUCK,
    run: fixed(fixedRecords('this.next = (this.next + 1) | 0;', 'this.next = this.next + 1;'), { start: BEFORE_SIGNED }),
  },
  {
    kind: 'wrap', bug: 'the consumer is empty when its sequence is not below the producer\'s',
    shows: STUCK,
    run: fixed(consumer('if (this.next !== seen) {', 'if (this.next < seen) {'), { start: BEFORE_SIGNED }),
  },
  {
    kind: 'wrap', bug: 'the index is the remainder of a signed sequence',
    shows: STUCK,
    run: fixed(fixedRecords('this.claimed = count;\n        return this.next & this.mask;', 'this.claimed = count;\n        return this.next % this.capacity;'), { start: BEFORE_ZERO }),
  },
  {
    kind: 'wrap', bug: 'the place of a variable record is the remainder of a signed sequence',
    shows: CORRUPT,
    run: variable(variableRecords('const needed = framedBytes(length);\n        const at = this.next & this.mask;', 'const needed = framedBytes(length);\n        const at = this.next % this.capacity;'), { start: 2 ** 32 - 8 }),
  },
  {
    kind: 'full or empty', bug: 'full is checked off by one',
    shows: CORRUPT,
    run: fixed(producer('room(needed, records) {\n        if (((this.next + needed - this.gate) | 0) <= this.capacity)', 'room(needed, records) {\n        if (((this.next + needed - this.gate) | 0) <= this.capacity + 1)')),
  },
  {
    kind: 'full or empty', bug: 'full is checked one too early, so that a claim of the whole ring never succeeds',
    shows: STUCK,
    run: fixed([
      ...producer('room(needed, records) {\n        if (((this.next + needed - this.gate) | 0) <= this.capacity)', 'room(needed, records) {\n        if (((this.next + needed - this.gate) | 0) < this.capacity)'),
      ...producer('if (((least - cursor) | 0) <= 0)\n                continue;\n            if (state', 'if (((least - cursor) | 0) < 0)\n                continue;\n            if (state'),
    ], { batch: 2 }),
  },
  {
    kind: 'full or empty', bug: 'the room for a batch is checked as if it were one record',
    shows: CORRUPT,
    run: fixed(fixedRecords('const room = this.room(count, count);', 'const room = this.room(1, 1);'), { batch: 2, limit: 1 }),
  },
  {
    kind: 'full or empty', bug: 'the producer never looks at the consumer\'s cursor again',
    shows: STUCK,
    run: fixed(producer('const cursor = Atomics.load(words, at + (state < LOSSY ? CURSOR : LOSSY_CURSOR)) & ~this.pushedBit;\n            if (((gate - cursor) | 0) > 0)\n                gate = cursor;\n            if (((least', 'const cursor = this.gate;\n            if (((gate - cursor) | 0) > 0)\n                gate = cursor;\n            if (((least')),
  },
  {
    kind: 'full or empty', bug: 'drain takes as many as its limit says, ready or not',
    shows: RACE,
    run: fixed(fixedRecords('const ready = (this.seen - this.next) | 0;\n        const count = ready < limit ? ready : atMost(limit);', 'const count = limit;')),
  },
  {
    kind: 'full or empty', bug: 'the last record of a lazy batch is never published',
    shows: STUCK,
    run: fixed(producer('this.unpublished += count;\n        if (this.unpublished >= this.publishEvery)', 'this.unpublished += count - 1;\n        if (this.unpublished >= this.publishEvery)'), { publishEvery: 2 }),
  },
  {
    kind: 'full or empty', bug: 'the consumer never releases',
    shows: STUCK,
    run: fixed(consumer('Atomics.store(this.words, this.at + CURSOR, this.next);', '')),
  },
  {
    kind: 'framing', bug: 'the padding says a length without its own header',
    shows: /^error: consumer made 500 accesses in one call: it loops/,
    run: variable(variableRecords('this.words[padding] = this.skipped;', 'this.words[padding] = this.skipped - HEADER_BYTES;')),
  },
  {
    kind: 'framing', bug: 'the room of the padding is not counted',
    shows: CORRUPT,
    run: variable(variableRecords('const room = this.room(needed + skipped, 1);', 'const room = this.room(needed, 1);'), { lengths: [0, 0, 0, 8] }),
  },
  {
    kind: 'framing', bug: 'the sequence does not move past the padding',
    shows: CORRUPT,
    run: variable(variableRecords('this.next = (this.next + this.skipped + framedBytes(length)) | 0;', 'this.next = (this.next + framedBytes(length)) | 0;')),
  },
  {
    kind: 'framing', bug: 'the padding carries no mark',
    shows: /^error: received type 0/,
    run: variable(variableRecords('this.words[padding + 1] = PADDING;', '')),
  },
  {
    kind: 'framing', bug: 'a record that ends at the ring\'s end is taken for one that does not fit',
    shows: CORRUPT,
    run: variable(variableRecords('const skipped = needed <= toEnd ? 0 : toEnd;', 'const skipped = needed < toEnd ? 0 : toEnd;')),
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
    run: fixed([
      ...consumer('Atomics.store(this.words, this.at + CURSOR, this.next);', 'const waits = Atomics.load(this.words, ATTENTION);\n        Atomics.store(this.words, this.at + CURSOR, this.next);'),
      ...consumer('if ((Atomics.load(this.words, ATTENTION) & (PRODUCER_WAITS', 'if ((waits & (PRODUCER_WAITS'),
    ], { asks: true }),
  },
  {
    kind: 'wake', bug: 'the consumer clears the wish after it has told the producer',
    shows: STUCK,
    run: fixed(consumer('const flags = Atomics.and(this.words, ATTENTION, ~(PRODUCER_WAITS | FOLLOWER_WAITS));\n        if ((flags & FOLLOWER_WAITS) !== 0)\n            ringBell(this.bellWords, this.bell);\n        if ((flags & PRODUCER_WAITS) !== 0)\n            this.tellSpace();', 'const flags = Atomics.load(this.words, ATTENTION);\n        if ((flags & PRODUCER_WAITS) !== 0)\n            this.tellSpace();\n        Atomics.and(this.words, ATTENTION, ~(PRODUCER_WAITS | FOLLOWER_WAITS));'), { asks: true }),
  },
  {
    kind: 'wake', bug: 'the producer looks for room before it has stored its wish',
    shows: STUCK,
    run: fixed(producer('Atomics.or(this.words, ATTENTION, PRODUCER_WAITS);\n        if (this.lookFor(needed) === BACK_PRESSURED)\n            return false;', 'const room = this.lookFor(needed);\n        Atomics.or(this.words, ATTENTION, PRODUCER_WAITS);\n        if (room === BACK_PRESSURED)\n            return false;'), { asks: true }),
  },
  {
    kind: 'wake', bug: 'the producer does not look for room again after it has stored its wish',
    shows: STUCK,
    run: fixed(producer('if (this.lookFor(needed) === BACK_PRESSURED)', 'if (needed > 0)'), { asks: true }),
  },
  {
    kind: 'wake', bug: 'askForRecord asks for padding where none is needed',
    shows: STUCK,
    run: variable(variableRecords('const toEnd = this.capacity - (this.next & this.mask);\n        return needed <= toEnd ? needed : needed + toEnd;', 'const toEnd = this.capacity - (this.next & this.mask);\n        return needed + toEnd;'), { asks: true }),
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
    run: fixed(consumer('return Atomics.load(words, PHASE) === OPEN ? EMPTY : this.lookAtEnd();', 'return Atomics.load(words, PHASE) === OPEN ? EMPTY : CLOSED;'), { closes: true }),
  },
  {
    kind: 'close', bug: 'close comes before the last records are published',
    shows: /^end: 2 of 3 received/,
    run: fixed(producer('this.hasLeft = true;\n        this.flush();\n        // Follows the last ring.publish. Where the consumer has ended the ring before, this is when we learn what nobody has read.\n        if (!this.isEnded)\n            this.obeyClosing(0);', 'this.hasLeft = true;\n        Atomics.compareExchange(this.words, PHASE, OPEN, SEALED);\n        this.flush();'), { closes: true, publishEvery: 2, messages: 3 }),
  },
  {
    kind: 'close', bug: 'close forgets the records that are not published',
    shows: /^end: 2 of 3 received/,
    run: fixed(producer('this.flush();\n        // Follows the last', '// Follows the last'), { closes: true, publishEvery: 2, messages: 3 }),
  },
  {
    kind: 'close', bug: 'a full ring that nobody reads any more says BACK_PRESSURED',
    shows: STUCK,
    run: fixed(producer('if (code !== OK && !this.isEnded && (Atomics.load(this.words, ATTENTION) & CLOSING) !== 0)\n            this.obeyClosing(0);', ''), { abandonsAfter: 2 }),
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
    run: fixed(fixedRecords('this.claimed = count;\n        return this.next & this.mask;', 'this.claimed = count;\n        Atomics.store(this.words, 32, (this.next + count) | 0);\n        return this.next & this.mask;'), { dies: 'producer' }),
  },
  {
    kind: 'lap', bug: 'the consumer hands its copy on without claiming it',
    shows: /^end: wrong sum: /,
    run: lapped(lossyConsumer('if (whole > 0 && Atomics.compareExchange(this.words, this.lossyCursor, this.found, target) === this.found) {', 'if (whole > 0) {\n                Atomics.store(this.words, this.lossyCursor, target);')),
  },
  {
    kind: 'lap', bug: 'the consumer claims first and copies after',
    shows: /^error: received a mixed record/,
    run: lapped([
      ...lossyConsumer('this.copy((this.next & this.mask) * (this.recordBytes || 1), units * (this.recordBytes || 1));', ''),
      ...lossyConsumer('this.next = this.released = this.found = target;', 'this.copy((this.next & this.mask) * (this.recordBytes || 1), units * (this.recordBytes || 1));\n                this.next = this.released = this.found = target;'),
    ]),
  },
  {
    kind: 'lap', bug: 'the producer says what was lost only after the push',
    shows: /^error: received record 3 after 1 received and 0 lost/,
    run: lapped([
      ...producer('if (this.pushedBit !== 0)\n                this.notePush(at, found, target);', ''),
      ...producer('if (Atomics.compareExchange(words, at + LOSSY_CURSOR, found, target) !== found)\n                continue;', 'if (Atomics.compareExchange(words, at + LOSSY_CURSOR, found, target) !== found)\n                continue;\n            if (this.pushedBit !== 0)\n                this.notePush(at, found, target);'),
    ], { lengths: [0, 8, 0, 8] }),
  },
  {
    kind: 'lap', bug: 'the producer moves the cursor by a store, over what the consumer has read meanwhile',
    shows: /^error: received record 2 again/,
    run: lapped(producer('if (Atomics.compareExchange(words, at + LOSSY_CURSOR, found, target) !== found)\n                continue;', 'Atomics.store(words, at + LOSSY_CURSOR, target);')),
  },
  {
    kind: 'lap', bug: 'a consumer that was lapped goes on as if it were not',
    shows: /^error: received record 1 after 0 received and 1 lost/,
    run: lapped(lossyConsumer('this.next = found;\n', 'this.next = (found - 1) | 0;\n')),
  },
  {
    kind: 'join', bug: 'who joins begins where the producer stood before it could be seen',
    shows: /^invariant: record 1 is published, unread, and holds 3/,
    run: readers(places('Atomics.store(words, at + STATE, ENTERING);\n    // ring.join: and begin at what is published now, not before: see above.\n    Atomics.store(words, at + CURSOR, Atomics.load(words, PRODUCER_CURSOR));', 'Atomics.store(words, at + STATE, ENTERING);'), { readers: [{}, { joins: true }] }),
  },
  {
    kind: 'join', bug: 'the producer holds back for the first place alone',
    shows: RACE,
    run: readers(producer('for (let at = FIRST_PLACE; at < this.endOfPlaces; at += PLACE_WORDS) {\n            // ring.join', 'for (let at = FIRST_PLACE; at < FIRST_PLACE + PLACE_WORDS; at += PLACE_WORDS) {\n            // ring.join')),
  },
  {
    kind: 'join', bug: 'a follower reads what is published, not what the stage before has released',
    shows: /^error: reader 1 received record 1 before the one it reads behind/,
    run: readers(consumer('seen = this.behindOthers(seen);', 'seen = seen | 0;'), { readers: [{ marks: true }, { after: [0] }] }),
  },
  {
    kind: 'death', bug: 'recover frees a dead reader\'s name and not its place',
    shows: STUCK,
    run: readers(places('if (state >= HELD)\n            leave(memory, place);\n        else\n            Atomics.store(words, at + THREAD, 0);', 'Atomics.store(words, at + THREAD, 0);'), { messages: 3, dies: 0, hasHeir: false }),
  },
  {
    kind: 'death', bug: 'recover frees nothing of a dead producer',
    shows: /^error: the only place for a producer is taken/,
    run: readers(places('if (Atomics.compareExchange(words, PRODUCER_THREAD, dead + 1, 0) === dead + 1)\n        done.producers++;', ''), { readers: [{}], messages: 2, dies: 'producer' }),
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
