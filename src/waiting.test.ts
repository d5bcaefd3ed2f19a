import { getEventListeners, once } from 'node:events';
import { Worker } from 'node:worker_threads';
import { describe, expect, it } from 'vitest';
import { PercoreError } from './errors.js';
import {
  MAX_TIMEOUT_MS, Waiters, checkMayBlock, checkSignal, checkSyncWaitOptions, checkWaitOptions, limitWait, throwIfOver,
  whenAborted, type StartTimeout, type WaitOptions,
} from './waiting.js';

const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));
/** What has become of a promise after 5 ms: its value, the reason of its rejection, or 'waits'. */
async function fateOf(wait: Promise<unknown>): Promise<unknown> {
  return Promise.race([wait.catch((reason: unknown) => ({ rejected: reason })), pause(5).then(() => 'waits')]);
}
const listeners = (signal: AbortSignal): number => getEventListeners(signal, 'abort').length;

describe('the options of a wait', () => {
  it('are a signal and a time-out from 0 to 2^31 - 1, and nothing else', () => {
    const { signal } = new AbortController();
    expect(checkWaitOptions(undefined)).toEqual({});
    for (const good of [
      {}, { signal }, { timeoutMs: 0 }, { timeoutMs: 0.5 }, { timeoutMs: MAX_TIMEOUT_MS },
      { signal: undefined, timeoutMs: undefined },
    ]) {
      expect(checkWaitOptions(good)).toEqual(good);
    }
    for (const timeoutMs of [-1, NaN, Infinity, MAX_TIMEOUT_MS + 1, '5', null, 5n]) {
      for (const check of [checkWaitOptions, checkSyncWaitOptions]) {
        expect(() => check({ timeoutMs: timeoutMs as number })).toThrow(
          /^timeoutMs must be a number of milliseconds from 0 to 2147483647, or left out to wait for ever, not /,
        );
      }
    }
    expect(() => checkWaitOptions({ timeout: 5 } as WaitOptions)).toThrow(
      'options has no option "timeout"; did you mean "timeoutMs"?',
    );
    expect(() => checkWaitOptions(5 as WaitOptions)).toThrow('options must be an object');
    expect(() => checkWaitOptions({ signal: 'now' as never })).toThrow('signal must be an AbortSignal, not "now"');
  });

  it('have no signal if the thread freezes', () => {
    expect(checkSyncWaitOptions({ timeoutMs: 7 })).toEqual({ timeoutMs: 7 });
    expect(() => checkSyncWaitOptions({ signal: new AbortController().signal } as object)).toThrow(
      'options has no option "signal"',
    );
  });
});

describe('a limited wait', () => {
  it('that must not even begin throws the reason for which it would be rejected', () => {
    const reason = { any: 'value' };
    const given: unknown[] = [];
    for (const limit of [
      (options: WaitOptions) => throwIfOver(options, 'no bus'),
      (options: WaitOptions) => limitWait(options, 'no bus', () => undefined),
    ]) {
      for (const options of [{ signal: AbortSignal.abort(reason), timeoutMs: 0 }, { timeoutMs: 0 }]) {
        try {
          limit(options);
        } catch (error) {
          given.push(error);
        }
      }
    }
    expect(given).toEqual([reason, expect.any(PercoreError), reason, expect.any(PercoreError)]);
    expect(given[1]).toMatchObject({
      code: 'ERR_PERCORE_TIMEOUT', message: 'no bus within 0 ms', argument: 'timeoutMs', value: 0,
    });
  });

  it('gives up once, for whichever reason comes first, and leaves neither timer nor listener', () => {
    const { signal } = new AbortController();
    const ends: string[] = [];
    const timers = new Set<() => void>();
    const startTimeout: StartTimeout = (_timeoutMs, then) => {
      timers.add(then);
      return () => void timers.delete(then);
    };
    const abort = new AbortController();
    const wait = (options: WaitOptions): (() => void) =>
      limitWait(
        options, 'no bus', (reason) => void ends.push(String((reason as Error).message ?? reason)), startTimeout,
      );
    wait({ signal: abort.signal, timeoutMs: 10 });
    wait({ signal, timeoutMs: 20 });
    const stop = wait({ signal, timeoutMs: 30 });
    expect([timers.size, listeners(signal)]).toEqual([3, 1]);
    abort.abort('enough');
    [...timers][0]!();
    expect(ends).toEqual(['enough', 'no bus within 20 ms']);
    expect([timers.size, listeners(signal), listeners(abort.signal)]).toEqual([1, 1, 0]);
    stop();
    expect([timers.size, listeners(signal)]).toEqual([0, 0]);
  });

  it('leaves no timer behind when its signal cannot be listened to', () => {
    const signal = {
      aborted: false, removeEventListener: () => undefined, addEventListener: () => {
        throw new Error('no listeners here');
      },
    };
    let timers = 0;
    const startTimeout: StartTimeout = () => {
      timers++;
      return () => timers--;
    };
    const wait = (): unknown =>
      limitWait({ signal: signal as never, timeoutMs: 10 }, 'no bus', () => undefined, startTimeout);
    expect(wait).toThrow('no listeners here');
    expect(timers).toBe(0);
  });

  it('without options costs nothing and never ends', () => {
    expect(limitWait({}, 'no bus', () => expect.unreachable())()).toBeUndefined();
  });
});

