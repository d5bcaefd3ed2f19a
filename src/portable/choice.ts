/**
 * Which backend a thread runs on: the addon if there is one, else the portable one, unless PERCORE_BACKEND says
 * otherwise.
 *
 *     PERCORE_BACKEND   | addon fits | no addon fits
 *     left out, empty   | native     | portable, with one warning in the process
 *     native            | native     | ERR_PERCORE_NATIVE_UNAVAILABLE
 *     portable          | portable   | portable
 *
 * A thread that was started by one on the portable backend runs on it too, because they must have the same wakers.
 */
import { checkOneOf, PercoreError } from '../errors.js';
import type { Native } from '../native/index.js';
import { isInherited } from './wakers.js';

/** The backend of this thread, and why it is not the addon. */
export interface Choice {
  readonly backend: 'native' | 'portable';
  /** Empty for the addon. */
  readonly reason: string;
  readonly groups: Native;
}

/** Throws ERR_PERCORE_INVALID_ARGUMENT for another PERCORE_BACKEND, and what `load` throws if nothing may stand in. */
export function chooseBackend(load: () => Native, portable: () => Native): Choice {
  const wish = process.env['PERCORE_BACKEND'] || 'any';
  if (wish !== 'any') checkOneOf('PERCORE_BACKEND', wish, ['native', 'portable']);
  const standIn = (reason: string): Choice => ({ backend: 'portable', reason, groups: portable() });
  if (wish === 'portable') return standIn('PERCORE_BACKEND=portable');
  if (wish === 'any' && isInherited()) return standIn('the thread that has started this one runs on it');
  try {
    return { backend: 'native', reason: '', groups: load() };
  } catch (error) {
    // An addon of another build is a mistake, not a platform without one.
    if (wish === 'native' || (error as PercoreError).code !== 'ERR_PERCORE_NATIVE_UNAVAILABLE') throw error;
    const { message } = error as PercoreError;
    process.emitWarning(
      `${message}\nThe portable backend stands in: nothing is pinned, and messages, timers and I/O are slower. `
        + 'PERCORE_BACKEND=portable says that this is meant; PERCORE_BACKEND=native makes it an error.',
      { code: 'PERCORE_PORTABLE' },
    );
    return standIn(message.split('\n')[0]!);
  }
}
