/**
 * The functions of observation that take a reactor, or the runtime for its main thread: for observe.ts and for the
 * fuzzer in each reactor (reactor-entry.ts).
 */
import * as percore from 'percore';
import { create } from 'percore/queues';
import { collectWhenIdle } from 'percore/realtime';
import { aText, int, oneOf, options, type Hints, type Make } from '../fuzzer.js';
import type { Parties } from './asking.js';

const tasks = oneOf('values', 'bytes', 'nobody');
const bounds: Make = options({}, {
  scheduleInNs: oneOf(0, 1, 1e6), responseNs: oneOf(0, 1, 1e6), reliefNs: oneOf(0, 5e5), runNs: oneOf(0, 1, 1e9),
});
const queue: Make = ({ chance }) => chance.one([
  () => create({ kind: 'spsc', capacity: 8, recordBytes: 8 }),
  () => create({ kind: 'mpsc', capacity: 8, recordBytes: 8 }),
  () => create({ kind: 'spsc', capacityBytes: 1024 }), () => create({ backend: 'deque', capacity: 8 }),
])();

/** Functions that take a reactor as well. */
export function observingHints(of: Parties): Hints {
  return {
    metricsOf: [of],
    noteEvent: [of, aText, aText],
    flightEvents: [of],
    relieved: [of],
    setMetrics: [of, oneOf(true, false)],
    setSlo: [of, options({}, {
      task: tasks, priority: int(0, 7), class: oneOf('bulk', 'nobody'), reactor: oneOf(0, 1, 'main'),
    }), bounds],
    collectWhenIdle: [of, options({}, {
      afterIdleNs: oneOf(0, 1e6), leastBytes: oneOf(0, 2 ** 20), kind: oneOf('minor', 'major'),
    })],
    showQueue: [of, aText, (fuzzer) => (fuzzer.chance.is(0.7) ? queue(fuzzer) : undefined)],
  };
}

export const observingMakers = [
  ...['metricsOf', 'noteEvent', 'flightEvents', 'relieved', 'setMetrics', 'setSlo', 'showQueue'].map((name) =>
    [name, (percore as unknown as Record<string, (...args: any[]) => unknown>)[name]!] as const),
  ['collectWhenIdle', collectWhenIdle as (...args: any[]) => unknown] as const,
];
