/**
 * The peers that are npm packages. Packages that are not dependencies of the repository are in a folder of their own,
 * in which bench/peers/install puts them. A package that is not installed is named on stderr and in the note of the
 * row, and left out.
 */
import { readFileSync } from 'node:fs';
import type { Contender } from '../../harness.js';
import { rootUrl } from '../../context.js';
import type { Present } from './programs.js';

/** The module to import, relative to the folder of the package; null if no row has a contender for it. */
const entries = {
  '@nxtedition/shared': null,
  'piscina': 'dist/esm-wrapper.mjs',
  'poolifier': 'lib/index.mjs',
  'ringbuf.js': 'dist/index.js',
  'shared-memory-disruptor': 'lib/disruptor.js',
  'thread-stream': 'index.js',
  'tinypool': 'dist/index.js',
} as const satisfies Record<string, string | null>;
export type PackageName = keyof typeof entries;
export const packageNames = Object.keys(entries) as PackageName[];

const folders = ['bench/peers/build/npm/node_modules/', 'node_modules/'];

export interface PackageTrial<Name extends string> {
  readonly package: PackageName;
  /** Makes the contender; `entry` is the URL of the module. Left out if no row runs the package. */
  readonly contender?: (entry: string) => Contender<Name>;
}

/** The place and version of a package; undefined if it is not installed. */
export function findPackage(name: PackageName): { readonly entry: string; readonly version: string } | undefined {
  for (const folder of folders) {
    const url = new URL(`${folder}${name}/`, rootUrl);
    try {
      const { version } = JSON.parse(readFileSync(new URL('package.json', url), 'utf8')) as { version: string };
      return { entry: new URL(entries[name] ?? '', url).href, version: `${name} ${version}` };
    } catch {
      // The package is not in this folder.
    }
  }
  return undefined;
}

/** Contenders of those `trials` whose packages are installed. */
export function packages<Name extends string>(trials: readonly PackageTrial<Name>[]): Present<Name> {
  const present: Contender<Name>[] = [];
  const [versions, missing] = [new Set<string>(), new Set<string>()];
  for (const { package: name, contender } of trials) {
    const found = findPackage(name);
    if (found === undefined || contender === undefined) {
      missing.add(name);
      const why = found === undefined ? 'bench/peers/install did not bring it' : 'no row has it';
      process.stderr.write(`peers/${name} is left out: ${why}\n`);
      continue;
    }
    versions.add(found.version);
    present.push(contender(found.entry));
  }
  return { present, versions, missing };
}
