import { describe, expect, it } from 'vitest';
import { OK } from '../queues/index.js';
import { errorOf, inside, until, withRuntime } from './fixtures/inside.js';
import { MOST_NAMES, SentNames, checkName } from './names.js';

describe('names of one lane, at the sending end', () => {
  const send = (names: SentNames, text: string) => {
    const name = names.of(text);
    const isTold = name.number < 0;
    if (isTold) names.told(name);
    return [name.number, isTold];
  };

  it('are told once, each by a number of its own', () => {
    const names = new SentNames();
    expect(['a', 'b', 'a', 'b', 'c'].map((text) => send(names, text))).toEqual([
      [0, true], [1, true], [0, false], [1, false], [2, true],
    ]);
  });

  it('are bounded: the oldest gives its number away, is told again when it is used again, and nobody is '
    + 'mistaken', () => {
    const names = new SentNames();
    const kept = names.of('name 0');
    /** What the receiver knows. */
    const heard: string[] = [];
    for (let i = 0; i < 5 * MOST_NAMES; i++) {
      // Every third is one of a few that come again and again.
      const text = i % 3 === 0 ? `often ${i % 7}` : `name ${i}`;
      const [number, isTold] = send(names, text) as [number, boolean];
      if (isTold) heard[number] = text;
      expect(heard[number]).toBe(text);
      // An address keeps its entry.
      if (i % 1000 === 0) {
        if (kept.number < 0) {
          names.told(kept);
          heard[kept.number] = kept.text;
        }
        expect(heard[kept.number]).toBe('name 0');
      }
    }
    expect(heard.length).toBe(MOST_NAMES);
    expect((names as unknown as { byText: Map<string, unknown> }).byText.size).toBeLessThanOrEqual(MOST_NAMES);
  });

  it('are text of 1 to 256 letters', () => {
    expect(checkName('name', 'x'.repeat(256))).toBe('x'.repeat(256));
    for (const wrong of ['', 5, undefined, Symbol('s'), {}, 'x'.repeat(257)])
      expect(() => checkName('name', wrong)).toThrow(/^name must be /);
  });
});

