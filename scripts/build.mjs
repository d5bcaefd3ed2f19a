// Builds everything a checkout needs: TypeScript to dist/, native/layout.h from the compiled layout table, the addon.
// The addon is rebuilt by make, so an unchanged one costs a second. `--ts` stops before the addon.
import { spawnSync } from 'node:child_process';
import { existsSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = join(dirname(fileURLToPath(import.meta.url)), '..');
const require = createRequire(import.meta.url);

function run(title, command, args, cwd = root) {
  const result = spawnSync(command, args, { cwd, encoding: 'utf8' });
  if (result.status === 0) return;
  process.stderr.write(`${title} failed\n${result.stdout ?? ''}${result.stderr ?? ''}${result.error ?? ''}\n`);
  process.exit(1);
}

rmSync(join(root, 'dist'), { recursive: true, force: true });
run('TypeScript build', process.execPath, [join(dirname(require.resolve('typescript/package.json')), 'bin', 'tsc')]);
run('layout header', process.execPath, [join(root, 'native', 'generate-layout.mjs')]);
if (!process.argv.includes('--ts')) {
  const gyp = require.resolve('node-gyp/bin/node-gyp.js');
  const verbs = existsSync(join(root, 'native', 'build', 'Makefile')) ? ['build'] : ['configure', 'build'];
  run('addon build', process.execPath, [gyp, ...verbs], join(root, 'native'));
}
