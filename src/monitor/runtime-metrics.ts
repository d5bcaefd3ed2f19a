/** Four figures of a whole runtime, reported at intervals: the first ones that anybody looks at. */
import { checkFunction, checkInteger, checkOptions } from '../errors.js';
import { Histogram, HISTOGRAM_WORDS } from '../observe/index.js';
import { RESPONSE } from '../observe/internal.js';
import type { Runtime } from '../reactor/index.js';
import { checkOpen, controllerOf } from '../reactor/internal.js';
import { tablesOf } from './metrics.js';
import { untilClosed } from './until-closed.js';

/** Since the runtime's start, over all parties. */
export interface RuntimeMetrics {
  /** Steps begun. */
  readonly scheduled: number;
  /** Messages that steps have taken. */
  readonly completed: number;
  /** From ready to done. */
  readonly averageNs: number;
  /** The response that 99 of 100 did not exceed, in nanoseconds. */
  readonly p99Ns: number;
}

/**
 * Calls `callback` every `everyMs` (10 to 2^31 - 1, default 1,000) with four figures of the runtime, until the runtime
 * closes or the returned function is called. The runtime must have been made with `metrics: true`. Does not keep the
 * program running. What `callback` throws is an uncaught exception of the main thread. Throws
 * ERR_PERCORE_INVALID_ARGUMENT.
 *
 *     const stop = onMetrics(runtime, { everyMs: 5000 }, ({ completed, p99Ns }) => console.log(completed, p99Ns));
 */
export function onMetrics(
  runtime: Runtime, options: { readonly everyMs?: number }, callback: (metrics: RuntimeMetrics) => void,
): () => void {
  const controller = controllerOf(runtime);
  const { everyMs = 1000 } = checkOptions('options', options, ['everyMs']);
  checkInteger('everyMs', everyMs, 10, 2 ** 31 - 1);
  checkFunction('callback', callback);
  checkOpen(controller, 'onMetrics');
  const tables = tablesOf(controller.main, runtime);
  const timer = setInterval(() => {
    const all = new Histogram(new Uint32Array(HISTOGRAM_WORDS));
    const slots = tables.flatMap(({ table }) => table.slots());
    for (const { histograms } of slots) all.add(histograms[RESPONSE]!);
    callback({
      scheduled: slots.reduce((sum, slot) => sum + slot.count('steps'), 0),
      completed: slots.reduce((sum, slot) => sum + slot.count('messages'), 0),
      averageNs: all.mean(), p99Ns: all.percentile(0.99),
    });
  }, everyMs).unref();
  return untilClosed(controller, () => clearInterval(timer));
}
