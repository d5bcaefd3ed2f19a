/** What goes on until a runtime closes: counters pages, servers, handlers of signals, callbacks of exporters. */
import type { Controller } from '../reactor/internal.js';

/** Runs `end` when the runtime closes, unless the returned function has run it before; a second call does nothing. */
export function untilClosed<R>({ closers }: Controller, end: () => R): () => R | undefined {
  let isOver = false;
  const once = (): R | undefined => {
    if (isOver) return undefined;
    isOver = true;
    // A program that begins and ends this many times must not grow by it.
    const at = closers.indexOf(closer);
    if (at >= 0) closers.splice(at, 1);
    return end();
  };
  const closer = async (): Promise<void> => void await once();
  closers.push(closer);
  return once;
}
