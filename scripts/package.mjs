// Makes what is published: the package `percore`, and for each platform a package with the compiled addon, as tarballs
// in artifacts/. To be run after a build.
//
//   npm run package                          all platforms, with the cross compiler
//   npm run package -- linux-x64-gnu         the main package and these platforms
//   npm run package -- --own                 the main package and this platform, with the addon that was built here
//
// `--own` is for tests: that addon needs a glibc as new as this machine's.
import { mkdirSync, mkdtempSync, rmSync, statSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { compileAddon } from './package/addon.mjs';
import { pack, stageMain, stagePlatform } from './package/stage.mjs';
import { OWN, TARGETS } from './package/targets.mjs';
import { zigCompiler } from './package/zig.mjs';

const root = join(dirname(fileURLToPath(import.meta.url)), '..');
const out = join(root, 'artifacts');
const cache = process.env.PERCORE_ZIG_CACHE ?? join(root, 'node_modules', '.cache', 'percore');
const isOwn = process.argv.includes('--own');
const names = process.argv.slice(2).filter((argument) => !argument.startsWith('--'));
const unknown = names.filter((name) => TARGETS.every((target) => target.name !== name));
if (unknown.length > 0) {
  const known = TARGETS.map(({ name }) => name).join(', ');
  process.stderr.write(`no such platform: ${unknown.join(', ')}; there are ${known}\n`);
  process.exit(2);
}
const wanted = TARGETS.filter(({ name }) => (isOwn ? name === OWN : names.length === 0 || names.includes(name)));

mkdirSync(out, { recursive: true });
const scratch = mkdtempSync(join(out, 'making-'));
try {
  report(pack(stageMain(root, scratch), out));
  for (const target of wanted) {
    const addon = isOwn ? join(root, 'native', 'build', 'Release', 'percore.node') : await compileAddon({
      root, target, zig: zigCompiler(cache), cache: join(cache, 'objects'), folder: join(scratch, `for-${target.name}`),
    });
    report(pack(stagePlatform(root, scratch, target, addon), out));
  }
} finally {
  rmSync(scratch, { recursive: true, force: true });
}

function report({ path }) {
  process.stdout.write(`${path.slice(root.length + 1)} ${Math.ceil(statSync(path).size / 1024)} KiB\n`);
}
