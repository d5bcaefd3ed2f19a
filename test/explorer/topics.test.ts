/**
 * Who subscribes to which topics, under the explorer: the shipped TopicMembership in every order of its accesses. A
 * reader sees something whole and never goes back; and of one who joins and one who publishes, at least one sees the
 * other. Bugs are put into the shipped text, to see that they are found.
 */
import { describe, expect, it } from 'vitest';
import { explore, type Report } from '../../src/testing/explorer.js';
import { VirtualMemory } from '../../src/testing/virtual-memory.js';
import type * as Membership from '../../src/topic-membership.js';
import { assert, sow, type Seed } from './world.js';

const WRITTEN: readonly (readonly string[])[] = [['a'], ['b', 'bb'], ['c', 'c', 'c'], []];

function makeTopics(parties: number, seeds: readonly Seed[]) {
  const memory = new VirtualMemory();
  const module = memory.load<typeof Membership>(
    new URL('../../modules/topic-membership.js', import.meta.url), (text, url) => sow(text, url, seeds).text,
  );
  const topics = module.createTopics(parties);
  memory.name(topics, 'topics');
  return { memory, of: (own: number) => new module.TopicMembership(topics, own) };
}

/** One party changes its patterns; another reads them now and then. */
function halves({ seeds = [], changes = WRITTEN.length, looks = 2 }: {
  seeds?: readonly Seed[]; changes?: number; looks?: number;
}): Report {
  const { memory, of } = makeTopics(1, seeds);
  const writer = { member: of(0), count: 0 };
  const reader = { member: of(0), looks: 0, seen: 0 };
  return explore({
    memory,
    threads: [
      {
        name: 'writer', owns: [writer, writer.member],
        step() {
          if (writer.count === changes) return 'done';
          writer.member.write(WRITTEN[writer.count % WRITTEN.length]!);
          writer.count++;
          return undefined;
        },
      },
      {
        name: 'reader', owns: [reader, reader.member],
        step() {
          if (reader.looks === looks) return 'done';
          const patterns = reader.member.of(0).patterns.join();
          const at = WRITTEN.findIndex((each, i) => i + 1 >= reader.seen && each.join() === patterns) + 1;
          assert(patterns === '' || at > 0, () => `it reads ${patterns} after change ${reader.seen}`);
          if (patterns !== '') reader.seen = at;
          reader.looks++;
          return undefined;
        },
      },
    ],
  });
}

/** One joins and asks who retains; the other says that it retains, and publishes to whom it sees. */
function joining({ asksFirst = false }: { asksFirst?: boolean }): Report {
  const { memory, of } = makeTopics(2, []);
  const joiner = { member: of(0), isDone: false, sees: 0 };
  const publisher = { member: of(1), isDone: false, sees: 0 };
  return explore({
    memory,
    threads: [
      {
        name: 'joiner', owns: [joiner, joiner.member],
        step() {
          if (joiner.isDone) return 'done';
          if (asksFirst) joiner.sees = joiner.member.retaining(1);
          joiner.member.write(['a']);
          if (!asksFirst) joiner.sees = joiner.member.retaining(1);
          joiner.isDone = true;
          return undefined;
        },
      },
      {
        name: 'publisher', owns: [publisher, publisher.member],
        step() {
          if (publisher.isDone) return 'done';
          publisher.member.retain(1);
          publisher.sees = publisher.member.changes() === 0 ? 0 : publisher.member.of(0).patterns.length;
          publisher.isDone = true;
          return undefined;
        },
      },
    ],
    atEnd() {
      assert(joiner.sees + publisher.sees > 0, () => 'neither has seen the other');
    },
  });
}

const seed = (from: string, to: string): Seed[] => [{ file: 'topic-membership.js', from, to }];

describe('who subscribes to what, in every order', () => {
  it('is read whole, and never as it was before', () => {
    const report = halves({});
    expect(report.violations).toEqual([]);
    expect(report.states).toBeGreaterThan(100);
  });

  it('is seen by who publishes, or sees that it retains', () => {
    const report = joining({});
    expect(report.violations).toEqual([]);
    expect(report.states).toBeGreaterThan(10);
  });

  it.each<[string, () => Report, RegExp]>([
    [
      'a reader does not look again', () => halves({
        seeds: seed('patterns !== undefined && Atomics.load(words, at + STATE) === state', 'patterns !== undefined'),
      }), /it reads/,
    ],
    [
      'the half that is valid is written', () => halves({
        seeds: seed('let to = at + HEAD_WORDS + (state & 1) * HALF_WORDS', 'let to = at + HEAD_WORDS'),
      }), /it reads/,
    ],
    ['who joins asks before it has joined', () => joining({ asksFirst: true }), /neither has seen the other/],
  ])('finds the bug that %s', (_bug, run, says) => {
    expect(run().violations.map(({ message }) => message).join()).toMatch(says);
  });
});
