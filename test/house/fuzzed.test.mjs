/**
 * Every function that an entry of the package exports is called by a fuzzer (test/fuzz/worlds/), or is in the list of
 * those that are not: a new export must not go past it. Classes are exported for their types and made by functions, and
 * the fuzzer finds their members by itself.
 */
import { readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { expectExactly } from './known.mjs';
import { root } from './sources.mjs';

const { exports: entries } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
const isClass = (value) => /^class\b/.test(Function.prototype.toString.call(value));

it('every exported function is fuzzed', async () => {
  const folder = join(root, 'dist', 'test', 'fuzz', 'worlds');
  const fuzzed = new Set();
  for (const file of readdirSync(folder).filter((name) => name.endsWith('.js'))) {
    // "timers.create" and "create fixed" are ways to call `create`.
    const { world } = await import(join(folder, file));
    for (const [name] of world?.makers ?? []) fuzzed.add(name.replace(/^timers\./, '').split(' ')[0]);
  }
  const missing = [];
  for (const [entry, { default: file } = {}] of Object.entries(entries)) {
    if (file === undefined || entry === './worker') continue;
    for (const [name, value] of Object.entries(await import(join(root, file)))) {
      if (typeof value !== 'function' || isClass(value) || fuzzed.has(name)) continue;
      missing.push(`${entry === '.' ? 'percore' : `percore${entry.slice(1)}`}: ${name}`);
    }
  }
  expect(fuzzed.size).toBeGreaterThan(50);
  expectExactly('not-fuzzed', missing.toSorted());
});
