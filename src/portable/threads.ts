/** The calling thread, as far as Node tells about it. Nothing is pinned. */
import { readFileSync, readlinkSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import type { NativeSystem, NativeThreads } from '../native/index.js';
import { ENOSYS, errorName, missing } from './errno.js';

/** Timers of Node count whole milliseconds, so a sleep may end this much late. */
const SLACK_NS = 1_000_000;

/** Of the resources that keep this thread's loop going, those of this backend, by the names that Node uses. */
const own = { Timeout: 0, Immediate: 0 };

/** Counts one that has appeared (1) or gone (-1). */
export function countOwn(kind: keyof typeof own, change: 1 | -1): void {
  own[kind] += change;
}

/** Keeps this thread's loop going while it is held. `isOurs`: nobody waits for anything by it. */
export class Hold {
  private timer: NodeJS.Timeout | undefined;

  constructor(private readonly isOurs = false) {}

  set(isHeld: boolean): void {
    if (isHeld === (this.timer !== undefined)) return;
    // Without a descriptor: a timer that never fires.
    if (isHeld) this.timer = setInterval(() => undefined, 2 ** 30);
    else clearInterval(this.timer);
    if (this.isOurs) countOwn('Timeout', isHeld ? 1 : -1);
    if (!isHeld) this.timer = undefined;
  }
}

export const system: NativeSystem = { errorName, freshPages: () => -ENOSYS };

export const threads: NativeThreads = {
  id() {
    try {
      // "4711/task/4713", of the thread that reads it. Only Linux has it.
      return Number(readlinkSync('/proc/thread-self').split('/').at(-1));
    } catch {
      return 0;
    }
  },
  setName: () => undefined,
  getAffinity() {
    const allowed = allowedCpus();
    return allowed.length > 0 ? allowed : Array.from({ length: availableParallelism() }, (_, cpu) => cpu);
  },
  setAffinity() {
    throw missing('sched_setaffinity');
  },
  getAffinityOf: () => [],
  setAffinityOf: () => -ENOSYS,
  getTimerSlack: () => SLACK_NS,
  setTimerSlack: () => SLACK_NS,
  // It always has Node's timers, which its capabilities say.
  exactSleep: () => 0,
  setChildPlace: () => undefined,
  isLoopAlive() {
    const left: Record<string, number> = { ...own };
    // Node counts them although nothing waits for them.
    for (const { _handle: handle } of [process.stdout, process.stderr] as unknown as { _handle?: object }[]) {
      const kind = `${handle?.constructor.name}Wrap`;
      left[kind] = (left[kind] ?? 0) + 1;
    }
    return process.getActiveResourcesInfo().some((kind) => {
      left[kind] = (left[kind] ?? 0) - 1;
      return left[kind] < 0;
    });
  },
};

/** From Linux's "Cpus_allowed_list:	0-3,8"; empty if there is no such file. */
function allowedCpus(): number[] {
  let text: string;
  try {
    text = readFileSync('/proc/thread-self/status', 'utf8');
  } catch {
    return [];
  }
  const ranges = /^Cpus_allowed_list:\s*(.*)$/m.exec(text)?.[1]?.split(',') ?? [];
  return ranges.flatMap((range) => {
    const [first, last = first] = range.split('-').map(Number);
    return first === undefined || !Number.isInteger(first) ? []
      : Array.from({ length: last! - first + 1 }, (_, i) => first + i);
  });
}
