/**
 * Node's clock and timers, and the `Atomics` of this thread, while a simulation runs: time is virtual, and each access
 * of shared memory is a moment at which another reactor may run. Code that has kept one of these functions from before,
 * or that takes timers from `node:timers`, has the real one.
 */

/** What the globals are made of. */
export interface VirtualTime {
  nowNs(): number;
  random(): number;
  /** Runs `run` in the thread that asks, after this time. `isLast`: it comes once, in this pass of the loop. */
  later(delayNs: number, run: () => void, isReferenced: boolean): { cancel(): void; setReferenced(is: boolean): void };
  /** The code that ships is about to touch shared memory. */
  touch(): void;
}

const OPERATIONS = ['load', 'store', 'add', 'sub', 'and', 'or', 'xor', 'exchange', 'compareExchange'] as const;
const NS_PER_MS = 1e6;

/** As much of Node's Timeout and Immediate as is needed. */
class VirtualTimeout {
  private event: ReturnType<VirtualTime['later']> | undefined;
  private isReferenced = true;

  constructor(
    private readonly time: VirtualTime, private readonly delayNs: number, private readonly isRepeating: boolean,
    private readonly run: () => void,
  ) {
    this.refresh();
  }

  refresh(): this {
    this.close();
    this.event = this.time.later(this.delayNs, () => {
      this.event = undefined;
      if (this.isRepeating) this.refresh();
      this.run();
    }, this.isReferenced && !this.isRepeating);
    return this;
  }

  close(): void {
    this.event?.cancel();
    this.event = undefined;
  }

  ref(): this {
    return this.setReferenced(true);
  }

  unref(): this {
    return this.setReferenced(false);
  }

  hasRef(): boolean {
    return this.isReferenced;
  }

  private setReferenced(isReferenced: boolean): this {
    this.isReferenced = isReferenced;
    this.event?.setReferenced(isReferenced && !this.isRepeating);
    return this;
  }
}

/** Puts them in place of the real ones; the returned function takes them away again. */
export function replaceGlobals(time: VirtualTime): () => void {
  const timeout = (isRepeating: boolean) => (run: (...args: unknown[]) => void, ms = 1, ...args: unknown[]) => {
    // As in Node: anything that is not a number from 1 to 2^31 - 1 counts as 1.
    const delayMs = ms >= 1 && ms <= 2 ** 31 - 1 ? ms : 1;
    return new VirtualTimeout(time, delayMs * NS_PER_MS, isRepeating, () => run(...args));
  };
  const clear = (timer: unknown): void => {
    if (timer instanceof VirtualTimeout) timer.close();
  };
  const originMs = Date.UTC(2026, 0, 1);
  const undo = [
    put(globalThis, {
      setTimeout: timeout(false), setInterval: timeout(true), clearTimeout: clear, clearInterval: clear,
      setImmediate: (run: (...args: unknown[]) => void, ...args: unknown[]) => (
        new VirtualTimeout(time, 0, false, () => run(...args))
      ),
      clearImmediate: clear,
    }),
    put(performance, { now: () => time.nowNs() / NS_PER_MS }),
    put(Date, { now: () => originMs + Math.floor(time.nowNs() / NS_PER_MS) }),
    put(Math, { random: () => time.random() }),
    put(Atomics, Object.fromEntries(OPERATIONS.map((name) => {
      const real = Atomics[name] as (words: Int32Array, at: number, a: number, b: number) => number;
      return [name, (words: Int32Array, at: number, a: number, b: number): number => {
        time.touch();
        return real(words, at, a, b);
      }];
    }))),
  ];
  return () => {
    for (const takeAway of undo.reverse()) takeAway();
  };
}

/** Replaces properties; the returned function restores them. */
export function put(of: object, changed: Record<string, unknown>): () => void {
  const before = Object.keys(changed).map((name) => [name, Object.getOwnPropertyDescriptor(of, name)] as const);
  for (const [name, value] of Object.entries(changed)) {
    Object.defineProperty(of, name, { value, configurable: true, writable: true, enumerable: false });
  }
  return () => {
    for (const [name, descriptor] of before) {
      if (descriptor === undefined) Reflect.deleteProperty(of, name);
      else Object.defineProperty(of, name, descriptor);
    }
  };
}
