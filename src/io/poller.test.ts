import { openSync, closeSync, readSync, writeSync, mkdtempSync, rmSync } from 'node:fs';
import { execFileSync } from 'node:child_process';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { constants } from 'node:fs';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { INTEREST, READINESS } from './descriptor.js';
import { createPoller, type Poller } from './poller.js';

const { READABLE, WRITABLE, LEVEL, ONESHOT } = INTEREST;

let folder: string;
let opened: number[];
let poller: Poller;

/** Both ends of a FIFO, not blocking: [read, write]. */
function fifo(name: string): [number, number] {
  const path = join(folder, name);
  execFileSync('mkfifo', [path]);
  const read = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
  const write = openSync(path, constants.O_WRONLY | constants.O_NONBLOCK);
  opened.push(read, write);
  return [read, write];
}

const byte = Buffer.from('x');

function events(): [number, number][] {
  const all: [number, number][] = [];
  for (let event = poller.select(); event !== undefined; event = poller.select())
    all.push([event.token, event.readiness]);
  return all;
}

describe.each(['epoll', 'io_uring'] as const)('a poller on %s', (source) => {
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'percore-poller-'));
    opened = [];
    poller = createPoller({ source });
  });
  afterEach(() => {
    poller.close();
    for (const fd of opened) try { closeSync(fd); } catch { /* closed by the test */ }
    rmSync(folder, { recursive: true });
  });

  it('reports an edge once, and again after more has come', () => {
    const [read, write] = fifo('edge');
    const token = poller.register(read);
    expect(poller.poll()).toBe(0);
    writeSync(write, byte);
    expect(poller.poll(1000)).toBe(1);
    expect(events()).toEqual([[token, READINESS.READABLE]]);
    expect(poller.poll(), 'not again').toBe(0);
    writeSync(write, byte);
    expect(poller.poll(1000)).toBe(1);
    expect(events()).toEqual([[token, READINESS.READABLE]]);
  });

  it('reports a level for as long as it lasts', () => {
    const [read, write] = fifo('level');
    const token = poller.register(read, { interest: READABLE | LEVEL });
    writeSync(write, byte);
    for (let i = 0; i < 3; i++) {
      expect(poller.poll(1000), `look ${i}`).toBe(1);
      expect(events()).toEqual([[token, READINESS.READABLE]]);
    }
    readSync(read, Buffer.alloc(8));
    poller.poll();
    events();
    expect(poller.poll(20)).toBe(0);
  });

  it('reports a one-shot once, until it is registered again', () => {
    const [read, write] = fifo('oneshot');
    const token = poller.register(read, { interest: READABLE | ONESHOT });
    writeSync(write, byte);
    expect(poller.poll(1000)).toBe(1);
    expect(events()).toEqual([[token, READINESS.READABLE]]);
    writeSync(write, byte);
    expect(poller.poll(20), 'spent').toBe(0);
    poller.reregister(token, READABLE | ONESHOT);
    expect(poller.poll(1000), 'what stands is told again').toBe(1);
    expect(events()).toEqual([[token, READINESS.READABLE]]);
  });

  it('changes an interest', () => {
    const [, write] = fifo('change');
    const token = poller.register(write, { interest: WRITABLE });
    expect(poller.poll(1000)).toBe(1);
    expect(events()).toEqual([[token, READINESS.WRITABLE]]);
    poller.reregister(token, INTEREST.PRIORITY);
    poller.poll(20);
    events();
    expect(poller.poll(20)).toBe(0);
    poller.reregister(token, WRITABLE);
    expect(poller.poll(1000)).toBe(1);
    expect(events()).toEqual([[token, READINESS.WRITABLE]]);
  });

  it('reports a hang-up', () => {
    const [read, write] = fifo('hang-up');
    const token = poller.register(read);
    closeSync(write);
    expect(poller.poll(1000)).toBe(1);
    const [[owner, readiness]] = events() as [[number, number]];
    expect([owner, readiness & READINESS.HANG_UP]).toEqual([token, READINESS.HANG_UP]);
  });

  it('selects the highest band first, and the longest waiting within one', () => {
    const tokens = [1, 6, 1, 6].map((priority, i) => {
      const [read, write] = fifo(`band${i}`);
      const token = poller.register(read, { priority });
      writeSync(write, byte);
      poller.poll(1000);
      return token;
    });
    expect(poller.poll()).toBe(4);
    expect(events().map(([token]) => token)).toEqual([tokens[1], tokens[3], tokens[0], tokens[2]]);
  });

  it('delivers nothing to one that was deregistered, though it was on its way and the number is used again', () => {
    const [read, write] = fifo('old');
    const token = poller.register(read);
    writeSync(write, byte);
    expect(poller.poll(1000)).toBe(1);
    poller.deregister(token);
    closeSync(read);
    const [young] = fifo('young');
    expect(young, 'the same number').toBe(read);
    const next = poller.register(young);
    expect(next).not.toBe(token);
    expect(events()).toEqual([]);
    expect(poller.poll(20)).toBe(0);
    expect(() => poller.reregister(token, READABLE)).toThrow(/^token must be the token of a registered descriptor/);
  });

  it('waits although a descriptor that was ready has been deregistered, and nobody has selected since', () => {
    const [read, write] = fifo('gone');
    const token = poller.register(read);
    writeSync(write, byte);
    expect(poller.poll(1000)).toBe(1);
    poller.deregister(token);
    const begunMs = performance.now();
    expect(poller.poll(100)).toBe(0);
    expect(performance.now() - begunMs).toBeGreaterThan(90);
  });

  it('refuses what cannot be polled', () => {
    const file = openSync(join(folder, 'file'), 'w');
    opened.push(file);
    expect(() => poller.register(file)).toThrow(
      expect.objectContaining({ code: 'ERR_PERCORE_SYSTEM', errno: 'EPERM' }),
    );
    expect(() => poller.register(100_000)).toThrow(
      expect.objectContaining({ code: 'ERR_PERCORE_SYSTEM', errno: 'EBADF' }),
    );
    expect(() => poller.register(-1)).toThrow(expect.objectContaining({ argument: 'fd' }));
    expect(() => poller.register(0, { interest: LEVEL })).toThrow(expect.objectContaining({ argument: 'interest' }));
    expect(poller.status().registered).toBe(0);
    poller.close();
    expect(() => poller.poll()).toThrow(expect.objectContaining({ code: 'ERR_PERCORE_CLOSED' }));
  });

  it('agrees with a model over many steps of open, write, read, close and use again', () => {
    interface Owner { read: number; write: number; token: number; bytes: number; name: string }
    const live: Owner[] = [];
    const gone = new Set<number>();
    let seed = 12_345;
    const random = (below: number) => ((seed = (Math.imul(seed, 1_103_515_245) + 12_345) >>> 0) >>> 8) % below;
    const paths = Array.from({ length: 24 }, (_, i) => {
      execFileSync('mkfifo', [join(folder, `m${i}`)]);
      return `m${i}`;
    });
    let told = 0;
    for (let step = 0; step < 20_000; step++) {
      const choice = random(10);
      if (choice < 2 && paths.length !== 0) {
        const name = paths.pop()!;
        const read = openSync(join(folder, name), constants.O_RDONLY | constants.O_NONBLOCK);
        const write = openSync(join(folder, name), constants.O_WRONLY | constants.O_NONBLOCK);
        live.push({ read, write, token: poller.register(read, { priority: random(8) }), bytes: 0, name });
        gone.delete(live.at(-1)!.token);
      } else if (choice < 3 && live.length !== 0) {
        const [owner] = live.splice(random(live.length), 1) as [Owner];
        poller.deregister(owner.token);
        closeSync(owner.read);
        closeSync(owner.write);
        gone.add(owner.token);
        paths.push(owner.name);
      } else if (choice < 7 && live.length !== 0) {
        const owner = live[random(live.length)]!;
        owner.bytes += writeSync(owner.write, byte);
      } else {
        poller.poll();
        for (const [token, readiness] of events()) {
          const owner = live.find((one) => one.token === token);
          if (owner === undefined)
            throw new Error(`step ${step}: an event for ${token}, which is ${gone.has(token) ? 'gone' : 'nobody'}`);
          if (readiness !== READINESS.READABLE) throw new Error(`step ${step}: readiness ${readiness}`);
          // Readiness is a hint.
          if (owner.bytes !== 0) owner.bytes -= readSync(owner.read, Buffer.alloc(4096));
          told++;
        }
        for (const owner of live)
          if (owner.bytes !== 0) throw new Error(`step ${step}: ${owner.bytes} bytes that nobody was told of`);
      }
    }
    for (const { read, write } of live) opened.push(read, write);
    expect(told).toBeGreaterThan(1000);
  });
});
