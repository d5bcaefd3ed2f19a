/** 64 loops that ask and await, which all contenders use unchanged. Returns answers a second. */
import { check } from '../../harness.js';

const IN_FLIGHT = 64;

/** Asks `calls` times in all. Throws CheckFailed if an answer is wrong. */
export async function answerAll(ask: (argument: number) => Promise<number>, calls: number): Promise<number> {
  let asked = 0;
  let wrong = 0;
  const startMs = performance.now();
  await Promise.all(Array.from({ length: IN_FLIGHT }, async () => {
    while (asked < calls) {
      const argument = asked++;
      if ((await ask(argument)) !== argument) wrong++;
    }
  }));
  const seconds = (performance.now() - startMs) / 1000;
  check(wrong === 0, `${wrong} of ${calls} answers were wrong`);
  return asked / seconds;
}
