/**
 * Promises that are settled at once, and the event loop. `await` of such a promise goes on in a microtask, and as long
 * as there are microtasks the loop makes no pass: with a producer in another thread that keeps up, `while (…) await
 * consumer.ready()` would keep every timer and socket of this thread waiting for ever. So whoever hands out such
 * promises asks here: within a millisecond they may be settled at once, as most are; after that the next of them waits
 * until the loop has made a pass.
 *
 *     if (isPassDue()) await nextPass();
 *
 * Whether the loop has made a pass is known by an immediate, which runs once in each and by itself keeps no thread
 * alive.
 */

/** Milliseconds for which promises that are settled at once may hold the loop of this thread. */
const MOST_MS = 1;

let sinceMs = 0;
let immediate: NodeJS.Immediate | undefined;
let waiting: (() => void)[] = [];

function notePass(): void {
  immediate = undefined;
  const settled = waiting;
  waiting = [];
  for (const settle of settled) settle();
}

/**
 * True when the loop of this thread has made no pass for a millisecond of asking. Allocates once a pass; blocks nobody.
 */
export function isPassDue(): boolean {
  if (immediate === undefined) {
    sinceMs = performance.now();
    immediate = setImmediate(notePass);
    immediate.unref();
    return false;
  }
  return performance.now() - sinceMs > MOST_MS;
}

/** Resolves when the loop has made a pass. */
export function nextPass(): Promise<void> {
  if (immediate === undefined) immediate = setImmediate(notePass);
  immediate.ref();
  return new Promise((resolve) => void waiting.push(resolve));
}
