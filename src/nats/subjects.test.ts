/** Which filters of a stream take what publishers send below a subject. */
import { expect, it } from 'vitest';
import { mayTakeBuckets } from './subjects.js';

it.each([
  ['orders.>', 'orders', true], ['>', 'orders', true], ['orders.*.*', 'orders', true], ['*.*.*', 'orders', true],
  ['orders.7.>', 'orders', true], ['orders.7.200', 'orders', true], ['a.*.>', 'a.b', true], ['a.b.*.>', 'a.b', true],
  ['orders', 'orders', false], ['orders.*', 'orders', false], ['orders.*.*.*', 'orders', false],
  ['orders.*.*.>', 'orders', false], ['other.>', 'orders', false], ['a.c.>', 'a.b', false],
])('%s takes buckets below %s: %s', (filter, subject, expected) => {
  expect(mayTakeBuckets(filter, subject)).toBe(expected);
});
