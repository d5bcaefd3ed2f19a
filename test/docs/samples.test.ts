/**
 * The samples of README.md and docs/guide are programs: all of them are compiled against the package as users get it,
 * and those that are followed by a block of text are run, and print that text.
 *
 * What a sample needs and a reader does not, such as `declare const reactor: Reactor`, stands in a comment before it:
 * `<!-- given: … -->`. A sample whose first line names a file of examples/ must be the text of that file.
 */
import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { blocksOf, pages, root } from './pages.js';

interface Sample {
  readonly title: string;
  readonly file: string;
  readonly code: string;
  /** What it prints, for one that is run. */
  readonly output: string | undefined;
  readonly isWholeProgram: boolean;
}

/** A project of a user's, with percore installed. */
let folder = '';
const samples: Sample[] = [];
for (const page of pages().filter(({ path }) => path === 'README.md' || path.startsWith('docs/guide'))) {
  const blocks = blocksOf(page);
  for (const [i, { language, code, given, line }] of blocks.entries()) {
    if (language !== 'ts') continue;
    const next = blocks[i + 1];
    samples.push({
      title: `${page.path}:${line}`,
      file: `sample-${samples.length}`,
      // A module of its own, also where it neither imports nor exports.
      code: `${given}\n${code}\nexport {};\n`,
      output: next?.language === 'text' && next.follows ? next.code : undefined,
      isWholeProgram: code.startsWith('// examples/'),
    });
  }
}

/** What the compiler says of all samples together. */
let errors = '';
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'percore-samples-'));
  mkdirSync(join(folder, 'node_modules'));
  symlinkSync(root, join(folder, 'node_modules', 'percore'));
  writeFileSync(join(folder, 'package.json'), JSON.stringify({ type: 'module' }));
  for (const { file, code } of samples) writeFileSync(join(folder, `${file}.ts`), code);
  const options = JSON.parse(readFileSync(join(root, 'tsconfig.json'), 'utf8')) as { compilerOptions: object };
  writeFileSync(join(folder, 'tsconfig.json'), JSON.stringify({
    compilerOptions: {
      ...options.compilerOptions, rootDir: '.', outDir: 'out', declaration: false, sourceMap: false,
      isolatedDeclarations: false, typeRoots: [join(root, 'node_modules', '@types')],
      // A sample shows what something answers, and does not always use it.
      noUnusedLocals: false, noUnusedParameters: false,
    },
    include: ['*.ts'],
  }));
  const tsc = join(dirname(createRequire(import.meta.url).resolve('typescript/package.json')), 'bin', 'tsc');
  const { stdout, stderr } = spawnSync(process.execPath, [tsc, '-p', folder], { encoding: 'utf8' });
  // They name the page, not the file that was made of it.
  errors = samples.reduce(
    (text, { file, title }) => text.replaceAll(new RegExp(`\\S*\\b${file}\\.ts`, 'g'), title), stdout + stderr,
  );
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

describe('samples of the pages', () => {
  it('are found', () => {
    expect(samples.length).toBeGreaterThan(9);
    expect(samples.filter(({ output }) => output !== undefined).length).toBeGreaterThan(4);
  });

  it('compile against the package', () => expect(errors).toBe(''));

  for (const { title, file, output } of samples.filter((sample) => sample.output !== undefined)) {
    it(`print what the page says: ${title}`, () => {
      const script = join(folder, 'out', `${file}.js`);
      const { stdout, stderr, status } = spawnSync(process.execPath, [script], { encoding: 'utf8', timeout: 30_000 });
      expect([stdout, stderr, status]).toEqual([output, '', 0]);
    });
  }

  for (const { title, code } of samples.filter(({ isWholeProgram }) => isWholeProgram)) {
    it(`are the text of the example that they name: ${title}`, () => {
      const path = /\/\/ (examples\/[\w/.-]+)/.exec(code)?.[1] ?? '';
      // The first line of each says what it is, in its own words.
      const withoutHead = (text: string): string => text.trim().split('\n').slice(1).join('\n');
      expect(withoutHead(code.replace('\nexport {};\n', ''))).toBe(withoutHead(readFileSync(join(root, path), 'utf8')));
    });
  }
});
