/**
 * The only file that touches the addon: finds it, loads it on first use and checks the layout handshake. What the addon
 * gives is typed in native/index.ts, by capability; where there is none, the backend of portable/ takes its place.
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
 * The backend's groups of functions, loaded once in each thread: the addon's, or the portable ones. Throws
 * ERR_PERCORE_LAYOUT_MISMATCH; ERR_PERCORE_NATIVE_UNAVAILABLE where PERCORE_BACKEND is "native" and there is no addon;
 * and ERR_PERCORE_INVALID_ARGUMENT where it is no backend.
 */
export function native(): Native {
  return (chosen ??= chooseBackend(load, portableBackend)).groups;
}

/** Which backend this thread runs on, and why it is not the addon. Loads it; throws as `native` does. */
export function backendInForce(): Pick<Choice, 'backend' | 'reason'> {
  native();
  return chosen!;
}

/** For a simulator: what stands in for the addon in this thread from now on. Returns what did so before. */
export function replaceNative(other: Native): Native {
  const before = native();
  chosen = { ...chosen!, groups: other };
  return before;
}

function load(): Native {
  const tried: string[] = [];
  let isForbidden = false;
  const named = process.env['PERCORE_NATIVE_PATH'];
  // A relative path is meant from where the program was started, or from the bundle that this module lies in.
  const candidates = named === undefined || named === '' ? []
    : [resolve(named), isAbsolute(named) ? undefined : besideModule(import.meta.url, named)];
  // A checkout has its own build, an installation the package of its platform.
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
 * What to do about a missing addon: who works on Percore builds it, who uses it looks at how it was installed or
 * bundled.
 */
function remedy(): string {
  if (process.platform !== 'linux') return 'Percore runs on Linux alone';
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
 * A path beside the module that calls, or beside the bundle that it has become part of; undefined where a bundler has
 * left no trace of it. `url` is the module's import.meta.url, which a CommonJS bundle does not have.
 */
export function besideModule(url: string | undefined, relative: string): string | undefined {
  if (url?.startsWith('file:') === true) return fileURLToPath(new URL(relative, url));
  return typeof __dirname === 'string' ? resolve(__dirname, relative) : undefined;
}

/**
 * Where the program of a thread or of a reactor lies that the package brings along: beside the module that calls, or,
 * in a bundle of an application, beside the file that PERCORE_WORKER_PATH names. The first of these where it is, else
 * where it should be; never throws.
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
