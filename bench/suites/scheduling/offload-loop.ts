/** Two loops that ask and await, which all contenders use unchanged, and the work of a task. */
import { check } from '../../harness.js';

const IN_FLIGHT = 2;

export interface OffloadTask {
  readonly number: number;
  readonly spinUs: number;
}

export interface OffloadLoad {
  readonly taskUs: number;
  readonly tasks: number;
}

/** Microseconds for each task. Throws CheckFailed if an answer is wrong. */
export async function timeOfTaskUs(
  ask: (task: OffloadTask) => Promise<number>, { taskUs, tasks }: OffloadLoad,
): Promise<number> {
  let asked = 0;
  let wrong = 0;
  const startMs = performance.now();
  await Promise.all(Array.from({ length: IN_FLIGHT }, async () => {
    while (asked < tasks) {
      const number = asked++;
      if ((await ask({ number, spinUs: taskUs })) !== number) wrong++;
    }
  }));
  const ms = performance.now() - startMs;
  check(wrong === 0, `${wrong} of ${tasks} answers were wrong`);
  return (ms * 1000) / asked;
}

/** Computes for so long, and returns its number. */
export function spin({ number, spinUs }: OffloadTask): number {
  if (spinUs === 0) return number;
  for (const endMs = performance.now() + spinUs / 1000; performance.now() < endMs;) continue;
  return number;
}
