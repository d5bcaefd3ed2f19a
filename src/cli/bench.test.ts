import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, expect, it } from 'vitest';

const cli = fileURLToPath(new URL('../../percore/cli.js', import.meta.url));
const folder = mkdtempSync(join(tmpdir(), 'percore-bench-'));
afterAll(() => rmSync(folder, { recursive: true }));
const bench = (...args: string[]) => spawnSync(process.execPath, [cli, 'bench', ...args], { encoding: 'utf8' });

it('measures all three, as JSON, and compares with what was measured before', () => {
  const { status, stdout, stderr } = bench('--seconds', '5', '--json');
  expect([status, stderr]).toEqual([0, '']);
  const said = JSON.parse(stdout) as { node: string; figures: { name: string; side: string; value: number }[] };
  expect(said.node).toBe(process.version);
  expect(said.figures.map(({ name, side }) => `${name}: ${side}`)).toEqual([
    'messages: percore', 'messages: postMessage',
    ...['calls, 64 in flight', 'round trip, median'].flatMap((name) =>
      ['percore', 'postMessage', 'piscina'].map((side) => `${name}: ${side}`)),
  ]);
  for (const { value } of said.figures) expect(value).toBeGreaterThan(0);
  writeFileSync(join(folder, 'before.json'), stdout);
  const compared = bench('--seconds', '5', '--compare', join(folder, 'before.json'));
  expect([compared.status, compared.stderr]).toEqual([0, '']);
  expect(compared.stdout.match(/before: /g)).toHaveLength(8);
  expect(compared.stdout).toMatch(/\nNode v\S+, \d+ CPUs?.*: .*\.\n$/);
});

it('refuses what it cannot use before it measures anything', () => {
  writeFileSync(join(folder, 'other.json'), '{}');
  expect(bench('--seconds', '500')).toMatchObject({ status: 2, stderr: expect.stringContaining('5 to 50') as string });
  expect(bench('--fast').status).toBe(2);
  expect(bench('--compare', join(folder, 'other.json'))).toMatchObject({
    status: 1, stderr: expect.stringContaining('holds no figures') as string,
  });
  expect(bench('--compare', join(folder, 'missing.json'))).toMatchObject({
    status: 1, stderr: expect.stringContaining('ENOENT') as string,
  });
});
