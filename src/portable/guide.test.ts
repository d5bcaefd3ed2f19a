/** The table of docs/guide/portable.md is that of `capabilities()`. */
import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';

it('the guide has a row for each capability, with its state', async () => {
  process.env['PERCORE_BACKEND'] = 'portable';
  const { capabilities } = await import('../capabilities.js');
  const page = readFileSync(new URL('../../../docs/guide/portable.md', import.meta.url), 'utf8');
  const rows = [...page.matchAll(/^\| `(\w+)` \| (stand-in|missing) \|/gm)].map(([, name, state]) => [name, state]);
  const { backend, reason, of } = capabilities();
  expect([backend, reason]).toEqual(['portable', 'PERCORE_BACKEND=portable']);
  expect(rows).toEqual(
    Object.entries(of).map(([name, { state }]) => [name, state === 'standIn' ? 'stand-in' : state]),
  );
  for (const [name, { note }] of Object.entries(of)) expect(note, name).not.toBe('');
});
