/** The page of the first hour names tests by their titles: each is there. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { root } from './pages.js';

const page = readFileSync(join(root, 'docs', 'first-hour.md'), 'utf8');
const expectations = page.split(/^(?=\d+\. )/m).slice(1);

it('has twenty expectations, each with tests', () => {
  expect(expectations.map((text) => Number.parseInt(text, 10))).toEqual(Array.from({ length: 20 }, (_, i) => i + 1));
  expect(expectations.filter((text) => !/^ +- `/m.test(text))).toEqual([]);
});

it('names tests that are there', () => {
  const missing: string[] = [];
  for (const [, path = '', title = ''] of page.matchAll(/- `([^`]+)`:\s+"([^"]+)"/g)) {
    const code = readFileSync(join(root, path), 'utf8');
    // A title begins behind a quotation mark, whatever else the line has.
    if (!["'", '"', '`'].some((mark) => code.includes(`${mark}${title}`))) missing.push(`${path}: ${title}`);
  }
  expect(missing).toEqual([]);
  // None was overlooked by the pattern.
  expect([...page.matchAll(/- `([^`]+)`:\s+"([^"]+)"/g)].length).toBe([...page.matchAll(/^ +- `/gm)].length);
});
