import { describe, expect, it } from 'vitest';
import { readGraph, violationsOf } from './imports.mjs';
import { expectExactly } from './known.mjs';

describe('the import graph of src/', () => {
  it('has no circle, does not climb, and passes no door', () => expectExactly('imports', violationsOf(readGraph())));
});

describe('the walk of the import graph', () => {
  const graph = (edges) => new Map(Object.entries(edges));

  it('finds circles of any length, and only circles', () => {
    expect(
      violationsOf(graph({ 'src/a.ts': ['src/b.ts', 'src/c.ts'], 'src/b.ts': ['src/c.ts'], 'src/c.ts': [] })),
    ).toEqual([]);
    expect(
      violationsOf(
        graph({
          'src/a.ts': ['src/b.ts'], 'src/b.ts': ['src/c.ts'], 'src/c.ts': ['src/a.ts'], 'src/d.ts': ['src/a.ts'],
        }),
      ),
    ).toEqual(['circle: src/a.ts src/b.ts src/c.ts']);
    expect(violationsOf(graph({ 'src/a.ts': ['src/a.ts'] }))).toEqual(['circle: src/a.ts']);
  });

  it('finds what climbs, goes sideways, passes a door or imports a test', () => {
    expect(
      violationsOf(
        graph({
          'src/index.ts': ['src/reactor/index.ts', 'src/io/inner.ts'],
          'src/io/inner.ts': ['src/reactor/index.ts', 'src/errors.ts', 'src/queues/internal.ts'],
          'src/queues/internal.ts': ['src/timers/index.ts'], 'src/timers/index.ts': ['src/timers/fixtures/child.ts'],
          'src/reactor/index.ts': [], 'src/errors.ts': ['src/io/inner.ts'],
        }),
      ),
    ).toEqual([
      'circle: src/errors.ts src/io/inner.ts',
      'climbs: src/errors.ts -> src/io/inner.ts',
      'climbs: src/io/inner.ts -> src/reactor/index.ts',
      'climbs: src/queues/internal.ts -> src/timers/index.ts',
      'of tests: src/timers/index.ts -> src/timers/fixtures/child.ts',
      'past a door: src/index.ts -> src/io/inner.ts',
    ]);
  });
});
