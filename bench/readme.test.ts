/** bench/README.md has a row for each bench of each suite with figures, under one heading for each. */
import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { rootUrl } from './context.js';
import type { Suite } from './harness.js';

const readme = readFileSync(new URL('bench/README.md', rootUrl), 'utf8');

it.each(['spine', 'queues', 'timers', 'io', 'scheduling', 'observe', 'realtime', 'beyond', 'peers'])(
  'says what each row of %s measures', async (suite) => {
    const { default: { benches } } = (await import(`./suites/${suite}.js`)) as { default: Suite };
    const parts = readme.split('\n## ').filter((part) => part.startsWith(`What the rows of \`${suite}\``));
    expect(parts.length, 'headings').toBeGreaterThan(0);
    expect(new Set(parts.map((part) => part.split('\n')[0])).size, 'no heading twice').toBe(parts.length);
    // `tcp-echo-1`, `-64`: the second one stands for its name from the first one's end on.
    const named = parts.join('').matchAll(/^\| (.*?) \|/gm);
    const names = [...named].flatMap(([, cell]) => {
      const all = [...cell.matchAll(/`([^`]+)`/g)].map(([, name]) => name);
      return all.map((name) => (name.startsWith('-') ? all[0].replace(/-[^-]+$/, name) : name));
    });
    expect(benches.map(({ name }) => name).filter((name) => !names.includes(name))).toEqual([]);
  },
);
