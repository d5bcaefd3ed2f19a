/**
 * The state of a rate controller for others to see while it runs: five numbers in shared memory that only the
 * controller writes. A counters page shows them to other languages, where a timer can follow them:
 * foreign/percore_page.py.
 *
 *      rate in Hz | last tick | next tick, as planned | p99 of the jitter | largest jitter    times by CLOCK_MONOTONIC
 */
import { invalidArgument } from '../errors.js';
import type { JitterStats } from './jitter.js';

const NUMBERS = 5;

/**
 * Makes memory for the state of one rate controller. Give it to the controller as `state`, and pass it to whoever reads
 * it by `data` of a runtime or by workerData.
 *
 *     const state = createRateState();
 *     publishCounters(runtime, { rates: { camera: state } });
 *     new RateController({ surface, tokens, emit, state });
 */
export function createRateState(): Float64Array {
  return new Float64Array(new SharedArrayBuffer(NUMBERS * 8));
}

/** Throws unless `state` is what `createRateState` returns: in other memory, other threads would see a copy. */
export function checkRateState(argument: string, state: unknown): void {
  if (state instanceof Float64Array && state.length === NUMBERS && state.buffer instanceof SharedArrayBuffer) return;
  throw invalidArgument(argument, state, 'what createRateState() of percore/timers returns');
}

/** Shows that a tick came at `actualNs` and that the next one is planned for `nextNs`. */
export function showTick(
  state: Float64Array, rateHz: number, originNs: number, actualNs: number, nextNs: number,
): void {
  state[0] = rateHz;
  state[1] = originNs + actualNs;
  state[2] = originNs + nextNs;
}

/** Shows the jitter of the last ticks. */
export function showJitter(state: Float64Array, { p99Ns, maxNs }: JitterStats): void {
  state[3] = p99Ns;
  if (maxNs > state[4]!) state[4] = maxNs;
}
