// Compiles the addon for one platform, from the sources that native/binding.gyp names.
import { mkdirSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { cpus } from 'node:os';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { execFile } from 'node:child_process';

const require = createRequire(import.meta.url);

/**
 * Compiles the addon for `target` into `folder`; resolves with its path. The C++ library is linked statically, so that
 * the addon needs nothing of the system except libc. `root` is the checkout.
 */
export async function compileAddon({ root, target, zig, cache, folder }) {
  const [{ sources, defines }] = JSON.parse(readFileSync(join(root, 'native', 'binding.gyp'), 'utf8')).targets;
  const objects = join(folder, 'objects');
  mkdirSync(objects, { recursive: true });
  const include = [nodeHeaders(), dirname(require.resolve('node-addon-api/package.json'))];
  const flags = [
    '-target', target.zig, '-std=gnu++20', '-O2', '-fPIC', '-fvisibility=hidden', '-fno-exceptions', '-fno-rtti',
    '-fno-sanitize=all', '-Wall', '-Wextra', ...defines.map((name) => `-D${name}`),
    ...include.map((path) => `-I${path}`),
  ];
  const env = { ...process.env, ZIG_GLOBAL_CACHE_DIR: cache, ZIG_LOCAL_CACHE_DIR: cache };
  const compile = (args) => promisify(execFile)(zig, ['c++', ...args], {
    cwd: join(root, 'native'), env, maxBuffer: 2 ** 28,
  });
  const pending = [...sources];
  const made = [];
  await Promise.all(cpus().map(async () => {
    for (let source = pending.shift(); source !== undefined; source = pending.shift()) {
      const object = join(objects, source.replace(/\.cc$/, '.o'));
      await compile([...flags, '-c', source, '-o', object]);
      made.push(object);
    }
  }));
  const addon = join(folder, 'percore.node');
  await compile(['-target', target.zig, '-shared', '-s', '-Wl,--gc-sections', '-o', addon, ...made.sort()]);
  return addon;
}

/** The folder with Node's headers: `npm_config_nodedir`, or beside this Node. They are the same on all platforms. */
function nodeHeaders() {
  const home = process.env.npm_config_nodedir ?? join(dirname(process.execPath), '..');
  return join(home, 'include', 'node');
}
