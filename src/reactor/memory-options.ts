/** The option `memory` of createRuntime: memory that is present before it is needed. */
import { checkBoolean, checkOptions } from '../errors.js';
import { inboxBytes } from '../layout.js';
import { lockedBytes, lockMemory, prefault, useHugePages } from '../realtime/index.js';
import { memoryLeft } from '../realtime/internal.js';
import type { SharedRuntime } from './shared.js';

/** What happens to the memory of a runtime before it is used. Everything is off unless it is asked for. */
export interface MemoryOptions {
  /** All memory of the process stays in memory: `lockMemory`. */
  readonly lock?: boolean;
  /**
   * Lanes, and a MiB of each reactor's stack, are present before the first message. There are 16 lanes of `laneBytes`
   * for each pair of parties, including the main thread: 36 MiB for two reactors, 324 MiB for eight.
   */
  readonly prefault?: boolean;
  /** Asks for pages of 2 MiB under the lanes. Without it they have none: a lane that is hardly used takes 4 KiB. */
  readonly hugePages?: boolean;
}

/** What was asked of memory, and what was granted. */
export interface MemoryStatus {
  /** What `createRuntime` was given. */
  readonly asked: MemoryOptions;
  /** How many bytes of the process are locked now. */
  readonly lockedBytes: number;
  /** Why something was not granted. */
  readonly refusals: readonly string[];
}

/** How much of a reactor's stack is touched: Node gives a worker 4 MiB. */
export const STACK_BYTES = 2 ** 20;

/** Throws ERR_PERCORE_INVALID_ARGUMENT. */
export function checkMemory(options: MemoryOptions | undefined): Required<MemoryOptions> {
  const { lock = false, prefault: isTouched = false, hugePages = false } = checkOptions(
    'memory', options, ['lock', 'prefault', 'hugePages'],
  );
  return {
    lock: checkBoolean('memory.lock', lock), prefault: checkBoolean('memory.prefault', isTouched),
    hugePages: checkBoolean('memory.hugePages', hugePages),
  };
}

/** Does what was asked for these lanes. Returns why something was refused. */
export function prepareMemory(
  asked: Required<MemoryOptions>, { inboxes, reactors, laneBytes }: SharedRuntime,
): string[] {
  const refusals: string[] = [];
  // An inbox may be larger than the part of it that is used.
  const lanes = inboxes.map((inbox) => new Uint8Array(inbox, 0, inboxBytes(reactors + 1, laneBytes)));
  const attempt = (what: () => void): void => {
    try {
      what();
    } catch (error) {
      refusals.push((error as Error).message);
    }
  };
  if (asked.hugePages) attempt(() => lanes.forEach((lane) => useHugePages(lane, true)));
  if (asked.lock) attempt(lockMemory);
  if (asked.prefault) {
    const refusal = whyNotTouched(lanes.reduce((sum, lane) => sum + lane.byteLength, 0) + reactors * STACK_BYTES);
    if (refusal === undefined) attempt(() => lanes.forEach((lane) => prefault(lane)));
    else refusals.push(refusal);
  }
  return refusals;
}

/** The kernel would end a process that touches more than its cgroup has. */
function whyNotTouched(bytes: number): string | undefined {
  const left = memoryLeft();
  const mib = (amount: number): string => `${Math.ceil(amount / 2 ** 20)} MiB`;
  return bytes < left ? undefined
    : `memory.prefault: lanes and stacks take ${mib(bytes)}, and the memory limit of the cgroup leaves ${mib(left)}, `
      + 'so the lanes are not touched beforehand. To have it: a smaller laneBytes, fewer reactors, or a higher limit '
      + '(container: --memory)';
}

export function memoryStatus(asked: Required<MemoryOptions>, refusals: readonly string[]): MemoryStatus {
  return { asked: { ...asked }, lockedBytes: lockedBytes(), refusals: [...refusals] };
}
