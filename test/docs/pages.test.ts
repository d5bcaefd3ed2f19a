/** What can be checked about the pages without reading them: links, paths, lists that must be complete, the width of lines. */
import { existsSync, readFileSync, readdirSync, statSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { anchorOf, blocksOf, pages, proseOf, root } from './pages.js';

const all = pages();
const COLUMNS = 120;

describe('the pages', () => {
  it('link to files and headings that are there', () => {
    const broken: string[] = [];
    for (const page of all) {
      for (const [, target = ''] of proseOf(page).matchAll(/\]\(([^)\s]+)\)/g)) {
        if (/^[a-z]+:/.test(target)) continue;
        const [path = '', anchor] = target.split('#');
        const file = path === '' ? join(root, page.path) : join(root, dirname(page.path), path);
        if (!existsSync(file)) broken.push(`${page.path}: ${target}`);
        else if (anchor !== undefined && !anchorsOf(file).includes(anchor)) broken.push(`${page.path}: ${target}, no such heading`);
      }
    }
    expect(broken).toEqual([]);
  });

  it('name files that are there', () => {
    const missing: string[] = [];
    for (const page of all) {
      // What a page of the past or a changelog names may be gone.
      if (page.path.startsWith('docs/decisions/2') || page.path === 'CHANGELOG.md') continue;
      for (const [, path = ''] of proseOf(page).matchAll(/`((?:src|native|bench|test|scripts|docs|examples)\/[\w./-]+)`/g)) {
        if (path.includes('NAME')) continue;
        if (!existsSync(join(root, path))) missing.push(`${page.path}: ${path}`);
      }
    }
    expect(missing).toEqual([]);
  });

  it(`keep to ${COLUMNS} columns, but for tables, which cannot be wrapped`, () => {
    const long = all.flatMap(({ path, text }) => text.split('\n')
      .flatMap((line, i) => ([...line].length > COLUMNS && !line.startsWith('|') ? [`${path}:${i + 1}: ${[...line].length}`] : [])));
    expect(long).toEqual([]);
  });

  it('have no empty blocks of code', () => {
    expect(all.flatMap((page) => blocksOf(page).filter(({ code }) => code.trim() === '').map(({ line }) => `${page.path}:${line}`))).toEqual([]);
  });
});

describe('docs/decisions/README.md', () => {
  it('lists every page, with its title', () => {
    const folder = join(root, 'docs', 'decisions');
    const index = readFileSync(join(folder, 'README.md'), 'utf8');
    const listed = [...index.matchAll(/\]\((\d[\w-]+\.md)\)/g)].map(([, name]) => name).toSorted();
    const there = readdirSync(folder).filter((name) => name.endsWith('.md') && name !== 'README.md').toSorted();
    expect(listed).toEqual(there);
  });
});

describe('docs/guide/errors.md', () => {
  const guide = readFileSync(join(root, 'docs', 'guide', 'errors.md'), 'utf8');
  const rowsOf = (pattern: RegExp): string[] => [...guide.matchAll(pattern)].map(([, code = '']) => code);

  it('has a row for each code of src/errors.ts, and for no other', () => {
    const source = readFileSync(join(root, 'src', 'errors.ts'), 'utf8');
    const union = /type PercoreErrorCode =([^;]*);/.exec(source)?.[1] ?? '';
    const codes = [...union.matchAll(/'(ERR_PERCORE_\w+)'/g)].map(([, code]) => code);
    expect(codes.length).toBeGreaterThan(20);
    expect(rowsOf(/^\| `(ERR_PERCORE_\w+)` \|/gm).toSorted()).toEqual(codes.toSorted());
  });

  it('has a row for each result code', async () => {
    const queues = await import('percore/queues') as Record<string, unknown>;
    const { nameOfCode } = queues as { nameOfCode(code: number): string };
    const names = Object.keys(queues).filter((name) => typeof queues[name] === 'number' && nameOfCode(queues[name] as number) === name);
    expect(names.length).toBeGreaterThan(6);
    expect(rowsOf(/^\| `([A-Z_]+)` \|/gm).filter((name) => !name.startsWith('ERR_') && !name.startsWith('PERCORE_')).toSorted()).toEqual(names.toSorted());
  });
});

/** Of every heading of a page; none of what is no page. */
function anchorsOf(file: string): string[] {
  if (!file.endsWith('.md') || !statSync(file).isFile()) return [];
  return [...readFileSync(file, 'utf8').replace(/```[^]*?```/g, '').matchAll(/^#+ (.*)$/gm)].map(([, heading = '']) => anchorOf(heading));
}
