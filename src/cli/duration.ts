/** Times as users type them: a number and its unit. */
import { UsageError } from './command.js';

const UNITS: Readonly<Record<string, number>> = { ns: 1, us: 1e3, 'µs': 1e3, ms: 1e6, s: 1e9 };

/** `500us` in nanoseconds, `0` as 0; from 1 to `most`. A UsageError names `what`. */
export function parseTime(what: string, text: string, most: number): number {
  if (text === '0') return 0;
  const [, number, unit] = /^(\d+(?:\.\d+)?)(ns|us|µs|ms|s)$/.exec(text) ?? [];
  const ns = Math.round(Number(number) * (UNITS[unit ?? ''] ?? NaN));
  if (!(ns >= 1 && ns <= most))
    throw new UsageError(`${what} ${text}: a time such as 500us, up to ${Math.floor(most / 1e9)}s, or 0`);
  return ns;
}
