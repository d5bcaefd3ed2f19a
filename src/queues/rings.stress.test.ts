/**
 * Every kind of queue between real threads, with each message checked for sender, number and content: 5 * 10^5 messages
 * through each kind in CI, 10^9 with `PERCORE_STRESS=1`. Nobody polls: an end that finds nothing sleeps, so that a lost
 * wake-up ends the test. Messages a second are printed and mean nothing; seeds are random and printed with a failure.
 */
import { describe, it } from 'vitest';
import { isLong, run } from './fixtures/stress.js';
import { create } from './index.js';

const MESSAGES = isLong ? 1e9 : 5e5;
const TIMEOUT_MS = isLong ? 2 * 3_600_000 : 120_000;
const batch = 64;
/** The start: below the wrap by half the number of messages. */
const start = (wrap: number, messages: number): number => (messages / 2 < 2 ** 31 ? wrap - messages / 2 : 0);

describe(`${MESSAGES} messages, none lost, doubled, reordered or torn`, () => {
  it(
    'spsc, fixed records',
    () =>
      run(create({ kind: 'spsc', capacity: 1024, recordBytes: 12, startSequence: start(2 ** 31, MESSAGES) }), {
        messages: MESSAGES, batch,
      }),
    TIMEOUT_MS,
  );

  it(
    'spsc, variable records',
    () =>
      run(create({ kind: 'spsc', capacityBytes: 65_536, startSequence: 2 ** 32 - 2 ** 23 }), {
        messages: MESSAGES, batch,
      }),
    TIMEOUT_MS,
  );

  it(
    'mpsc, two producers',
    () =>
      run(create({ kind: 'mpsc', capacity: 1024, recordBytes: 12, startSequence: start(2 ** 32, MESSAGES / 2) }), {
        messages: MESSAGES / 2, batch, producers: 2,
      }),
    TIMEOUT_MS,
  );

  it(
    'spmc, two consumers that hold the producer back',
    () =>
      run(create({ kind: 'spmc', capacity: 1024, recordBytes: 12, startSequence: start(2 ** 31, MESSAGES) }), {
        messages: MESSAGES, batch, consumers: [{}, {}],
      }),
    TIMEOUT_MS,
  );

  it(
    'spmc, a consumer that is lapped',
    () =>
      run(create({ kind: 'spmc', capacity: 1024, recordBytes: 12, startSequence: start(2 ** 32, MESSAGES) }), {
        messages: MESSAGES, batch, consumers: [{ whenSlow: 'drop-oldest' }],
      }),
    TIMEOUT_MS,
  );

  it(
    'spmc, variable records, one consumer that waits and one that is lapped',
    () =>
      run(create({ kind: 'spmc', capacityBytes: 16_384, startSequence: 2 ** 31 - 2 ** 21 }), {
        messages: MESSAGES / 4, batch, consumers: [{}, { whenSlow: 'drop-oldest' }],
      }),
    TIMEOUT_MS,
  );

  it(
    'banded, with a quantum',
    () =>
      run(create({ kind: 'banded', capacity: 512, recordBytes: 12, startSequence: start(2 ** 32, MESSAGES / 8) }), {
        messages: MESSAGES, batch, consumers: [{ quantum: 16 }],
      }),
    TIMEOUT_MS,
  );
});
