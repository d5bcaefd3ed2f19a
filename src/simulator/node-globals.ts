/**
 * Node's clocks and timers, and the `Atomics` of this thread, while a simulation runs: time is virtual, and each access
 * of shared memory is a moment at which another reactor may run. Code that has kept one of these functions from before,
 * or that takes timers from `node:timers`, has the real one.
 */
import type { PerformanceObserver as Observer } from 'node:perf_hooks';
import { promisify } from 'node:util';

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

/** Timers whose number somebody has asked for. */
const numbered = new Map<number, VirtualTimeout>();
let numbers = 0;

/** As much of Node's Timeout and Immediate as is needed. */
class VirtualTimeout {
  private number = 0;
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
    numbered.delete(this.number);
  }

  [Symbol.dispose](): void {
    this.close();
  }

  /** As in Node: a number by which it can be cleared. */
  [Symbol.toPrimitive](): number {
    if (this.number === 0) this.number = ++numbers;
    numbered.set(this.number, this);
    return this.number;
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
  const timeout = (isRepeating: boolean) => (run: Callback, ms = 1, ...args: unknown[]) => {
    checkCallback(run);
    // As in Node: anything that is not a number from 1 to 2^31 - 1 counts as 1.
    const delayMs = ms >= 1 && ms <= 2 ** 31 - 1 ? ms : 1;
    return new VirtualTimeout(time, delayMs * NS_PER_MS, isRepeating, () => run(...args));
  };
  const setTimeout = timeout(false);
  const setImmediate = (run: Callback, ...args: unknown[]): VirtualTimeout => {
    checkCallback(run);
    return new VirtualTimeout(time, 0, false, () => run(...args));
  };
  const clear = (timer: unknown): void => {
    const found = timer instanceof VirtualTimeout ? timer : numbered.get(Number(timer));
    found?.close();
  };
  const originMs = Date.UTC(2026, 0, 1);
  const nowMs = (): number => originMs + Math.floor(time.nowNs() / NS_PER_MS);
  const undo = [
    put(globalThis, {
      setTimeout: Object.assign(setTimeout, {
        [promisify.custom]: (ms?: number, value?: unknown) => new Promise((done) => void setTimeout(done, ms, value)),
      }),
      setImmediate: Object.assign(setImmediate, {
        [promisify.custom]: (value?: unknown) => new Promise((done) => void setImmediate(done, value)),
      }),
      setInterval: timeout(true), clearTimeout: clear, clearInterval: clear, clearImmediate: clear,
      Date: virtualDate(nowMs), PerformanceObserver: observerOfSeeds(),
    }),
    put(performance, { now: () => time.nowNs() / NS_PER_MS }),
    put(Date, { now: nowMs }),
    put(process, { hrtime: virtualHrtime(() => BigInt(Math.floor(time.nowNs()))) }),
    put(AbortSignal, {
      timeout(ms: number): AbortSignal {
        const controller = new AbortController();
        const reason = new DOMException('The operation was aborted due to timeout', 'TimeoutError');
        // As Node's, it keeps nobody waiting.
        setTimeout(() => controller.abort(reason), ms).unref();
        return controller.signal;
      },
    }),
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

type Callback = (...args: unknown[]) => void;

/**
 * Is told of no garbage collection: those are the process's and come when they like, so a seed could not be repeated.
 * And Node would keep the observers of simulated threads that have died, with all the memory of their runtime.
 */
function observerOfSeeds(): typeof Observer {
  const { PerformanceObserver: Real } = globalThis as unknown as { PerformanceObserver: typeof Observer };
  return class PerformanceObserver extends Real {
    override observe(options: Parameters<Observer['observe']>[0]): void {
      if (!('entryTypes' in options)) {
        if (options.type !== 'gc') super.observe(options);
        return;
      }
      const entryTypes = options.entryTypes.filter((type) => type !== 'gc');
      if (entryTypes.length > 0) super.observe({ ...options, entryTypes });
    }
  };
}

/** As Node does: at the call, and not when the time has come. */
function checkCallback(run: unknown): void {
  if (typeof run === 'function') return;
  const message = `The "callback" argument must be of type function. Received ${run === null ? 'null' : typeof run}`;
  throw Object.assign(new TypeError(message), { code: 'ERR_INVALID_ARG_TYPE' });
}

/** `new Date()` and `Date()` by this clock; everything else is the real one. */
function virtualDate(nowMs: () => number): DateConstructor {
  const virtual: DateConstructor = new Proxy(Date, {
    construct: (real, args, made) => (
      Reflect.construct(real, args.length === 0 ? [nowMs()] : args, made === virtual ? real : made) as Date
    ),
    apply: (real) => new real(nowMs()).toString(),
  });
  return virtual;
}

function virtualHrtime(nowNs: () => bigint): NodeJS.HRTime {
  const hrtime = (since: readonly [number, number] = [0, 0]): [number, number] => {
    const ns = nowNs() - BigInt(since[0]) * 1_000_000_000n - BigInt(since[1]);
    return [Number(ns / 1_000_000_000n), Number(ns % 1_000_000_000n)];
  };
  return Object.assign(hrtime, { bigint: nowNs });
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
