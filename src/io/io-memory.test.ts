import { describe, expect, it } from 'vitest';
import { native } from '../native.js';
import { createIoCounters, IoMemory } from './io-memory.js';

describe('the outbox', () => {
  it('has exactly the bytes that were sent, whatever their length and place, of the pool and of other arrays', () => {
    const memory = new IoMemory(native().sources, createIoCounters());
    const own = new Uint8Array(4096);
    for (let i = 0; i < 4096; i++) memory.pool[i] = own[i] = (i * 7) ^ (i >> 4);
    let at = 0;
    for (const from of [memory.pool, own]) {
      for (const offset of [0, 1, 4, 8, 63, 64, 1000]) {
        for (const length of [1, 7, 8, 16, 31, 32, 33, 64, 72, 128, 256, 264, 1001]) {
          expect(memory.send(at & 1, from, offset, length)).toBe(true);
          expect(memory.outbox.subarray(at, at + length)).toEqual(own.subarray(offset, offset + length));
          at += length;
        }
      }
    }
    expect(memory.outbox.subarray(at).every((byte) => byte === 0), 'nothing behind them').toBe(true);
  });
});
