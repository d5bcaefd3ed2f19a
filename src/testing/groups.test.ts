/**
 * The ends of rings, the queues made of many rings, and those who sleep at their bells, in every order of their accesses. As in
 * explorer.test.ts, each scenario has a floor of states, measured and taken a little lower.
 */
import { afterAll, describe, expect, it } from 'vitest';
import { closingRing } from './closing-scenarios.js';
import type { Report } from './explorer.js';

interface Scenario {
  name: string;
  /** Fewest states that a full search visits. */
  floor: number;
  run: () => Report;
}

const STARTS = [0, 2 ** 31 - 2, 2 ** 32 - 2];
const BYTE_STARTS = [0, 2 ** 32 - 16];

const scenarios: Record<string, Scenario[]> = {
  'a queue that a third thread closes delivers what it took, and counts the rest': [
    ...STARTS.map((start) => ({ name: `fixed, one by one, from ${start}`, floor: 5500, run: () => closingRing({ start }) })),
    ...BYTE_STARTS.map((start) => ({ name: `variable, one by one, from ${start}`, floor: 9800, run: () => closingRing({ start, isVariable: true }) })),
    { name: 'fixed, peeked', floor: 5500, run: () => closingRing({ peeks: true }) },
    { name: 'fixed, published by twos', floor: 3300, run: () => closingRing({ publishEvery: 2, messages: 5 }) },
    { name: 'variable, published by twos', floor: 4300, run: () => closingRing({ publishEvery: 2, messages: 5, isVariable: true }) },
    { name: 'fixed, by a producer that leaves', floor: 2300, run: () => closingRing({ finishes: 'leave' }) },
    { name: 'fixed, by twos, by a producer that leaves', floor: 880, run: () => closingRing({ publishEvery: 2, finishes: 'leave' }) },
    { name: 'two consumers, three by twos of a producer that leaves', floor: 77_000, run: () => closingRing({ readers: 2, publishEvery: 2, finishes: 'leave' }) },
  ],
  'a consumer that closes tells its producer, which counts what nobody has read': [
    ...STARTS.map((start) => ({ name: `fixed, behind 1, from ${start}`, floor: 170, run: () => closingRing({ start, abandonsAfter: 1 }) })),
    { name: 'fixed, at once', floor: 15, run: () => closingRing({ abandonsAfter: 0 }) },
    { name: 'fixed, behind 2, published by twos', floor: 100, run: () => closingRing({ abandonsAfter: 2, publishEvery: 2 }) },
    { name: 'fixed, behind 3, published by twos', floor: 170, run: () => closingRing({ abandonsAfter: 3, publishEvery: 2 }) },
    { name: 'variable, behind 2', floor: 530, run: () => closingRing({ abandonsAfter: 2, isVariable: true }) },
    { name: 'variable, behind 1, published by twos', floor: 100, run: () => closingRing({ abandonsAfter: 1, isVariable: true, publishEvery: 2 }) },
  ],
};

const total = { scenarios: 0, states: 0, steps: 0, cpuMs: 0 };

for (const [promise, cases] of Object.entries(scenarios)) {
  describe(promise, () => {
    for (const { name, floor, run } of cases) {
      it(name, () => {
        const before = process.cpuUsage();
        const { states, steps, terminalStates, violations } = run();
        const cpuMs = process.cpuUsage(before).user / 1000;
        total.cpuMs += cpuMs;
        total.scenarios++;
        total.states += states;
        total.steps += steps;
        console.log(`${name}: ${states} states, ${terminalStates} ends, ${cpuMs.toFixed(0)} ms of CPU`);
        expect(violations.map(({ kind, message, schedule }) => `${kind}: ${message}\n${schedule.join('\n')}`)).toEqual([]);
        expect(terminalStates).toBeGreaterThan(0);
        expect(states, 'the search was not complete').toBeGreaterThanOrEqual(floor);
      }, 60_000);
    }
  });
}

afterAll(() => {
  console.log(`groups: ${total.scenarios} scenarios, ${total.states} states, ${total.steps} steps, ${total.cpuMs.toFixed(0)} ms of CPU`);
});
