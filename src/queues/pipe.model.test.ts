/**
 * Random commands on a pipe of one page against a plain array, with both ends in one thread: every policy and framing,
 * records from nothing to several times the size of the pipe, gathered or not. How full the kernel's pipe is depends on
 * how the writes fell into pages, so the model does not predict BACK_PRESSURED. It demands that a refused record leaves
 * no trace, that an accepted one comes out once, whole and in order, that an empty pipe refuses nothing, and that every
 * record is accounted for in the end.
 */
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { createPipe, propertiesOfPipe, pubPipe, subPipe } from './pipe.js';
import { BACK_PRESSURED, CLOSED, DROPPED, EMPTY, OK, TOO_LARGE } from '../result-codes.js';

const CAPACITY = 4096;
const MAX_RECORD_BYTES = 3 * CAPACITY;

const length = fc.oneof(
  { weight: 6, arbitrary: fc.integer({ min: 0, max: 900 }) },
  { weight: 2, arbitrary: fc.integer({ min: CAPACITY - 10, max: CAPACITY + 10 }) },
  { weight: 2, arbitrary: fc.integer({ min: 0, max: MAX_RECORD_BYTES }) },
  { weight: 1, arbitrary: fc.constant(MAX_RECORD_BYTES + 1) },
);
const steps = fc.array(
  fc.oneof(
    { weight: 10, arbitrary: fc.record({ does: fc.constant('offer' as const), length }) },
    { weight: 4, arbitrary: fc.record({ does: fc.constant('poll' as const), times: fc.integer({ min: 1, max: 6 }) }) },
    { weight: 2, arbitrary: fc.record({ does: fc.constant('drain' as const), limit: fc.integer({ min: 0, max: 6 }) }) },
    { weight: 1, arbitrary: fc.constant({ does: 'flush' as const }) },
    { weight: 1, arbitrary: fc.constant({ does: 'empty' as const }) },
  ),
  { minLength: 1, maxLength: 60, size: 'max' },
);

for (const framing of ['line', 'length'] as const) {
  for (const whenSlow of ['wait', 'drop-newest'] as const) {
    it(`framing ${framing}, ${whenSlow}`, () => {
      const met = { ok: 0, full: 0, long: 0, tooLarge: 0, lost: 0, ended: 0 };
      fc.assert(
        fc.property(
          steps,
          fc.constantFrom(1, 1, 3, 1000),
          fc.constantFrom('producer', 'consumer'),
          (script, publishEvery, closesFirst) => {
            const queue = createPipe({
              framing, values: 'bytes', whenSlow, capacityBytes: CAPACITY, maxRecordBytes: MAX_RECORD_BYTES,
            });
            const [producer, consumer] = [pubPipe(queue, { publishEvery: { records: publishEvery } }), subPipe(queue)];
            const accepted: Buffer[] = [];
            const counts = { published: 0, consumed: 0, full: 0 };
            const take = (record: Uint8Array) => {
              const expected = accepted.shift();
              expect(
                expected !== undefined && expected.equals(record), 'each record comes once, whole and in order',
              ).toBe(true);
              counts.consumed++;
            };
            const offer = (bytes: number): number => {
              // Without a line feed, and with other content each time.
              const record = Buffer.alloc(bytes, 32 + (counts.published % 90));
              const code = producer.offer(record);
              if (code === OK) {
                accepted.push(record);
                counts.published++;
                met.ok++;
                if (bytes > CAPACITY) met.long++;
              } else if (bytes > MAX_RECORD_BYTES) {
                expect(code).toBe(TOO_LARGE);
                met.tooLarge++;
              } else {
                expect(code).toBe(whenSlow === 'wait' ? BACK_PRESSURED : DROPPED);
                counts.full++;
                met.full++;
              }
              return code;
            };
            // Polls alone do not send the rest of a long record; a flush does.
            const readAll = () => {
              for (let i = 0; i < 100 && accepted.length > 0; i++) {
                expect(producer.flush()).toBe(OK);
                consumer.drain(take);
              }
              expect(accepted, 'everything that was accepted comes').toHaveLength(0);
            };
            for (const step of script) {
              switch (step.does) {
                case 'offer':
                  offer(step.length);
                  break;
                case 'poll':
                  for (let i = 0; i < step.times; i++) {
                    const record = consumer.poll();
                    expect(consumer.state).toBe(record === undefined ? EMPTY : OK);
                    if (record !== undefined) take(record);
                  }
                  break;
                case 'drain': {
                  const before = counts.consumed;
                  const count = consumer.drain(take, step.limit);
                  expect(count).toBe(counts.consumed - before);
                  expect(count).toBeLessThanOrEqual(step.limit);
                  break;
                }
                case 'flush':
                  expect(producer.flush()).toBe(OK);
                  break;
                case 'empty':
                  readAll();
                  expect(offer(CAPACITY - 4), 'an empty pipe takes a page').toBe(OK);
                  break;
                default:
              }
              const { dropped, published, consumed, refused } = propertiesOfPipe(queue);
              expect({ published, consumed, refused, dropped }).toEqual({
                published: counts.published,
                consumed: counts.consumed,
                refused: whenSlow === 'wait' ? counts.full : 0,
                dropped: {
                  newest: whenSlow === 'wait' ? 0 : counts.full, oldest: 0, evicted: 0, closed: 0, tooLarge: 0,
                },
              });
            }
            if (closesFirst === 'consumer') {
              consumer.close();
              expect(consumer.poll()).toBe(undefined);
              expect(consumer.state).toBe(CLOSED);
              expect(consumer.drain(take)).toBe(CLOSED);
              // A gathered record does not touch the pipe; a flush does.
              const last = producer.offer(Buffer.alloc(1, 65));
              if (last === OK) counts.published++;
              expect(producer.flush()).toBe(CLOSED);
              expect(producer.offer(Buffer.alloc(1, 65))).toBe(CLOSED);
              met.lost += accepted.length;
              expect(propertiesOfPipe(queue).dropped.closed, 'what was accepted and not read is counted').toBe(
                counts.published - counts.consumed,
              );
            } else {
              readAll();
              producer.close();
              expect(producer.offer(Buffer.alloc(1, 65))).toBe(CLOSED);
              expect(consumer.drain(take)).toBe(CLOSED);
              met.ended++;
              expect(propertiesOfPipe(queue).dropped.closed).toBe(0);
            }
            producer.close();
            consumer.close();
            const last = propertiesOfPipe(queue);
            expect(last).toMatchObject({
              published: counts.published, consumed: counts.consumed, consumers: [], isClosed: true,
            });
          },
        ),
        { numRuns: 150 },
      );
      for (const [event, times] of Object.entries(met)) expect(times, `the runs met "${event}"`).toBeGreaterThan(20);
    });
  }
}
