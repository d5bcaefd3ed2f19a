/** Memory that is locked, touched beforehand, and given back. What locks runs in children. */
import { execFileSync } from 'node:child_process';
import { describe, expect, it } from 'vitest';
import { native } from '../native.js';
import { hasCapability, CAP_IPC_LOCK } from './capabilities.js';
import { canDrop, where } from './fixtures/privileges.js';
import { lockMemory, prefault, prefaultStack, residentBytes, useHugePages } from './memory.js';

const MIB = 2 ** 20;
const canLock = hasCapability(CAP_IPC_LOCK);
const canDropLock = canDrop('ipc_lock');
const module = JSON.stringify(new URL('./memory.js', import.meta.url).href);
const run = (script: string, prefix: string[] = []): string => {
  const [command, ...args] = [...prefix, process.execPath, '--input-type=module', '-e', script];
  return execFileSync(command!, args, { encoding: 'utf8', timeout: 60_000 }).trim();
};

describe('prefault', () => {
  it('has every page there, and changes nothing of what it holds', () => {
    const memory = new SharedArrayBuffer(64 * MIB);
    const bytes = new Uint8Array(memory);
    expect(native().system.freshPages(bytes, 0)).toBe(0);
    bytes[5 * MIB] = 7;
    expect(residentBytes(memory)).toBeLessThan(MIB);
    prefault(new Uint8Array(memory, 4 * MIB, 8 * MIB));
    expect(residentBytes(memory)).toBeGreaterThanOrEqual(8 * MIB);
    expect(residentBytes(memory)).toBeLessThan(10 * MIB);
    expect(bytes[5 * MIB]).toBe(7);
    expect(bytes.subarray(4 * MIB, 12 * MIB).reduce((sum, byte) => sum + byte, 0)).toBe(7);
  });

  it('takes views and buffers, none of which may be empty of meaning', () => {
    prefault(new ArrayBuffer(0));
    prefault(new DataView(new ArrayBuffer(10_000), 100, 5000));
    for (const wrong of [undefined, null, 4096, 'memory', {}, []]) {
      expect(() => prefault(wrong as never)).toThrow(/^memory must be a SharedArrayBuffer, an ArrayBuffer or a view/);
    }
  });

  it('of the stack goes as far as there is stack, and no further', () => {
    expect(prefaultStack(256 * 1024)).toBeUndefined();
    expect(prefaultStack(2 ** 40)).toMatch(/^stack of \d+ bytes: ENOMEM/);
    expect(prefaultStack(-1)).toMatch(/EINVAL/);
  });

  it('may ask for huge pages and for none', () => {
    const memory = new SharedArrayBuffer(8 * MIB);
    try {
      useHugePages(memory, true);
      useHugePages(memory, false);
    } catch (error) {
      // A kernel without huge pages.
      expect((error as { errno: string }).errno).toBe('EINVAL');
    }
    expect(() => useHugePages(memory, 1 as never)).toThrow(/^isWanted must be true or false/);
  });
});

describe('lockMemory', () => {
  where(canLock)('leaves out what V8 gives back by itself', () => {
    // Code comes and goes, in this thread and in one that comes later, and the process ends as it should.
    for (const withFuture of [true, false]) expect(run(`
      import { Worker } from 'node:worker_threads';
      import { lockMemory, lockedBytes } from ${module};
      const compiles = 'for (let n = 0, end = Date.now() + 1000; Date.now() < end; n++) {'
        + ' const made = new Function("a", "return a + " + n); for (let i = 0; i < 2000; i++) made(i); }';
      lockMemory({ withFuture: ${withFuture} });
      (0, eval)(compiles);
      const worker = new Worker('import(' + JSON.stringify(${module}) + ').then((own) => {'
        + ' own.lockedBytes(); own.residentBytes(new Uint8Array(8)); ' + compiles + ' })', { eval: true });
      worker.on('exit', (code) => console.log(code, lockedBytes() > 2 ** 22));
    `)).toBe('0 true');
  }, 60_000);

  where(canLock)('leaves full collections what they give back', () => {
    expect(run(`
      import { setFlagsFromString } from 'node:v8';
      import { runInNewContext } from 'node:vm';
      import { lockMemory } from ${module};
      setFlagsFromString('--expose-gc');
      const collect = runInNewContext('gc');
      lockMemory();
      for (let round = 0; round < 5; round++) {
        const kept = Array.from({ length: 200 }, (_, i) => new Array(5000).fill(i));
        collect();
        console.log(kept.length);
        collect();
      }
    `)).toBe('200\n200\n200\n200\n200');
  });

  where(canLock)('locks what is touched, lanes can be given back, and the heap still grows and shrinks', () => {
    const said = run(`
      import { lockMemory, lockedBytes, prefault, residentBytes, unlockMemory } from ${module};
      import { native } from ${JSON.stringify(new URL('../native.js', import.meta.url).href)};
      const before = lockedBytes();
      lockMemory();
      const locked = lockedBytes();
      const memory = new SharedArrayBuffer(40 * 2 ** 20);
      prefault(memory);
      const there = residentBytes(memory);
      const given = native().system.freshPages(new Uint8Array(memory), 0);
      const gone = residentBytes(memory);
      let kept = [];
      for (let i = 0; i < 60; i++) { kept.push(new Array(50_000).fill(i)); if (i % 20 === 19) kept = []; }
      unlockMemory();
      console.log(JSON.stringify({ before, locked: locked > 0, there, given, gone, after: lockedBytes() }));`);
    const { there, gone, ...rest } = JSON.parse(said) as Record<string, number>;
    expect(rest).toEqual({ before: 0, locked: true, given: 0, after: 0 });
    expect(there).toBeGreaterThanOrEqual(40 * MIB);
    expect(gone).toBeLessThan(MIB);
  });

  where(canDropLock)('is refused under a limit, which would end the program later, and says how to have it', () => {
    const said = run(
      `import { lockMemory } from ${module};
      try { lockMemory(); } catch ({ code, message }) { console.log(code, message); }`,
      ['prlimit', '--memlock=8388608:8388608', 'setpriv', '--bounding-set=-ipc_lock'],
    );
    expect(said).toMatch(
      /^ERR_PERCORE_NO_CAPABILITY cannot lock memory: this process may lock 8388608 bytes, .*: ulimit -l unlimited /,
    );
  });

  it('refuses what is no option', () => {
    expect(() => lockMemory({ future: true } as never)).toThrow(/has no option "future"/);
  });
});
