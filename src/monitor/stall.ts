/** Stalls: the threshold of the watch that `createRuntime({ stall })` made, changed while it runs. */
import { invalidArgument } from '../errors.js';
import type { Runtime, StallOptions } from '../reactor/index.js';
import { controllerOf } from '../reactor/internal.js';

/**
 * Changes how long a step may take before it is a stall, and how many are reported a minute; what is left out stays as
 * it is. The runtime must have been made with `stall`. It takes effect at the next look, an eighth of the threshold
 * later. Does not block. Throws ERR_PERCORE_INVALID_ARGUMENT.
 *
 *     const runtime = await createRuntime({ entry, stall: true });
 *     runtime.on('stalled', ({ reactorId, task, ns, stack }) => console.warn(reactorId, task, ns, stack));
 *     setStall(runtime, { thresholdMs: 50 });
 */
export function setStall(runtime: Runtime, options: StallOptions): void {
  const { stalls } = controllerOf(runtime);
  if (stalls === undefined) {
    throw invalidArgument('runtime', runtime, 'one that watches for stalls: createRuntime({ stall: true })');
  }
  stalls.set(options);
}
