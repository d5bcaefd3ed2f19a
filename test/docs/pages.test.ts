/** What can be checked about the pages without reading them: links, paths, complete lists, the width of lines. */
import { existsSync, readFileSync, readdirSync, statSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { describe, expect, it } from 'vitest';
import type { Figure } from '../../src/figures.js';
import { partyFigures } from '../../src/reactor/status.js';
import { anchorOf, blocksOf, pages, proseOf, root } from './pages.js';

const all = pages();
const COLUMNS = 120;
/** A path from the root of the repository, in backquotes. */
const PATH = /`((?:src|native|bench|test|scripts|docs|examples)\/[\w./-]+)`/g;

describe('the pages', () => {
  it('link to files and headings that are there', () => {
    const broken: string[] = [];
    for (const page of all) {
      for (const [, target = ''] of proseOf(page).matchAll(/\]\(([^)\s]+)\)/g)) {
        if (/^[a-z]+:/.test(target)) continue;
        const [path = '', anchor] = target.split('#');
        const file = path === '' ? join(root, page.path) : join(root, dirname(page.path), path);
        const isThere = existsSync(file) && (anchor === undefined || anchorsOf(file).includes(anchor));
        if (!isThere) broken.push(`${page.path}: ${target}`);
      }
    }
    expect(broken).toEqual([]);
  });

  it('name files that are there', () => {
    const missing: string[] = [];
    for (const page of all) {
      // What a page of the past or a changelog names may be gone.
      if (page.path.startsWith('docs/decisions/2') || page.path === 'CHANGELOG.md') continue;
      for (const [, path = ''] of proseOf(page).matchAll(PATH)) {
        if (path.includes('NAME')) continue;
        if (!existsSync(join(root, path))) missing.push(`${page.path}: ${path}`);
      }
      // In commands, what is compiled: its source must be there.
      for (const [, path = ''] of page.text.matchAll(/\bdist\/((?:src|test|bench|examples)\/[\w./-]+)\.js\b/g)) {
        if (!existsSync(join(root, `${path}.ts`))) missing.push(`${page.path}: dist/${path}.js`);
      }
    }
    expect(missing).toEqual([]);
  });

  it(`keep to ${COLUMNS} columns, but for tables, which cannot be wrapped`, () => {
    const isLong = (line: string): boolean => [...line].length > COLUMNS && !line.startsWith('|');
    const long = all.filter(({ path }) => !path.startsWith('examples/')).flatMap(({ path, text }) =>
      text.split('\n').flatMap((line, i) => (isLong(line) ? [`${path}:${i + 1}`] : [])));
    expect(long).toEqual([]);
  });

  it('have no empty blocks of code', () => {
    const empty = all.flatMap((page) => blocksOf(page).filter(({ code }) => code.trim() === '')
      .map(({ line }) => `${page.path}:${line}`));
    expect(empty).toEqual([]);
  });
});

describe('docs/decisions/README.md', () => {
  it('lists every page', () => {
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
    const queues: Record<string, unknown> & { nameOfCode(code: number): string } = await import('percore/queues');
    const isCode = (name: string): boolean =>
      typeof queues[name] === 'number' && queues.nameOfCode(queues[name]) === name;
    const codes = Object.keys(queues).filter(isCode);
    expect(codes.length).toBeGreaterThan(6);
    expect(rowsOf(/^\| `([A-Z_]+)` \| −?\d \|/gm).toSorted()).toEqual(codes.toSorted());
  });
});

describe('docs/guide/status.md', () => {
  it('has a row for each figure of a party, in the order of the layout table', () => {
    const guide = readFileSync(join(root, 'docs', 'guide', 'status.md'), 'utf8');
    const rows = guide.slice(guide.indexOf('## Every figure')).split('\n').filter((line) => line.startsWith('| `'));
    const rowOf = ({ name, unit, isGauge, means }: Figure): string =>
      `| \`${name}\` | ${unit}${isGauge ? ', now' : ''} | ${means} |`;
    expect(rows).toEqual(partyFigures.map(rowOf));
  });
});

/** Of every heading of a page; none of what is no page. */
function anchorsOf(file: string): string[] {
  if (!file.endsWith('.md') || !statSync(file).isFile()) return [];
  const text = readFileSync(file, 'utf8').replace(/```[^]*?```/g, '');
  return [...text.matchAll(/^#+ (.*)$/gm)].map(([, heading = '']) => anchorOf(heading));
}