describe('names of tasks and handlers', () => {
  /** Pairs with one FNV-1a hash of 32 bits, and one whose hash is 0: what decided before names did. */
  const PAIRS = [['costarring', 'liquid'], ['declinate', 'macallums'], ['altarage', 'zinke']] as const;

  it('are never taken for each other, whatever their hashes', async () => {
    await withRuntime(1, { laneBytes: 16_384 }, async (runtime) => {
      runtime.on('messageDropped', () => undefined);
      await inside(runtime, 0, (reactor, pairs, { state }) => {
        state['seen'] = [];
        for (const [name] of pairs) {
          reactor.handle(`${name}?`, () => name as never);
          reactor.spawn({ name }, (message) => void state['seen'].push([name, message]));
          reactor.spawnBytes({ name: `${name}!` }, (record) => void state['seen'].push([name, record.length]));
          // Not one of these is refused as taken.
          for (const kind of ['', '?', '!']) reactor.spawn({ name: `${name}${kind}${kind} too` }, () => undefined);
        }
      }, PAIRS);
      for (const [there, other] of PAIRS) {
        expect(await runtime.call(`${there}?`, null)).toBe(there);
        for (const name of [other, `${other}?`, `${other}!`]) {
          expect((await errorOf(() => runtime.call(name, null))).code).toBe('ERR_PERCORE_NO_HANDLER');
          expect(runtime.send(name, new Uint8Array(3), { reactor: 0 })).toBe(OK);
        }
        expect([
          runtime.send(there, 'value', { reactor: 0 }), runtime.send(`${there}!`, new Uint8Array(7), { reactor: 0 }),
        ]).toEqual([OK, OK]);
      }
      const seen = await inside(runtime, 0, (_reactor, _argument, { state }) => state['seen'] as unknown[]);
      expect(seen).toEqual(PAIRS.flatMap(([there]) => [[there, 'value'], [there, 7]]));
      expect(runtime.status().reactors[0]!.droppedByReason.noTask).toBe(9);
    });
  });

  it('that a number scribbled over a message stands for are nobody\'s: it is dropped and counted', async () => {
    await withRuntime(2, {}, async (runtime) => {
      runtime.on('messageDropped', () => undefined);
      await inside(runtime, 1, (reactor) => void reactor.spawnBytes({ name: 'task' }, () => undefined));
      await inside(runtime, 0, (reactor) => {
        const address = reactor.address('task', { reactor: 1 });
        for (const number of [-1, 4095, -2147483648, 2147483647]) {
          const at = address.tryClaim(8);
          // The head of a message lies before it.
          address.words[(at >> 2) - 2] = number;
          address.commit(8);
        }
        return address.send(new Uint8Array(1));
      });
      const second = () => runtime.status().reactors[1]!;
      await until(() => second().droppedByReason.noTask === 4, 'all four are dropped');
      expect(second().stepErrors).toBe(0);
    });
  });

  it('may be more than a lane has numbers for, odd, and long: each message reaches its own task', async () => {
    await withRuntime(1, {}, async (runtime) => {
      const odd = [
        '\ud800', '\ud801', '\ufffd', 'user-40584\u7518', '\0', 'ä', 'a\u0308', '__proto__', 'constructor',
        'x'.repeat(256), `${'x'.repeat(255)}y`,
      ];
      const names = [...odd, ...Array.from({ length: 6000 }, (_, i) => `task ${i}`)];
      await inside(runtime, 0, (reactor, all: readonly string[], { state }) => {
        state['wrong'] = [];
        state['count'] = 0;
        // By its number: text with half a surrogate pair would not survive every way of sending it.
        all.forEach((_name, i) => {
          const name = i < 2 ? String.fromCharCode(0xd800 + i) : all[i]!;
          reactor.spawn<number>({ name }, (message) => {
            state['count']++;
            if (message !== i) state['wrong'].push([i, message]);
          });
        });
      }, names);
      const addresses = names.slice(0, 20).map((name) => runtime.address(name, { reactor: 0 }));
      let sent = 0;
      for (let round = 0; round < 2; round++) {
        for (const [i, name] of names.entries()) {
          sent++;
          while ((i % 2 === 0 || i >= 20 ? runtime.send(name, i, { reactor: 0 }) : addresses[i]!.send(i)) !== OK)
            await new Promise((resolve) => setImmediate(resolve));
        }
      }
      await until(
        () => inside(runtime, 0, (_reactor, most: number, { state }) => state['count'] === most, sent), 'all messages',
      );
      expect(await inside(runtime, 0, (_reactor, _argument, { state }) => state['wrong'] as unknown[])).toEqual([]);
      // A lane tells its names beside its messages, and counts messages alone.
      expect(runtime.status().reactors[0]!.dropped).toBe(0);
    });
  });

  it('may appear in the receiver after they were used: from then on messages arrive', async () => {
    await withRuntime(2, {}, async (runtime) => {
      runtime.on('messageDropped', () => undefined);
      const address = runtime.address('later', { reactor: 0 });
      expect([runtime.send('later', 1, { reactor: 0 }), address.send(Uint8Array.of(1))]).toEqual([OK, OK]);
      await inside(runtime, 0, (reactor, _argument, { state }) => {
        state['seen'] = [];
        reactor.spawnBytes({ name: 'later' }, (record) => void state['seen'].push(record.bytes[record.offset]));
      });
      expect([address.send(Uint8Array.of(2)), address.send(Uint8Array.of(3))]).toEqual([OK, OK]);
      expect(await inside(runtime, 0, (_reactor, _argument, { state }) => state['seen'] as number[])).toEqual([2, 3]);
      expect(runtime.status().reactors[0]!.droppedByReason.noTask).toBe(2);
    });
  });

  it('fit the shortest lane, also when it is full', async () => {
    await withRuntime(1, { laneBytes: 4096 }, async (runtime) => {
      const names = Array.from({ length: 40 }, (_, i) => `${i} ${'n'.repeat(250)}`);
      await inside(runtime, 0, (reactor, _argument, { state }) => {
        state['seen'] = [];
        for (let i = 0; i < 40; i++)
          reactor.spawnBytes(
            { name: `${i} ${'n'.repeat(250)}` }, (record) => void state['seen'].push([i, record.length]),
          );
      });
      for (const [i, name] of names.entries()) {
        const address = runtime.address(name, { reactor: 0 });
        while (address.send(new Uint8Array(1000 + i)) !== OK)
          await new Promise<void>((resolve) => address.whenRoom(resolve));
      }
      await until(
        () => inside(runtime, 0, (_reactor, _argument, { state }) => state['seen'].length === 40), 'all messages',
      );
      expect(await inside(runtime, 0, (_reactor, _argument, { state }) => state['seen'] as unknown[])).toEqual(
        names.map((_, i) => [i, 1000 + i]),
      );
    });
  });
});
