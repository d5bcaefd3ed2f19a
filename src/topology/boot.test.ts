import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createRuntime } from '../reactor/index.js';
import { errorOf } from '../reactor/fixtures/inside.js';
import { controlEntry, readTopology, startTopology, type Listed } from './index.js';

const module = new URL('./fixtures/programs.js', import.meta.url).href;
let folder = '';
beforeAll(() => void (folder = mkdtempSync(join(tmpdir(), 'percore-boot-'))));
afterAll(() => rmSync(folder, { recursive: true }));

let files = 0;
function file(text: string, ending = 'json'): string {
  const path = join(folder, `boot-${++files}.${ending}`);
  writeFileSync(path, text);
  return path;
}

const lines = [
  { verb: 'reactor', name: 'front', core: 0 },
  { verb: 'reactor', name: 'book', core: 1 },
  { verb: 'reactor', name: 'main', sends: ['pass'] },
  { verb: 'class', name: 'urgent', priority: 6 },
  { verb: 'spawn', name: 'pass', on: 'front', module, export: 'forward', data: 'end here', sends: ['end here'] },
  { verb: 'spawn', name: 'end here', on: 'book', module, export: 'ending', data: 'over', class: 'urgent' },
  { verb: 'topic', name: 'news', from: ['main'], to: ['end here'], retain: true },
  { verb: 'ring', name: 'records', on: 'book', capacityBytes: 256, codec: 'value' },
  { verb: 'send', task: 'pass', message: 'first' },
  { verb: 'send', task: 'pass', message: 'end' },
  { verb: 'sync' },
  { verb: 'join', name: 'end here' },
  { verb: 'list', on: 'book', what: 'ring' },
  { verb: 'show', name: 'end here' },
  { verb: 'seq', count: 2 },
  { verb: 'dump' },
];

describe('a boot script', () => {
  it.each([
    ['JSON', () => file(JSON.stringify(lines, undefined, 2))],
    ['a module', () => file(`export default ${JSON.stringify(lines)};`, 'mjs')],
  ])('of %s is read, started, and its last lines are answered', async (_what, write) => {
    const topology = await readTopology(write());
    expect(topology.declaration.topics).toEqual({ news: { from: ['main'], to: ['end here'], retain: true } });
    expect(topology.declaration.sends).toEqual({ main: ['pass'], pass: ['end here'] });
    const runtime = await createRuntime({ entry: controlEntry, reactors: 2 });
    try {
      const { answers } = await startTopology(runtime, topology);
      expect(answers).toHaveLength(8);
      expect(answers.slice(0, 2)).toEqual([0, 0]);
      expect(answers[3]).toEqual({ value: 'over' });
      expect((answers[4] as Listed[]).map(({ name }) => name)).toEqual(['records']);
      expect(answers[5]).toMatchObject({ on: 'book', details: { state: 'ended' } });
      expect((answers[6] as { ids: bigint[] }).ids).toHaveLength(2);
      expect(answers[7]).toMatchObject({ parties: [{ name: 'front' }, { name: 'book' }, { name: 'main' }] });
    } finally {
      await runtime.close();
    }
  });

  it('names modules relative to itself', async () => {
    writeFileSync(join(folder, 'program.mjs'), 'export default () => () => undefined;');
    const topology = await readTopology(file(JSON.stringify([
      { verb: 'reactor', name: 'one', core: 0 }, { verb: 'spawn', name: 'a', on: 'one', module: './program.mjs' },
    ])));
    expect(String(topology.declaration.tasks['a']!.module)).toBe(`file://${folder}/program.mjs`);
  });

  it('that asks what cannot be answered says in which line', async () => {
    const path = file('[\n {"verb":"reactor","name":"one","core":0},\n {"verb":"show","name":"nobody"}\n]');
    const runtime = await createRuntime({ entry: controlEntry, reactors: 1 });
    try {
      const error = await errorOf(async () => startTopology(runtime, await readTopology(path)));
      expect(error).toMatchObject({ code: 'ERR_PERCORE_TOPOLOGY', argument: 'show' });
      expect(error.message).toContain(`${path}:3: nobody here is called "nobody"`);
    } finally {
      await runtime.close();
    }
  });

  const good = '{"verb":"reactor","name":"one","core":0}';
  const task = '{"verb":"spawn","name":"a"';
  it.each<[string, number, string, string]>([
    ['no array', 1, '', '{}'],
    ['an array without an end', 2, '', `[\n${good}, `],
    ['a string without an end', 2, '', `[\n{"verb":"reac`],
    ['something behind it', 3, '', `[\n${good}]\n5`],
    ['a line that is no JSON', 3, '', `[\n${good},\n{"verb": reactor}\n]`],
    ['a line that is no object', 2, 'line', '[\n5]'],
    ['no verb', 2, 'verb', `[\n{"name": "a"}]`],
    ['an unknown verb', 3, 'verb', `[\n${good},\n{"name":"a", "verb":"spwan"}]`],
    ['an unknown field', 4, 'ring.capacty', `[\n${good},\n{"verb":"ring",\n"capacty":5}]`],
    ['no name', 2, 'class.name', `[\n{"verb":"class", "priority":5}]`],
    ['a name twice', 3, 'reactor.name', `[\n${good},\n${good}]`],
    ['an unknown reactor', 5, 'tasks.a.on', `[\n${good},\n${task},\n"module":"/a.js",\n"on":"two"}]`],
    ['an unknown edge', 4, 'sends.a[0]', `[\n${good},\n${task},"on":"one","module":"/a.js",\n"sends":["b"]}]`],
    ['an unknown edge of main', 3, 'sends.main[0]', `[\n${good},\n{"verb":"reactor","name":"main","sends":["b"]}]`],
    ['edges that are no list', 2, 'spawn.sends', '[\n{"verb":"spawn","name":"a","sends":"b"}]'],
    ['a comma after the last line', 3, '', `[\n${good},\n]`],
    ['a comma too many', 3, '', `[\n${good}\n,,\n${good}]`],
    ['a brace for the bracket at its end', 3, '', `[\n${good}\n}`],
    ['a name that no object can have', 2, 'spawn.name', '[\n{"verb":"spawn","name":"__proto__","module":"/a.js"}]'],
    ['edges of a reactor', 2, 'reactor.sends', '[\n{"verb":"reactor","name":"a","sends":["b"]}]'],
    ['braces in strings are no fault', 4, 'verb', `[\n{"verb":"reactor","name":"]}\\"[{","core":0},\n\n{"verb":5}]`],
  ])('with %s is refused with line and field', async (_what, line, argument, text) => {
    const path = file(text);
    const error = await errorOf(() => readTopology(path));
    expect(error).toMatchObject({ code: 'ERR_PERCORE_TOPOLOGY', ...(argument === '' ? {} : { argument }) });
    expect(error.message.startsWith(`${path}:${line}: `), error.message).toBe(true);
  });

  it('that is not there, or is no list, is refused', async () => {
    expect(await errorOf(() => readTopology(join(folder, 'none.json')))).toMatchObject({ argument: 'file' });
    expect(await errorOf(() => readTopology(join(folder, 'none.mjs')))).toMatchObject({ argument: 'file' });
    expect(await errorOf(() => readTopology(5 as never))).toMatchObject({ argument: 'file' });
    const noList = await errorOf(() => readTopology(file('export default 5;', 'mjs')));
    expect(noList).toMatchObject({ code: 'ERR_PERCORE_TOPOLOGY' });
    const second = await errorOf(() => readTopology(file(`export default [${good}, { verb: 'x' }];`, 'mjs')));
    expect(second.message).toContain(':2: ');
  });
});
