// Builds everything a checkout needs: TypeScript to dist/, the package's few files from it, native/layout.h from the compiled layout
// table, the addon.
// The addon is rebuilt by make, so an unchanged one costs a second. `--ts` stops before the addon.
import { spawnSync } from 'node:child_process';
import { existsSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';

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
// What users import: few files in place of forty, since each module costs a worker 0.7 ms before its first call (docs/decisions).
const compiled = join(root, 'dist', 'src');
await build({
  entryPoints: {
    index: join(compiled, 'index.js'),
    queues: join(compiled, 'queues', 'index.js'),
    timers: join(compiled, 'timers', 'index.js'),
    io: join(compiled, 'io', 'index.js'),
    testing: join(compiled, 'testing', 'index.js'),
    'worker-main': join(compiled, 'reactor', 'worker-main.js'),
  },
  outdir: join(root, 'dist', 'percore'),
  bundle: true, splitting: true, format: 'esm', platform: 'node', target: 'node20', sourcemap: true, logLevel: 'warning',
});
run('layout header', process.execPath, [join(root, 'native', 'generate-layout.mjs')]);
if (!process.argv.includes('--ts')) {
  const gyp = require.resolve('node-gyp/bin/node-gyp.js');
  const isFirst = !existsSync(join(root, 'native', 'build', 'Makefile'));
  const verbs = isFirst ? ['configure', 'build'] : ['build'];
  if (isFirst) process.stderr.write('building the addon: up to a minute, this once\n');
  run('addon build', process.execPath, [gyp, ...verbs], join(root, 'native'));
}
