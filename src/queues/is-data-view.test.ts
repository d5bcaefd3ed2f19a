import { runInNewContext } from 'node:vm';
import { describe, expect, it } from 'vitest';
import { isDataView } from './is-data-view.js';

describe('isDataView', () => {
  it('recognizes one over shared memory even after a hundred thousand calls', () => {
    const view = new DataView(new SharedArrayBuffer(64), 8, 16);
    let wrong = 0;
    for (let i = 0; i < 100_000; i++) if (!isDataView(view)) wrong++;
    expect(wrong).toBe(0);
  });

  it('accepts those of other realms and empty ones, and nothing that only looks like one', () => {
    const moved = new ArrayBuffer(8);
    const empty = new DataView(moved);
    structuredClone(moved, { transfer: [moved] });
    expect([isDataView(runInNewContext('new DataView(new ArrayBuffer(8))')), isDataView(empty)]).toEqual([true, true]);
    const others = [Object.create(DataView.prototype), new Uint8Array(8), {}, null, undefined, new Proxy(empty, {})];
    expect(others.map(isDataView)).toEqual(others.map(() => false));
  });
});
