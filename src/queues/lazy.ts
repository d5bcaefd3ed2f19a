/**
 * Publishing lazily needs somebody who publishes in the end. A reactor says here, once for its thread, that it flushes at the end of
 * every step; producers made in that thread then publish lazily unless told otherwise. Without a host every record is published at once.
 */
export interface LazyHost {
  /** Records after which a producer publishes by itself. */
  readonly publishEvery: number;
  /** Flush this at the end of the step. */
  readonly markDirty: (producer: { flush(): void }) => void;
}

let host: LazyHost | null = null;

export const lazyHost = (): LazyHost | null => host;
/** Of this thread; null takes it away. */
export function setLazyHost(lazy: LazyHost | null): void {
  host = lazy;
}
