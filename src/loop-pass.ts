/**
 * Keeps promises that are settled at once from starving the event loop. After `await` of such a promise the code goes
 * on in a microtask, and the loop makes no pass while there are microtasks. With a producer in another thread that
 * keeps up, `while (…) await consumer.ready()` would therefore keep every timer and socket of this thread waiting for
 * ever. So code that hands out such promises asks here first. For a millisecond it may settle them at once, which is
 * enough for most; after that, the next promise waits until the loop has made a pass.
 *
 *     if (isPassDue()) await nextPass();
 *
 * An immediate tells whether the loop has made a pass. It runs once in each pass, and does not keep the thread alive.
 */

/** For how many milliseconds promises that are settled at once may hold up the loop of this thread. */
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
 * True if this function has been called for more than a millisecond without a pass of this thread's loop in between.
 * Allocates once in each pass; blocks nobody.
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
