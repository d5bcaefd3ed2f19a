/**
 * What others may know of a rate controller while it runs: five numbers in shared memory that it alone writes. A
 * counters page carries them to other languages, where a timer follows them: examples/observe/percore_page.py.
 *
 *      rate in Hz | last tick | next tick, as planned | p99 of the jitter | most      times by CLOCK_MONOTONIC
 */
import { invalidArgument } from '../errors.js';
import type { JitterStats } from './jitter.js';

const NUMBERS = 5;

/**
 * Memory for the state of one rate controller. Hand it to the controller as `state` and, by `data` of a runtime or
 * workerData, to whoever reads it.
 *
 *     const state = createRateState();
 *     publishCounters(runtime, { rates: { camera: state } });
 *     new RateController({ surface, tokens, emit, state });
 */
export function createRateState(): Float64Array {
  return new Float64Array(new SharedArrayBuffer(NUMBERS * 8));
}

export function checkRateState(argument: string, state: unknown): void {
  if (state instanceof Float64Array && state.length === NUMBERS) return;
  throw invalidArgument(argument, state, 'what createRateState() of percore/timers returns');
}

/** A tick has come at `actualNs`, and the next is planned for `nextNs`. */
export function showTick(
  state: Float64Array, rateHz: number, originNs: number, actualNs: number, nextNs: number,
): void {
  state[0] = rateHz;
  state[1] = originNs + actualNs;
  state[2] = originNs + nextNs;
}

export function showJitter(state: Float64Array, { p99Ns, maxNs }: JitterStats): void {
  state[3] = p99Ns;
  if (maxNs > state[4]!) state[4] = maxNs;
}
