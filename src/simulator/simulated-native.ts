/** Stands in for the addon: clocks, wakers and turns of the simulated threads. Everything else stays as it is. */
import type { Native, TurnHandle, TurnOptions } from '../native.js';
import { Loop } from './loop.js';
import type { World } from './virtual-machine.js';

/** How long after the eventfd was written its reader is awake, at least, and how much longer it may take. */
const WAKE_NS = 5000;
const WAKE_VARIES_NS = 20_000;
/** There is nothing that a seed could repeat. */
const ENOSYS = -38;

export function simulatedNative(real: Native, world: World): Native {
  /** The party of each eventfd, in order; the main thread's is the last. */
  const parties = new Map<number, number>();
  const loops = new Map<TurnHandle, Loop>();
  let made = 0;
  return {
    ...real,
    clock: {
      nowNs: () => world.nowNs(),
      create: (out, originNs) => () => {
        out[0] = world.nowNs() - originNs;
      },
    },
    system: {
      errorName: (errno) => real.system.errorName(errno),
      freshPages: (bytes, from) => real.system.freshPages(bytes, from),
    },
    wakers: {
      create: () => {
        parties.set(++made, made - 1);
        return made;
      },
      wake(eventFd) {
        const thread = world.threads.find(({ party, loop }) => party === parties.get(eventFd) && loop !== undefined);
        if (thread === undefined || !thread.loop!.signal()) return;
        const atNs = world.nowNs() + WAKE_NS + world.options.random.below(WAKE_VARIES_NS);
        thread.freeAtNs = Math.max(thread.freeAtNs, atNs);
        thread.loop!.wake();
      },
      close: () => undefined,
    },
    // Those of the process belong to no seed.
    collections: { open: () => ENOSYS, close: () => undefined },
    turns: {
      create(options: TurnOptions): TurnHandle {
        const { running } = world;
        const loop = (running.loop = new Loop(real, options, () => world.nowNs() - options.originNs));
        const handle = {} as TurnHandle;
        loops.set(handle, loop);
        return handle;
      },
      stop: (handle) => loops.get(handle)!.end(),
      setReferenced: () => undefined,
      drainTimers: (handle) => loops.get(handle)!.drainTimers(),
      shareTimers: (handle, index, records) => loops.get(handle)!.shareTimers(index, records),
      openSource: () => ENOSYS,
    },
  };
}
