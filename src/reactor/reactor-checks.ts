/** Checks of what users pass to a reactor. Each throws ERR_PERCORE_INVALID_ARGUMENT, which says what would be right. */
import { checkBytes, checkFunction, checkInteger, checkOptions, invalidArgument } from '../errors.js';
import { BANDS } from '../layout.js';
import { bandOfClass, DEFAULT_BAND, type DeclaredClass } from '../scheduling/internal.js';
import type { CallOptions } from './calls.js';
import { checkName } from './names.js';
import { isOptions, wrongOptions } from './options.js';
import type { ReadOptions, SpawnOptions } from './reactor-options.js';

const READ_OPTIONS = ['priority', 'class', 'concurrency', 'whenSlow', 'evictAfterMs', 'name', 'after', 'quantum'];
const SPAWN_OPTIONS = ['name', 'priority', 'class', 'capacity', 'concurrency'];
const CALL_OPTIONS = ['reactor', 'key', 'priority', 'timeoutMs', 'signal'];

/** The band, or the default one. */
export function checkBand(priority: number | undefined): number {
  return priority === undefined ? DEFAULT_BAND : checkInteger('priority', priority, 0, BANDS - 1);
}

/** The band of a class, or of a priority, of which only one may be given; else the default band. */
export function checkBandOrClass(
  given: { readonly priority?: number; readonly class?: string }, classes: readonly DeclaredClass[],
): number {
  if (given.class === undefined) return checkBand(given.priority);
  if (given.priority === undefined) return bandOfClass(classes, given.class);
  throw invalidArgument('class', given.class, 'left out where priority is given: a class has a priority of its own');
}

/** Options of `spawn`, complete. */
export function checkSpawn(
  options: SpawnOptions, step: unknown, classes: readonly DeclaredClass[],
): { name: string; band: number; capacity: number; concurrency: number } {
  if (!isOptions(options, 'name', 'priority', 'class', 'capacity', 'concurrency')) {
    throw wrongOptions('spawn', options, SPAWN_OPTIONS);
  }
  const name = checkName('name', options.name);
  checkFunction('step', step);
  return {
    name,
    band: checkBandOrClass(options, classes),
    capacity: checkInteger('capacity', options.capacity ?? 1024, 1, 2 ** 20),
    concurrency: checkConcurrency(options.concurrency),
  };
}

export function checkConcurrency(concurrency: number | undefined): number {
  return concurrency === undefined ? Infinity : checkInteger('concurrency', concurrency, 1, 2 ** 20);
}

export function checkCallOptions(name: string, options: CallOptions): CallOptions {
  if (isOptions(options, 'reactor', 'key', 'priority', 'timeoutMs', 'signal')) return options;
  const isObject = typeof options === 'object' && options !== null;
  return checkOptions(isObject ? `call("${name}")` : `options of call("${name}")`, options, CALL_OPTIONS);
}

export function checkKey(key: unknown): Uint8Array {
  try {
    return checkBytes('key', key);
  } catch {
    const hint = typeof key === 'number' || typeof key === 'bigint' ? ` (of a number: String(${key}))` : '';
    throw invalidArgument('key', key, `a string or a Uint8Array${hint}`);
  }
}

export function checkReadOptions(options: ReadOptions): ReadOptions {
  return checkOptions('options', options, READ_OPTIONS);
}
