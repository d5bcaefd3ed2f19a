/** The thread of a reactor runs the same build as the one that starts it. */
import { expect, it } from 'vitest';
import { checkBuild, ownBuild } from './own-build.js';
import { errorOf } from './fixtures/inside.js';

const own = { version: '2.0.0', layout: 'aa', code: 'f'.repeat(64) };
const mismatch = (theirs: Parameters<typeof checkBuild>[0]) => errorOf(() => checkBuild(theirs, own));

it('takes its own build, and one whose code nobody has hashed', () => {
  checkBuild(ownBuild());
  checkBuild(own, own);
  checkBuild({ ...own, code: undefined }, own);
  checkBuild(own, { ...own, code: undefined });
});

it.each([
  ['version', { ...own, version: '1.0.0' }, 'percore 1.0.0 (build ffffffffffff)'],
  ['layout', { ...own, layout: 'bb', code: undefined }, 'percore 2.0.0 (build bb)'],
  ['code', { ...own, code: '0'.repeat(64) }, 'percore 2.0.0 (build 000000000000)'],
  ['silence', undefined, 'an older one'],
])('refuses another %s, and names both and what to do', async (_name, theirs, named) => {
  const { code, message } = await mismatch(theirs);
  expect(code).toBe('ERR_PERCORE_LAYOUT_MISMATCH');
  expect(message).toContain('runs percore 2.0.0 (build ffffffffffff)');
  expect(message).toContain(`has started it runs ${named}.`);
  expect(message).toContain('start the program again');
});
