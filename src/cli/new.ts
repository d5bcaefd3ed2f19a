/** `percore new <folder>`: a project that runs, in TypeScript, with one reactor file and a test. */
import { existsSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { basename, join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { DONE, FAILED, UsageError } from './command.js';

export const summary = 'make a project in TypeScript: a reactor, a program, a test';
export const usage = `
Usage: percore new <folder>

Makes the folder, which must be empty or not there, and puts a project into it:
src/main.ts starts the runtime, src/reactor.ts runs in every reactor, and
test/sum.test.ts calls it. Nothing is installed and nothing is asked.

  percore new my-project && cd my-project && npm install && npm test
`;

export async function run(args: string[]): Promise<number> {
  const { positionals: [name, ...more] } = parseArgs({ args, allowPositionals: true, options: {} });
  if (name === undefined || name === '') throw new UsageError('name the folder');
  if (more.length > 0) throw new UsageError(`name one folder; ${more.join(' ')} is too much`);
  const folder = resolve(name);
  if (existsSync(folder) && readdirSync(folder).length > 0) {
    process.stderr.write(`percore new: ${folder} is not empty, and nothing was written\n`);
    return FAILED;
  }
  for (const [path, text] of Object.entries(filesOf(basename(folder)))) {
    mkdirSync(join(folder, path, '..'), { recursive: true });
    writeFileSync(join(folder, path), text);
  }
  // As a shell takes it, also with a space in it.
  const typed = /[^\w./~+-]/.test(name) ? `'${name.replaceAll("'", "'\\''")}'` : name;
  process.stdout.write(`${folder} is there. Next:\n\n  cd ${typed}\n  npm install\n  npm start\n  npm test\n`);
  return DONE;
}

function filesOf(folder: string): Record<string, string> {
  const { version } = createRequire(import.meta.url)('percore/package.json') as { version: string };
  const manifest = {
    // What npm allows in a name.
    name: folder.toLowerCase().replace(/[^a-z0-9._-]+/g, '-').replace(/^[._-]+/, '') || 'project',
    version: '0.0.0', private: true, type: 'module', engines: { node: '>=20.19' },
    scripts: {
      build: 'tsc', start: 'npm run --silent build && node dist/src/main.js',
      test: 'npm run --silent build && node --test dist/test/*.test.js',
    },
    dependencies: { percore: `^${version}` },
    devDependencies: { '@types/node': '^20.19.0', typescript: '>=5.9' },
  };
  const compilerOptions = {
    target: 'es2022', lib: ['es2023', 'esnext.disposable'], module: 'nodenext', types: ['node'],
    rootDir: '.', outDir: 'dist', strict: true, skipLibCheck: true,
  };
  const json = (value: object): string => `${JSON.stringify(value, undefined, 2)}\n`;
  return {
    'package.json': json(manifest),
    'tsconfig.json': json({ compilerOptions, include: ['src', 'test'] }),
    '.gitignore': 'node_modules/\ndist/\n',
    'src/reactor.ts': REACTOR, 'src/main.ts': MAIN, 'test/sum.test.ts': TEST,
  };
}

const REACTOR = `import type { Reactor } from 'percore';

/** What may be called, with the types of argument and answer. */
export interface Services {
  calls: { sum(numbers: readonly number[]): number };
}

/** Runs once in every reactor, which is a thread with a core of its own. */
export default function start(reactor: Reactor<Services>): void {
  reactor.handle('sum', (numbers) => numbers.reduce((sum, each) => sum + each, 0));
}
`;

const MAIN = `import { createRuntime } from 'percore';
import type { Services } from './reactor.js';

const runtime = await createRuntime<Services>({ entry: new URL('./reactor.js', import.meta.url) });
try {
  console.log(\`\${runtime.reactors} reactors; 1 + 2 + 3 = \${await runtime.call('sum', [1, 2, 3])}\`);
} finally {
  await runtime.close();
}
`;

const TEST = `import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createRuntime } from 'percore';
import type { Services } from '../src/reactor.js';

test('sums in each reactor', async () => {
  const entry = new URL('../src/reactor.js', import.meta.url);
  const runtime = await createRuntime<Services>({ entry, reactors: 2 });
  try {
    for (const reactor of [0, 1]) assert.equal(await runtime.call('sum', [1, 2, 3], { reactor }), 6);
  } finally {
    await runtime.close();
  }
});
`;
