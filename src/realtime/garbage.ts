/**
 * Garbage collections at a moment that the program chooses. V8 collects when its young generation is full, in the
 * middle of whatever runs; collecting while there is nothing to do takes that time from no later work.
 */
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { checkOneOf } from '../errors.js';

/** 'minor': the young generation, a millisecond or so; 'major': all of the heap. */
export type CollectionKind = 'minor' | 'major';
export const COLLECTION_KINDS: readonly CollectionKind[] = ['minor', 'major'];

type Collect = (options?: { readonly type: 'minor' }) => void;
let found: Collect | undefined;

/**
 * Collects garbage of the calling thread now; blocks for as long as that takes. False if this Node offers no way to do
 * so. Works without `--expose-gc`. Throws ERR_PERCORE_INVALID_ARGUMENT.
 */
export function collectGarbage(kind: CollectionKind = 'minor'): boolean {
  checkOneOf('kind', kind, COLLECTION_KINDS);
  found ??= (globalThis as { gc?: Collect }).gc ?? findCollect();
  // Without options it collects everything; Node 20 takes any options to mean the young generation.
  if (kind === 'minor') found?.({ type: 'minor' });
  else found?.();
  return found !== undefined;
}

/** V8 gives the function to each context that is made while the flag is set. */
function findCollect(): Collect | undefined {
  try {
    setFlagsFromString('--expose-gc');
    const collect: unknown = runInNewContext('gc');
    return typeof collect === 'function' ? collect as Collect : undefined;
  } catch {
    // A Node that has frozen its flags, or was built without the function: then nothing can be collected by hand.
    return undefined;
  }
}
