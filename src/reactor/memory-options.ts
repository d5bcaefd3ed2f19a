/** The option `memory` of createRuntime: what is there before it is needed. */
import { checkBoolean, checkOptions } from '../errors.js';
import { inboxBytes } from '../layout.js';
import { lockedBytes, lockMemory, prefault, useHugePages } from '../realtime/index.js';
import type { SharedRuntime } from './shared.js';

/** What becomes of the memory of a runtime before it is used. All of it is off unless it is asked for. */
export interface MemoryOptions {
  /** All memory of the process stays in memory: `lockMemory`. */
  readonly lock?: boolean;
  /**
   * Lanes, and a MiB of each reactor's stack, are there before the first message. There are 16 lanes of `laneBytes` for
   * each pair of parties, the main thread among them: 36 MiB for two reactors, 324 MiB for eight.
   */
  readonly prefault?: boolean;
  /** Asks for pages of 2 MiB under the lanes. Without it they have none: a lane that is hardly used takes 4 KiB. */
  readonly hugePages?: boolean;
}

/** What was asked of memory, and granted. */
export interface MemoryStatus {
  readonly asked: MemoryOptions;
  /** Bytes of the process that are locked now. */
  readonly lockedBytes: number;
  /** Why something was not granted. */
  readonly refusals: readonly string[];
}

/** Bytes of a reactor's stack that are touched: Node gives a worker 4 MiB. */
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
  // An inbox may be larger than what is used of it.
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
  if (asked.prefault) attempt(() => lanes.forEach((lane) => prefault(lane)));
  return refusals;
}

export function memoryStatus(asked: Required<MemoryOptions>, refusals: readonly string[]): MemoryStatus {
  return { asked: { ...asked }, lockedBytes: lockedBytes(), refusals: [...refusals] };
}
