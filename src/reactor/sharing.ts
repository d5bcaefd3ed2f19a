/** The second step of starting a runtime: opens what all its parties share, all of it or nothing. */
import { stat } from 'node:fs';
import { PercoreError } from '../errors.js';
import { native } from '../native.js';
import { createFigures } from '../observe/internal.js';
import { DESCRIPTORS_PER_THREAD } from '../thread-descriptors.js';
import { noteOwnLanes } from './opened-queues.js';
import type { RuntimeSettings } from './runtime-options.js';
import { createShared, type SharedRuntime } from './shared.js';

/** Descriptors of the main thread's turn. */
const OWN_DESCRIPTORS = 2;

/** Opens the eventfds and the memory of a runtime, and passes them to `use`. Closes all of it again if either fails. */
export function share<T>(settings: RuntimeSettings, use: (shared: SharedRuntime) => T): T {
  const { reactors: present, places: reactors, laneBytes, parties, measuredTasks, isMeasuring } = settings;
  const { clock, wakers } = native();
  // libuv's pool is made at its first use and inherits the affinity of its first user: that must not be a pinned
  // reactor.
  stat('/', () => undefined);
  const eventFds: number[] = [];
  try {
    // Including everything that the threads will open: see `checkDescriptors`.
    const most = reactors + 1 + OWN_DESCRIPTORS + reactors * DESCRIPTORS_PER_THREAD;
    while (eventFds.length < most) eventFds.push(wakers.create());
    for (const fd of eventFds.splice(reactors + 1)) wakers.close(fd);
    const shared = createShared(reactors, laneBytes, eventFds, clock.nowNs(), (party) => parties[party]!, present);
    noteOwnLanes(shared.inboxes);
    if (measuredTasks === 0) return use(shared);
    return use({ ...shared, figures: shared.inboxes.map(() => createFigures(measuredTasks, isMeasuring)) });
  } catch (cause) {
    for (const fd of eventFds) wakers.close(fd);
    throw cannotOpen(settings, cause as Error);
  }
}

/** Says what could not be opened, and what would need less of it. */
function cannotOpen(
  { places: reactors, laneBytes }: RuntimeSettings, cause: Error & { code?: string; syscall?: string },
): Error {
  if (cause instanceof RangeError) {
    const message = `there is no memory for the lanes of ${reactors} reactors: ${cause.message}. `
      + `Use fewer reactors or smaller laneBytes (now ${laneBytes})`;
    return new PercoreError('ERR_PERCORE_SYSTEM', message, { errno: 'ENOMEM', syscall: 'mmap', cause });
  }
  if (cause.syscall === undefined) return cause;
  const needed = (1 + DESCRIPTORS_PER_THREAD) * reactors + 1 + OWN_DESCRIPTORS;
  const hint = cause.code === 'EMFILE' || cause.code === 'ENFILE'
    ? `. ${reactors} reactors need ${needed} descriptors: raise the limit (ulimit -n)` : '';
  const details = { errno: cause.code!, syscall: cause.syscall, cause };
  return new PercoreError('ERR_PERCORE_SYSTEM', `the runtime cannot be opened: ${cause.message}${hint}`, details);
}
