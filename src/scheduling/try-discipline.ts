import { checkInteger, checkOptions, invalidArgument, messageOf, show } from '../errors.js';
import { BANDS } from '../layout.js';
import { CheckedDiscipline } from './checked-discipline.js';
import { Random } from '../random.js';
import { checkOwn } from './own-discipline.js';
import type { Discipline } from './discipline.js';
import type { Ready } from './ready.js';

/** Numbers for `tryDiscipline`. */
export interface TryOptions {
  /** Which random steps: any integer of 32 bits. Default 1. */
  seed?: number;
  /** How many of them: 1 to 10^8. Default 100,000. */
  steps?: number;
}

/**
 * Tests a discipline of your own without a runtime: random pushes, selections and charges, and finally everything is
 * taken out. Throws ERR_PERCORE_DISCIPLINE, which says what was wrong, if it throws, loses something, selects what it
 * does not have, or answers `isEmpty` wrongly. The same seed gives the same steps. Runs on the calling thread; 100,000
 * steps take some tens of milliseconds.
 *
 *     tryDiscipline(() => new LastComeFirst(), { seed: 7, steps: 1e6 });
 */
export function tryDiscipline(make: () => Discipline, options?: TryOptions): void {
  if (typeof make !== 'function') throw invalidArgument('make', make, 'a function that returns a new discipline');
  const given = checkOptions('options', options, ['seed', 'steps']);
  const steps = checkInteger('options.steps', given.steps ?? 100_000, 1, 1e8);
  const random = new Random(checkInteger('options.seed', given.seed ?? 1, -(2 ** 31), 2 ** 32 - 1));
  const own = checkOwn('make()', make());
  const checked = new CheckedDiscipline(own, (error) => {
    throw error;
  });
  const idle: Ready[] = Array.from({ length: 64 }, (_, i) => ({ band: i % BANDS, isReady: false, run: () => false }));
  let count = 0;
  const select = (): void => {
    const ready = checked.select()!;
    ready.isReady = false;
    idle.push(ready);
    count--;
    checked.hasAbove(ready.band);
    checked.charge?.(ready.band, random.below(1_000_000));
  };
  for (let step = 0; step < steps; step++) {
    const at = random.below(idle.length + count);
    if (at < idle.length) {
      const [ready] = idle.splice(at, 1) as [Ready];
      ready.isReady = true;
      checked.push(ready);
      count++;
    } else {
      select();
    }
    checkEmpty(own, checked, count);
  }
  while (count > 0) select();
  checkEmpty(own, checked, count);
}

function checkEmpty(own: Discipline, checked: CheckedDiscipline, count: number): void {
  let isEmpty: unknown;
  try {
    ({ isEmpty } = own);
  } catch (cause) {
    checked.fault(`isEmpty threw: ${messageOf(cause)}`, cause);
  }
  if (isEmpty !== (count === 0)) checked.fault(`isEmpty was ${show(isEmpty)} while ${count} waited`);
}
