/** Runs a table of scenarios in the explorer, each as a test of its own: see rings.test.ts for what a floor is. */
import { afterAll, describe, expect, it } from 'vitest';
import type { Report } from '../../src/testing/explorer.js';

export interface Scenario {
  readonly name: string;
  /** Fewest states that a full search visits, measured and taken a little lower. */
  readonly floor: number;
  /** In CI a smaller scenario stands for it: with `PERCORE_STRESS=1` alone. */
  readonly isLong?: true;
  readonly run: () => Report;
}

/** By the promise that they hold the code to. */
export type Scenarios = Readonly<Record<string, readonly Scenario[]>>;

export const isLong = process.env.PERCORE_STRESS === '1';
/** Of one scenario. */
export const TIMEOUT_MS = isLong ? 10 * 60_000 : 180_000;
/** Sequences to begin at: from the last two, the cursors pass their wraps. */
export const STARTS: readonly number[] = [0, 2 ** 31 - 2, 2 ** 32 - 2];
/** Where each start takes a second and more, the one that passes the wrap stands for all in CI. */
export const LONG_STARTS: readonly number[] = isLong ? STARTS : STARTS.slice(2);

export function runScenarios(title: string, scenarios: Scenarios): void {
  const total = { scenarios: 0, states: 0, steps: 0, cpuMs: 0 };
  for (const [promise, cases] of Object.entries(scenarios)) {
    describe(promise, () => {
      for (const { name, floor, run } of cases.filter((each) => isLong || each.isLong !== true)) {
        it(name, { timeout: TIMEOUT_MS }, () => {
          const before = process.cpuUsage();
          const { states, steps, terminalStates, violations } = run();
          total.cpuMs += process.cpuUsage(before).user / 1000;
          total.scenarios++;
          total.states += states;
          total.steps += steps;
          expect(
            violations.map(({ kind, message, schedule }) => `${kind}: ${message}\n${schedule.join('\n')}`),
          ).toEqual([]);
          expect(terminalStates).toBeGreaterThan(0);
          expect(states, 'the search was not complete').toBeGreaterThanOrEqual(floor);
        });
      }
    });
  }
  afterAll(() =>
    console.log(
      `${title}: ${total.scenarios} scenarios, ${total.states} states, ${total.steps} steps, `
        + `${total.cpuMs.toFixed(0)} ms of CPU`,
    ),
  );
}