describe('waits for one event', () => {
  it('are all resolved, in order, and not within the call that settles them', async () => {
    const buses = new Waiters<number>('no bus');
    const seen: string[] = [];
    const waits = ['a', 'b'].map((name) => buses.wait().then((bus) => void seen.push(name + bus)));
    expect(buses.count).toBe(2);
    buses.settle(7);
    expect([seen, buses.count]).toEqual([[], 0]);
    await Promise.all(waits);
    expect(seen).toEqual(['a7', 'b7']);
    buses.settle(8);
    expect(await fateOf(buses.wait()), 'an event that has passed is not kept').toBe('waits');
  });

  it('go on while what comes is not what they accept, and may have a text of their own', async () => {
    const pending = new Waiters<number>('no room');
    const few = pending.wait({ timeoutMs: 20 }, (bytes) => bytes <= 10, 'not all was sent');
    const many = pending.wait(undefined, (bytes) => bytes <= 100);
    pending.settle(50);
    expect([await many, pending.count]).toEqual([50, 1]);
    await expect(few).rejects.toMatchObject({ code: 'ERR_PERCORE_TIMEOUT', message: 'not all was sent within 20 ms' });
    expect(pending.count).toBe(0);
  });

  it('end as the table in waiting.ts says', async () => {
    const buses = new Waiters<number>('no bus');
    const reason = Symbol('any value');
    const abort = new AbortController();
    const there = (): number => 5;
    expect(await fateOf(buses.waitUnless(there, { timeoutMs: -1 }))).toMatchObject({
      rejected: { code: 'ERR_PERCORE_INVALID_ARGUMENT' },
    });
    expect(await fateOf(buses.waitUnless(there, { signal: AbortSignal.abort(reason) }))).toEqual({ rejected: reason });
    expect(await fateOf(buses.waitUnless(there, { timeoutMs: 0 }))).toBe(5);
    expect(await fateOf(buses.waitUnless(() => undefined, { timeoutMs: 0 }))).toMatchObject({
      rejected: { message: 'no bus within 0 ms' },
    });
    const [byTime, bySignal, byEvent] = [
      buses.wait({ timeoutMs: 1 }), buses.wait({ signal: abort.signal }), buses.wait({ signal: abort.signal }),
    ];
    await expect(byTime).rejects.toMatchObject({ code: 'ERR_PERCORE_TIMEOUT', message: 'no bus within 1 ms' });
    expect(await fateOf(bySignal)).toBe('waits');
    abort.abort(reason);
    expect([await fateOf(bySignal), await fateOf(byEvent), buses.count, listeners(abort.signal)]).toEqual([
      { rejected: reason }, { rejected: reason }, 0, 0,
    ]);
    const failed = buses.wait({ timeoutMs: 1000 });
    buses.fail('a flat tyre');
    expect(await fateOf(failed)).toEqual({ rejected: 'a flat tyre' });
  });

  it('call onChange whenever their number changes, except when they are settled', async () => {
    const counts: number[] = [];
    const buses: Waiters<number> = new Waiters<number>('no bus', () => void counts.push(buses.count));
    const abort = new AbortController();
    const waits = [buses.wait(), buses.wait({ signal: abort.signal }), buses.wait({ timeoutMs: 1 })];
    expect(counts).toEqual([1, 2, 3]);
    await expect(waits[2]).rejects.toThrow('no bus');
    abort.abort('enough');
    await expect(waits[1]).rejects.toBe('enough');
    expect(counts).toEqual([1, 2, 3, 2, 1]);
  });

  it('are rejected, and leave nothing behind, when onChange throws', async () => {
    const { signal } = new AbortController();
    const buses = new Waiters<number>('no bus', () => {
      throw new Error('no stop here');
    });
    await expect(buses.wait({ signal, timeoutMs: 1000 })).rejects.toThrow('no stop here');
    expect([buses.count, listeners(signal)]).toEqual([0, 0]);
  });

  it('let the event loop make passes, although what they ask for is always there', async () => {
    const buses = new Waiters<number>('no bus');
    let passes = 0;
    const timer = setInterval(() => passes++, 0);
    const beganMs = performance.now();
    while (passes < 3 && performance.now() - beganMs < 10_000) await buses.waitUnless(() => 1);
    clearInterval(timer);
    expect(passes).toBe(3);
  });
});

