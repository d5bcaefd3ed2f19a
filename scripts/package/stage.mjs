// Makes the packages, as folders and as tarballs.
import { copyFileSync, cpSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { TARGETS } from './targets.mjs';
import { neededTypes } from './types.mjs';
import { run } from './zig.mjs';

/**
 * The parts of a checkout's manifest that a package does not have: how it is built, tested and kept from being
 * published.
 */
const OF_THE_CHECKOUT = ['private', 'scripts', 'devDependencies', 'overrides'];

/** Makes the folder of the main package in `out`: JavaScript, types, the command, and the sources of the addon. */
export function stageMain(root, out) {
  const folder = join(out, 'percore');
  const manifest = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
  const [{ files }] = JSON.parse(run('npm', ['pack', '--dry-run', '--json', '--ignore-scripts'], root));
  // A quarter of all declarations is of modules that no user comes to.
  const types = neededTypes(root, manifest.exports);
  const isNeeded = (path) => !path.endsWith('.d.ts') || types.has(path);
  for (const { path } of files.filter((file) => isNeeded(file.path))) copyInto(folder, path, join(root, path));
  for (const name of OF_THE_CHECKOUT) delete manifest[name];
  manifest.optionalDependencies = Object.fromEntries(
    TARGETS.map(({ name }) => [`@percore/${name}`, manifest.version]),
  );
  writeManifest(folder, manifest);
  return folder;
}

/** Makes the folder of the package for one platform: the addon, and a manifest that names the platform. */
export function stagePlatform(root, out, target, addon) {
  const { version, license, engines } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
  const folder = join(out, target.name);
  copyInto(folder, 'percore.node', addon);
  for (const name of ['LICENSE', 'THIRD-PARTY-NOTICES.txt']) copyInto(folder, name, join(root, name));
  writeManifest(folder, {
    name: `@percore/${target.name}`, version, license, type: 'commonjs', engines,
    description: `The compiled part of percore for ${target.name}`,
    main: './percore.node', files: ['percore.node', 'THIRD-PARTY-NOTICES.txt'],
    os: ['linux'], cpu: [target.cpu], libc: [target.libc],
    preferUnplugged: true,
  });
  writeFileSync(
    join(folder, 'README.md'),
    `# @percore/${target.name}\n\nThe compiled part of percore for ${target.name}. Install \`percore\`: it brings this `
      + 'package along where it fits.\n',
  );
  return folder;
}

/** Packs a folder into a tarball in `out`. Returns its path, and its size in bytes. */
export function pack(folder, out) {
  mkdirSync(out, { recursive: true });
  const said = run('npm', ['pack', '--json', '--ignore-scripts', '--pack-destination', out], folder);
  const [{ filename, size }] = JSON.parse(said);
  return { path: join(out, filename.replace('@', '').replace('/', '-')), size };
}

/** Makes the folder of a package as it would be after an installation. */
export function install(folder, project, name) {
  cpSync(folder, join(project, 'node_modules', name), { recursive: true });
}

function copyInto(folder, path, from) {
  mkdirSync(dirname(join(folder, path)), { recursive: true });
  copyFileSync(from, join(folder, path));
}

function writeManifest(folder, manifest) {
  writeFileSync(join(folder, 'package.json'), `${JSON.stringify(manifest, undefined, 2)}\n`);
}
