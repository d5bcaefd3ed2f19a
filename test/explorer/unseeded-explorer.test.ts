/**
 * A seeded bug that the explorer finds proves something only if the same scenario is clean without it. Here those
 * scenarios run over the text as it ships, to their ends: with `PERCORE_STRESS=1` all of which the bug is found by
 * nothing else; in CI those of one kind, since many take half a minute, and since rings.test.ts, readers.test.ts and
 * groups.test.ts run scenarios like them.
 */
import { afterAll, describe, expect, it } from 'vitest';
import { mutants } from './mutants.js';

const isLong = process.env.PERCORE_STRESS === '1';
/** Half of the states of their kind: for the long form. */
const LARGE = /whether the queue (?:closes|is closing)/;
const chosen = mutants.filter(
  ({ alone, kind, bug, run }) =>
    alone === true && run.seeds.length > 0 && (isLong || (kind === 'order' && !LARGE.test(bug))),
);
const total = { states: 0, cpuMs: 0 };

describe('the scenario of a seeded bug is clean without the bug', () => {
  for (const { kind, bug, run } of chosen) {
    it(`${kind}: ${bug}`, { timeout: 10 * 60_000 }, () => {
      const before = process.cpuUsage();
      const { states, terminalStates, violations } = run([]);
      total.states += states;
      total.cpuMs += process.cpuUsage(before).user / 1000;
      expect(violations.map(({ kind, message, schedule }) => `${kind}: ${message}\n${schedule.join('\n')}`)).toEqual(
        [],
      );
      expect(terminalStates).toBeGreaterThan(0);
    });
  }
});

afterAll(() =>
  console.log(`unseeded: ${chosen.length} scenarios, ${total.states} states, ${total.cpuMs.toFixed(0)} ms of CPU`),
);