describe('a thread', () => {
  it('may block until it has called forbidBlocking()', async () => {
    expect(() => checkMayBlock('Await it')).not.toThrow();
    const worker = new Worker(
      `const { workerData, parentPort } = require('node:worker_threads');
       import(workerData).then(({ forbidBlocking, checkMayBlock }) => {
         forbidBlocking();
         try { checkMayBlock('Await it'); } catch (error) { parentPort.postMessage([error.code, error.message]); }
       });`,
      { eval: true, workerData: new URL('./waiting.js', import.meta.url).href },
    );
    const [answer] = (await once(worker, 'message')) as [string[]];
    await worker.terminate();
    expect(answer).toEqual([
      'ERR_PERCORE_WOULD_BLOCK', expect.stringMatching(/^a reactor may not stand still: .* Await it$/),
    ]);
    expect(() => checkMayBlock('Await it')).not.toThrow();
  });
});

describe('a signal', () => {
  it('is recognized by its methods, so that one of another realm or library is accepted', () => {
    const { signal } = new AbortController();
    const foreign = { aborted: false, addEventListener: () => undefined, removeEventListener: () => undefined };
    for (const good of [undefined, signal, AbortSignal.timeout(1), foreign])
      expect(() => checkSignal(good)).not.toThrow();
    for (const bad of [
      null, 5, 'signal', {}, { aborted: false }, { addEventListener: () => undefined }, new AbortController(),
    ]) {
      expect(() => checkSignal(bad)).toThrow(/^signal must be an AbortSignal, not /);
    }
  });

  it('has one listener, however many waits use it, and none when no wait does', () => {
    const { signal } = new AbortController();
    const stops = Array.from({ length: 100 }, () => whenAborted(signal, () => undefined));
    expect(getEventListeners(signal, 'abort').length).toBe(1);
    for (const stop of stops) {
      stop();
      stop();
    }
    expect(getEventListeners(signal, 'abort').length).toBe(0);
    whenAborted(signal, () => undefined);
    stops[0]!();
    expect(getEventListeners(signal, 'abort').length, 'an old stop function has no effect on a new wait').toBe(1);
  });

  it('calls each callback once, in order, and leaves out those that were removed, even during the calls', () => {
    const controller = new AbortController();
    const called: number[] = [];
    const stops = [0, 1, 2, 3].map((number) => whenAborted(controller.signal, () => {
      called.push(number);
      if (number === 0) stops[2]!();
    }));
    stops[1]!();
    controller.abort();
    controller.abort();
    expect(called).toEqual([0, 3]);
  });

  it('calls the others when one throws, and reports that error as one of a listener', async () => {
    const controller = new AbortController();
    const called: number[] = [];
    const before = process.listeners('uncaughtException');
    process.removeAllListeners('uncaughtException');
    const thrown = new Promise((resolve) => process.once('uncaughtException', resolve));
    whenAborted(controller.signal, () => {
      throw new Error('out of order');
    });
    whenAborted(controller.signal, () => void called.push(1));
    controller.abort();
    expect(called).toEqual([1]);
    expect(await thrown).toMatchObject({ message: 'out of order' });
    for (const listener of before) process.on('uncaughtException', listener);
  });

  it('that cannot be left does not keep other waits from ending, and its error is reported', async () => {
    const signal = {
      aborted: false, addEventListener: () => undefined, removeEventListener: () => {
        throw new Error('no way out');
      },
    };
    const before = process.listeners('uncaughtException');
    process.removeAllListeners('uncaughtException');
    const thrown = new Promise((resolve) => process.once('uncaughtException', resolve));
    const buses = new Waiters<number>('no bus');
    const waits = [buses.wait({ signal: signal as never }), buses.wait()];
    buses.settle(5);
    expect(await Promise.all(waits)).toEqual([5, 5]);
    expect(await thrown).toMatchObject({ message: 'no way out' });
    for (const listener of before) process.on('uncaughtException', listener);
  });
});
