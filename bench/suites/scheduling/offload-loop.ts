/** Two loops that ask and await, used unchanged for every contender; and what a task does. */
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

/** Microseconds a task. Throws CheckFailed when an answer is wrong. */
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

/** Computes for so long, and answers its number. */
export function spin({ number, spinUs }: OffloadTask): number {
  if (spinUs === 0) return number;
  for (const endMs = performance.now() + spinUs / 1000; performance.now() < endMs;) continue;
  return number;
}
