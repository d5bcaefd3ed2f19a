/**
 * `percore/testing`: explorations of a few states, of threads that are right or none, and virtual memory with the
 * stand-ins that it makes.
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { explore, VirtualMemory } from 'percore/testing';
import { aFunction, aText, int, oneOf, options, type Hints, type Make, type World } from '../fuzzer.js';

const folder = mkdtempSync(join(tmpdir(), 'percore-fuzz-testing-'));
process.once('exit', () => rmSync(folder, { recursive: true, force: true }));
const right = join(folder, 'right.mjs');
const wrong = join(folder, 'wrong.mjs');
writeFileSync(
  right,
  'export const words = new Int32Array(new SharedArrayBuffer(16));\nexport const count = () => Atomics.add(words, 0, '
    + '1);\n',
);
writeFileSync(wrong, 'export default 5;\n');

const memory: Make = (fuzzer) => fuzzer.ofClass(/^VirtualMemory$/, () => new VirtualMemory());
/** A buffer of a virtual memory, of one or another. */
const buffer: Make = (fuzzer) => {
  const { SharedArrayBuffer: Virtual } = (memory(fuzzer) as VirtualMemory).globals;
  return fuzzer.chance.is(0.9) ? new Virtual(16) : new SharedArrayBuffer(16);
};
const range: Make = options({ buffer }, { from: oneOf(0, 4, 8), to: oneOf(4, 8, 16) });
/** Two counters that wait for nobody: done after a few states. */
const threads: Make = (fuzzer) =>
  Array.from({ length: 1 + fuzzer.chance.below(2) }, (_, i) => {
    const own = { steps: 0 };
    return fuzzer.arg(
      options(
        { name: () => `thread ${i}`, owns: () => [own], step: () => () => (++own.steps > 2 ? 'done' : undefined) },
        {
          mayWait: oneOf(true), mayDie: oneOf(true, false), unobserved: oneOf(['steps'], []), threadId: int(1, 9),
          onDeath: aFunction, racyReads: () => [],
        },
      ),
    );
  });

const of = (name: 'note' | 'ignore') =>
  [name, (...args: any[]) => (shared[name] as (...args: any[]) => unknown).call(shared, ...args)] as const;
const shared = new VirtualMemory();

const hints: Hints = {
  explore: [
    options(
      { memory, threads },
      {
        invariant: aFunction, atEnd: aFunction, maxStates: int(1, 100), maxViolations: int(1, 3),
        reduces: oneOf(true, false),
      },
    ),
  ],
  VirtualMemory: [],
  load: [
    oneOf(pathToFileURL(right), pathToFileURL(wrong), pathToFileURL(right).href),
    oneOf(undefined, (text: string) => text),
  ],
  name: [buffer, aText, options({ fields: () => ({ first: { at: 0 } }) }), oneOf(0, 4), oneOf(undefined, 8)],
  note: [range, range],
  ignore: [range],
};

export const world: World = {
  hints,
  makers: [
    ['explore', explore as (...args: any[]) => unknown],
    ['VirtualMemory', (...args: any[]) => new (VirtualMemory as new (...args: any[]) => object)(...args)], of('note'),
    of('ignore'),
  ],
  bound(name, args) {
    // Whatever is loaded is run: nothing but the fuzzer's own files.
    if (name === 'load' && typeof args[0] === 'string' && !args[0].startsWith('file:'))
      args[0] = pathToFileURL(join(folder, 'none.mjs')).href;
    return args;
  },
  calls: 120,
};
