/**
 * The only file that touches the addon: it finds the addon, loads it on first use and compares the layout hashes. The
 * types of the addon's functions are in native/index.ts, grouped by capability. Where no addon can be loaded, the
 * backend in portable/ takes its place.
 */
import { existsSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, isAbsolute, join, resolve } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { addonPackage, findAddon } from './addon-package.js';
import { PercoreError } from './errors.js';
import { layoutHash } from './layout-hash.js';
import type { Native } from './native/index.js';
import { chooseBackend, portableBackend, type Choice } from './portable/index.js';

export type * from './native/index.js';

let chosen: Choice | undefined;

/**
 * The groups of functions of this thread's backend, which is the addon or the portable one; loaded at the first call in
 * each thread. Throws ERR_PERCORE_LAYOUT_MISMATCH; ERR_PERCORE_NATIVE_UNAVAILABLE if PERCORE_BACKEND is "native" and no
 * addon can be loaded; and ERR_PERCORE_INVALID_ARGUMENT if PERCORE_BACKEND does not name a backend.
 */
export function native(): Native {
  return (chosen ??= chooseBackend(load, () => portableBackend())).groups;
}

/** Which backend this thread uses, and if it is not the addon, why. Loads the backend, and throws as `native` does. */
export function backendInForce(): Pick<Choice, 'backend' | 'reason'> {
  native();
  return chosen!;
}

/**
 * For the simulator: from now on `other` takes the addon's place in this thread. Returns what had that place before.
 */
export function replaceNative(other: Native): Native {
  const before = native();
  chosen = { ...chosen!, groups: other };
  return before;
}

function load(): Native {
  const tried: string[] = [];
  let isForbidden = false;
  const named = process.env['PERCORE_NATIVE_PATH'];
  // A relative path may be meant from the folder in which the program was started, or from the bundle with this module.
  const candidates = named === undefined || named === '' ? []
    : [resolve(named), isAbsolute(named) ? undefined : besideModule(import.meta.url, named)];
  // A checkout has a build of its own; an installed Percore has the package of its platform.
  candidates.push(besideModule(import.meta.url, '../../native/build/Release/percore.node'), addonPackage());
  const load = createRequire(pathToFileURL(resolve('percore.js')));
  for (const candidate of new Set(candidates)) {
    if (candidate === undefined) continue;
    const path = candidate.startsWith('@')
      ? findAddon(candidate, besideModule(import.meta.url, 'native.js') ?? resolve('percore.js')) : candidate;
    if (path === undefined) {
      tried.push(`${candidate}: not installed`);
      continue;
    }
    if (!existsSync(path)) {
      tried.push(`${path}: no such file`);
      continue;
    }
    try {
      return checkLayout(load(path) as Native, path);
    } catch (error) {
      if (error instanceof PercoreError) throw error;
      isForbidden ||= (error as NodeJS.ErrnoException).code === 'ERR_DLOPEN_DISABLED';
      tried.push(`${path}: ${(error as Error).message}`);
    }
  }
  const where = `${process.platform}-${process.arch}, Node ${process.version}`;
  const advice = isForbidden
    ? 'This process may not load addons: start Node with --allow-addons, or without --no-addons'
    : remedy();
  throw new PercoreError(
    'ERR_PERCORE_NATIVE_UNAVAILABLE',
    `the native addon could not be loaded on ${where}. ${advice}. Tried:\n  ${tried.join('\n  ')}`,
  );
}

/**
 * What to do about a missing addon. In a checkout it has to be built; otherwise something is wrong with how Percore was
 * installed or bundled.
 */
function remedy(): string {
  if (process.platform !== 'linux') {
    return 'The addon is made for Linux alone; elsewhere Percore runs on its portable backend';
  }
  const folder = besideModule(import.meta.url, '../..');
  if (folder !== undefined && existsSync(join(folder, 'scripts', 'build.mjs'))) {
    return 'Build it with "npm run build" (needs python3, make and g++)';
  }
  if (folder !== undefined && isThisPackage(join(folder, 'package.json'))) {
    const name = addonPackage();
    return name === undefined
      ? 'No package has one for this processor: build one in a checkout of the project '
        + '("npm install && npm run build"), and set PERCORE_NATIVE_PATH to its percore.node'
      : `It comes with the package ${name}, which is optional to npm: install it ("npm install ${name}"), and look `
        + 'whether --omit=optional or a lock file of another platform has left it out';
  }
  return 'This code is part of a bundle, into which no addon goes: leave percore out of the bundle '
    + '(esbuild: --external:percore), or set PERCORE_NATIVE_PATH to the percore.node of the installed package';
}

function isThisPackage(path: string): boolean {
  try {
    return (JSON.parse(readFileSync(path, 'utf8')) as { name?: unknown }).name === 'percore';
  } catch {
    return false;
  }
}

/**
 * Resolves a path relative to the calling module, or to the bundle that the module has become part of; undefined if a
 * bundler has removed every trace of where that is. `url` is the module's import.meta.url, which does not exist in a
 * CommonJS bundle.
 */
export function besideModule(url: string | undefined, relative: string): string | undefined {
  if (url?.startsWith('file:') === true) return fileURLToPath(new URL(relative, url));
  return typeof __dirname === 'string' ? resolve(__dirname, relative) : undefined;
}

/**
 * The path of a program that comes with the package and that a thread or a reactor runs. It lies beside the calling
 * module or, if Percore was bundled into an application, beside the file that PERCORE_WORKER_PATH names. Returns the
 * first of the two at which there is a file, or else the first one. Never throws.
 */
export function programPath(url: string | undefined, name: string): string {
  const beside = besideModule(url, name) ?? resolve(name);
  const worker = process.env['PERCORE_WORKER_PATH'];
  if (worker === undefined || worker === '' || existsSync(beside)) return beside;
  const besideWorker = join(dirname(resolve(worker)), name);
  return existsSync(besideWorker) ? besideWorker : beside;
}

function checkLayout(addon: Native, path: string): Native {
  const expected = layoutHash();
  if (addon.layoutHash !== expected) {
    throw new PercoreError(
      'ERR_PERCORE_LAYOUT_MISMATCH',
      `${path} was built for layout ${addon.layoutHash}, this build of percore has ${expected}. `
      + 'Run "npm run build" in a checkout to build both together; where it is installed, install both packages anew',
      { value: addon.layoutHash, allowed: expected },
    );
  }
  return addon;
}
