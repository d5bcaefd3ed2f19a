/**
 * Garbage collections of this thread, as Node reports them: each when it is over and the event loop comes round. Node's
 * own observer costs CPU for each collection, 0.1 ms as measured over 6,000 scavenges on a busy machine, and nothing
 * between them; so it is used only if somebody is charged or measured. It does not keep the thread alive. Who need not
 * be told, but only asks later, uses the log of collection-log.ts.
 */
import type { PerformanceObserver as Observer } from 'node:perf_hooks';

/** `beganNs` by the clock that was given; `kind` in words: 'scavenge', 'mark and sweep' and others. */
export type OnCollection = (beganNs: number, ns: number, kind: string) => void;

/** By the numbers of `perf_hooks.constants`. */
export const COLLECTION_KINDS: Readonly<Record<number, string>> = {
  1: 'scavenge', 2: 'minor mark and sweep', 4: 'mark and sweep', 8: 'incremental marking', 16: 'weak callbacks',
};

/** What `kind` may be. */
export const COLLECTION_NAMES: readonly string[] = [...Object.values(COLLECTION_KINDS), 'collection'];

/** Reports each collection of this thread from now on. Returns a function that ends that. */
export function watchCollections(nowNs: () => number, onCollection: OnCollection): () => void {
  // The global one is loaded when it is first used, so a thread that measures nothing does not load it.
  const { PerformanceObserver } = globalThis as unknown as { PerformanceObserver: typeof Observer };
  const observer = new PerformanceObserver((list) => {
    // Its times count from the thread's start.
    const originNs = nowNs() - performance.now() * 1e6;
    for (const entry of list.getEntries()) {
      const { startTime, duration } = entry;
      const { kind = 0 } = (entry as { detail?: { kind?: number } }).detail ?? {};
      onCollection(originNs + startTime * 1e6, duration * 1e6, COLLECTION_KINDS[kind] ?? 'collection');
    }
  });
  observer.observe({ entryTypes: ['gc'] });
  return () => observer.disconnect();
}
