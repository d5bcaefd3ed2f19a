/** Does the explorer explore? Small threads of which every order is known, and what it must say of those that err. */
import { describe, expect, it } from 'vitest';
import { explore, type Report, type VirtualThread } from '../../src/testing/explorer.js';
import { VirtualMemory } from '../../src/testing/virtual-memory.js';

interface GrowableBuffer extends SharedArrayBuffer {
  grow(bytes: number): void;
}
const NONE = { violations: [] as unknown[] };

function emptyWorld(words: number): { memory: VirtualMemory; Atomics: Atomics; shared: Int32Array } {
  const memory = new VirtualMemory();
  const { Atomics, Int32Array, SharedArrayBuffer } = memory.globals;
  const shared = new Int32Array(new SharedArrayBuffer(words * 4));
  memory.name(shared.buffer as SharedArrayBuffer, 'shared');
  return { memory, Atomics, shared };
}

/** A thread that makes `calls` one after another. */
function thread(name: string, calls: (() => void)[], options: Partial<VirtualThread> = {}): VirtualThread {
  const my = { at: 0 };
  return { name, owns: [my], step: () => (my.at === calls.length ? 'done' : calls[my.at++]()), ...options };
}

describe('the explorer', () => {
  it('reaches each state once, however many schedules lead there', () => {
    const { memory, Atomics, shared } = emptyWorld(2);
    const stores = (word: number) => [1, 2, 3].map((value) => () => void Atomics.store(shared, word, value));
    const threads = [thread('a', stores(0)), thread('b', stores(1))];
    expect(explore({ memory, threads, reduces: false })).toEqual({ states: 16, steps: 24, terminalStates: 1, ...NONE });
    // Nobody looks at the other's word: these accesses are nobody else's business and make no states.
    expect(explore({ memory, threads })).toEqual({ states: 1, steps: 0, terminalStates: 1, ...NONE });
  });

  it('finds all outcomes of a lost update, and none of an atomic one', () => {
    const outcomes = (add: (shared: Int32Array, atomics: Atomics) => void): number[] => {
      const { memory, Atomics, shared } = emptyWorld(1);
      const seen = new Set<number>();
      const twice = ['a', 'b'].map((name) => thread(name, [() => add(shared, Atomics)]));
      explore({ memory, threads: twice, atEnd: () => void seen.add(Atomics.load(shared, 0)) });
      return [...seen].sort();
    };
    expect(outcomes((shared, atomics) => void atomics.store(shared, 0, atomics.load(shared, 0) + 1))).toEqual([1, 2]);
    expect(outcomes((shared, atomics) => void atomics.add(shared, 0, 1))).toEqual([2]);
  });

  it('never lets both sides of Dekker miss each other, unless they look first', () => {
    const bothMissed = (looksFirst: boolean): boolean => {
      const { memory, Atomics, shared } = emptyWorld(2);
      let found = false;
      const seen = [{ other: -1 }, { other: -1 }];
      const sides = seen.map((my, i): VirtualThread => ({
        name: `side ${i}`,
        owns: [my],
        step() {
          if (looksFirst) my.other = Atomics.load(shared, 1 - i);
          Atomics.store(shared, i, 1);
          if (!looksFirst) my.other = Atomics.load(shared, 1 - i);
          return 'done';
        },
      }));
      explore({ memory, threads: sides, atEnd: () => void (found ||= seen.every(({ other }) => other === 0)) });
      return found;
    };
    expect(bothMissed(true)).toBe(true);
    expect(bothMissed(false)).toBe(false);
  });

  it('calls two unordered accesses a race, and shows the schedule that leads there', () => {
    const { memory, Atomics, shared } = emptyWorld(2);
    const writer = thread('writer', [() => void Atomics.store(shared, 1, 7), () => void (shared[0] = 1)]);
    const reader = thread('reader', [() => void Atomics.load(shared, 1), () => void shared[0]]);
    const [violation] = explore({ memory, threads: [writer, reader] }).violations;
    expect(violation.kind).toBe('race');
    expect(violation.message).toBe('write by writer and read by reader of shared+0 are not ordered');
    expect([...violation.schedule].sort()).toEqual([
      expect.stringMatching(/^reader: load shared\+4 -> [07]$/), 'writer: store shared+4 = 7',
    ]);
  });

  it('sees a race with a thread that only looks again and again', () => {
    const { memory, Atomics, shared } = emptyWorld(2);
    const step = (): 'wait' | 'done' => {
      const isThere = shared[0] === 1;
      Atomics.store(shared, 1, 1);
      return isThere ? 'done' : 'wait';
    };
    // By the time of the write, the first plain read lies behind its atomic store; the second does not.
    const writer = (): 'wait' | 'done' => {
      if (Atomics.load(shared, 1) === 0) return 'wait';
      shared[0] = 1;
      return 'done';
    };
    const threads: VirtualThread[] = [
      { name: 'reader', owns: [], step }, { name: 'writer', owns: [], step: writer },
    ];
    expect(explore({ memory, threads }).violations).toMatchObject([
      { kind: 'race', message: 'read by reader and write by writer of shared+0 are not ordered' },
    ]);
  });

  it('calls different bytes of one word no race', () => {
    const { memory, shared } = emptyWorld(1);
    const bytes = new memory.globals.Uint8Array(shared.buffer);
    const write = (at: number) => thread(`writer of ${at}`, [() => void (bytes[at] = 1)]);
    expect(explore({ memory, threads: [write(0), write(1)] })).toMatchObject({ states: 4, ...NONE });
    expect(explore({ memory, threads: [write(2), write(2)] }).violations).toMatchObject([{ kind: 'race' }]);
  });

  it('says who is stuck, unless that thread may wait for ever', () => {
    const waiter = (mayWait: boolean): Report => {
      const { memory, Atomics, shared } = emptyWorld(1);
      const step = () => (Atomics.load(shared, 0) === 2 ? 'done' : 'wait');
      return explore({
        memory,
        threads: [
          { name: 'waiter', owns: [], step, mayWait }, thread('other', [() => void Atomics.store(shared, 0, 1)]),
        ],
      });
    };
    expect(waiter(false).violations).toMatchObject([{ kind: 'stuck', message: 'waiter can never go on' }]);
    expect(waiter(true)).toMatchObject(NONE);
  });

  it('makes a call again when what it saw first had changed before it answered wait', () => {
    const { memory, Atomics, shared } = emptyWorld(2);
    const step = () => (Atomics.load(shared, 0) + Atomics.load(shared, 1) > 0 ? 'done' : 'wait');
    const setter = thread('setter', [() => void Atomics.store(shared, 0, 1)]);
    expect(explore({ memory, threads: [{ name: 'waiter', owns: [], step }, setter] })).toMatchObject(NONE);
  });

  it('lets a thread die before, between and after its accesses', () => {
    const { memory, Atomics, shared } = emptyWorld(2);
    const ends = new Set<string>();
    const mortal = thread(
      'mortal', [1, 2, 3].map((value) => () => void Atomics.store(shared, 0, value)),
      { mayDie: true, onDeath: () => void Atomics.store(shared, 1, 1) },
    );
    explore({
      memory, threads: [mortal], reduces: false,
      atEnd: ({ dead }) => void ends.add(`${dead.join()} ${shared[0]} ${shared[1]}`),
    });
    expect([...ends].sort()).toEqual([' 3 0', 'mortal 0 1', 'mortal 1 1', 'mortal 2 1']);
  });

  it('reports what a step throws, with its schedule', () => {
    const { memory, Atomics, shared } = emptyWorld(1);
    const thrower = thread('thrower', [
      () => {
        if (Atomics.load(shared, 0) === 0) throw new Error('no luck');
      },
    ]);
    expect(explore({ memory, threads: [thrower], reduces: false }).violations).toEqual([
      { kind: 'error', message: 'no luck', schedule: ['thrower: load shared+0 -> 0'] },
    ]);
  });

  it('sees a step that keeps something outside owns', () => {
    const { memory, Atomics, shared } = emptyWorld(2);
    let hidden = 0;
    const step = (): 'done' => {
      Atomics.store(shared, 0, ++hidden);
      Atomics.store(shared, 1, 1);
      return 'done';
    };
    expect(explore({ memory, threads: [{ name: 'leaky', owns: [], step }], reduces: false }).violations).toMatchObject([
      { kind: 'error', message: 'leaky went another way in a replay: its step keeps something outside owns' },
    ]);
  });

  it('puts back what an owned object holds, however deep', () => {
    const { memory, Atomics, shared } = emptyWorld(1);
    const counters = [0, 1].map(() => ({ inner: { count: 0 } }));
    const threads = counters.map((my, i): VirtualThread => ({
      name: `adder ${i}`, owns: [my],
      step() {
        if (my.inner.count === 2) return 'done';
        Atomics.add(shared, 0, 1);
        my.inner.count++;
      },
    }));
    const sums = new Set<string>();
    expect(
      explore({
        memory, threads,
        atEnd: () => void sums.add(`${shared[0]} ${counters.map(({ inner }) => inner.count).join(' ')}`),
      }),
    ).toMatchObject(NONE);
    expect([...sums]).toEqual(['4 2 2']);
  });

  it('sees what a buffer does not reach yet, though in another order it does', () => {
    const violationsOf = (growsFirst: boolean): unknown => {
      const { memory, Atomics, shared } = emptyWorld(1);
      const { SharedArrayBuffer, Int32Array } = memory.globals;
      // The type of an older library does not know of buffers that grow.
      const Growable = SharedArrayBuffer as unknown as new (bytes: number, options: object) => GrowableBuffer;
      const buffer = new Growable(4, { maxByteLength: 8 });
      const words = new Int32Array(buffer);
      const grower = thread('grower', [() => void Atomics.store(shared, 0, 0), () => buffer.grow(8)]);
      const writer = thread('writer', [() => void Atomics.load(shared, 0), () => void Atomics.store(words, 1, 7)]);
      const threads = growsFirst ? [grower, writer] : [writer, grower];
      return explore({ memory, threads }).violations.map(({ kind, message }) => `${kind}: ${message}`);
    };
    for (const growsFirst of [true, false])
      expect(violationsOf(growsFirst)).toEqual(['error: Atomics.store: index 1 of 1 words']);
  });

  it('ends a call that loops, a thread that spins, and a search without bounds', () => {
    const kindOf = (step: (shared: Int32Array, atomics: Atomics) => void, maxStates?: number): string => {
      const { memory, Atomics, shared } = emptyWorld(1);
      const { violations } = explore({
        memory, threads: [{ name: 'x', owns: [], step: () => step(shared, Atomics) }], maxStates, reduces: false,
      });
      return `${violations[0].kind}: ${violations[0].message}`;
    };
    expect(
      kindOf((shared, atomics) => {
        while (atomics.load(shared, 0) === 0);
      }),
    ).toBe('error: x made 500 accesses in one call: it loops, or should be several calls');
    expect(kindOf(() => {})).toBe('error: x made 1000 calls in a row that touched no shared word');
    expect(kindOf((shared, atomics) => void atomics.load(shared, 0))).toBe('endless: no schedule ever comes to an end');
    expect(kindOf((shared, atomics) => void atomics.add(shared, 0, 1), 100)).toBe('limit: more than 100 states');
  });
});
