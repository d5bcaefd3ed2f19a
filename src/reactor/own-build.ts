/**
 * Which build of the package a thread runs. A reactor's thread and the one that starts it have to run the same: what
 * they say to each other is known to one build alone.
 */
import { PercoreError } from '../errors.js';
import { layoutHash } from '../layout-hash.js';

export interface OwnBuild {
  /** That of package.json. */
  readonly version: string;
  readonly layout: string;
  /** A hash of the text of the core; undefined where the package is not in scripts: a checkout, an app's bundle. */
  readonly code: string | undefined;
}

/** scripts/build.mjs defines this constant in what users load. */
declare const PERCORE_VERSION: string | undefined;
/** See own-code.ts; the first one is the core. */
declare const percoreScripts: readonly { readonly build: string }[] | undefined;

const SHOWN = 12;

/** The build of this thread. */
export const ownBuild = (): OwnBuild => ({
  version: typeof PERCORE_VERSION === 'string' ? PERCORE_VERSION : 'of a checkout',
  layout: layoutHash(),
  code: typeof percoreScripts === 'object' ? percoreScripts[0]?.build : undefined,
});

/**
 * Throws ERR_PERCORE_LAYOUT_MISMATCH unless the thread that has started this one runs the same build; `theirs` is
 * undefined if it is too old to say. `own` is for tests.
 */
export function checkBuild(theirs: OwnBuild | undefined, own: OwnBuild = ownBuild()): void {
  const hasOtherCode = theirs?.code !== undefined && own.code !== undefined && theirs.code !== own.code;
  if (theirs?.version === own.version && theirs.layout === own.layout && !hasOtherCode) return;
  throw new PercoreError(
    'ERR_PERCORE_LAYOUT_MISMATCH',
    `this thread of a reactor runs percore ${nameOf(own)}, and the thread that has started it runs `
      + `${theirs === undefined ? 'an older one' : `percore ${nameOf(theirs)}`}. If the package was replaced while the `
      + 'program runs, start the program again; if it is bundled, bundle it anew, and let PERCORE_WORKER_PATH name the '
      + 'worker-main.js of the same build',
    { value: theirs && nameOf(theirs), allowed: nameOf(own) },
  );
}

const nameOf = ({ version, layout, code = layout }: OwnBuild): string => `${version} (build ${code.slice(0, SHOWN)})`;
