import { getEventListeners } from 'node:events';
import { describe, expect, it } from 'vitest';
import { checkSignal, whenAborted } from './abort.js';

describe('a signal', () => {
  it('is told by what it does, so that one of another realm or library is taken', () => {
    const { signal } = new AbortController();
    const foreign = { aborted: false, addEventListener: () => undefined, removeEventListener: () => undefined };
    for (const good of [undefined, signal, AbortSignal.timeout(1), foreign]) expect(() => checkSignal(good)).not.toThrow();
    for (const bad of [null, 5, 'signal', {}, { aborted: false }, { addEventListener: () => undefined }, new AbortController()]) {
      expect(() => checkSignal(bad)).toThrow(/^signal must be an AbortSignal, not /);
    }
  });

  it('has one listener, however many wait by it, and none when none does', () => {
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
    expect(getEventListeners(signal, 'abort').length, 'a stop of before ends nothing of now').toBe(1);
  });

  it('calls each once, in order, but for those that have left, also in the middle', () => {
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

  it('calls the others when one throws, which is reported as that of a listener is', async () => {
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
});
