/**
 * What the pages for people who come from Java show as Java compiles: against the Disruptor where Debian's
 * `libdisruptor-java` is installed, and for Aeron, which Debian does not have, against the signatures that the page
 * uses. Where there is no Java compiler nothing is compiled.
 */
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, expect, it } from 'vitest';
import { can, where } from '../../dist/src/realtime/fixtures/privileges.js';
import { blocksOf, pages } from '../../dist/test/docs/pages.js';

const DISRUPTOR = '/usr/share/java/disruptor.jar';
/** Of Aeron and Agrona, what the page uses. */
const AERON = {
  'io/aeron/Publication.java': `package io.aeron;
    public abstract class Publication {
      public static final long BACK_PRESSURED = -2;
      public abstract long offer(org.agrona.DirectBuffer buffer, int offset, int length);
    }`,
  'org/agrona/DirectBuffer.java': 'package org.agrona; public interface DirectBuffer {}',
  'org/agrona/concurrent/IdleStrategy.java':
    'package org.agrona.concurrent; public interface IdleStrategy { void idle(int workCount); void idle(); }',
};

const folder = mkdtempSync(join(tmpdir(), 'percore-java-'));
afterAll(() => rmSync(folder, { recursive: true }));
const fragments = pages().filter(({ path }) => path.startsWith('docs/guide/')).flatMap((page) =>
  blocksOf(page).filter(({ language }) => language === 'java').map((block) => ({ path: page.path, ...block })));

function write(name, text) {
  mkdirSync(dirname(join(folder, name)), { recursive: true });
  writeFileSync(join(folder, name), text);
  return join(folder, name);
}

/** What the compiler says of a fragment, which stands in a method; `given` has its imports and fields. */
function compile(name, code, given) {
  const lines = given.split('\n');
  const [imports, fields] = [true, false].map((is) => lines.filter((line) => line.startsWith('import ') === is));
  const method = `void run() throws Exception {\n${code}}`;
  const source = [...imports, `class ${name} {`, ...fields, method, '}\n'].join('\n');
  const stubs = Object.entries(AERON).map(([file, text]) => write(file, text));
  const { status, stderr } = spawnSync(
    'javac', ['-d', join(folder, 'out'), '-cp', DISRUPTOR, write(`${name}.java`, source), ...stubs],
    { encoding: 'utf8' },
  );
  return status === 0 ? '' : stderr;
}

it('each page has its fragment, and says what that is given', () => {
  expect(fragments.map(({ path }) => path)).toEqual([
    'docs/guide/migrating/aeron.md', 'docs/guide/migrating/disruptor.md',
  ]);
  expect(fragments.filter(({ given }) => !/^import /m.test(given))).toEqual([]);
});

for (const [i, { path, line, code, given }] of fragments.entries()) {
  const hasAll = can('javac', '-version') && (existsSync(DISRUPTOR) || !given.includes('com.lmax'));
  where(hasAll)(`${path}:${line} compiles${i === 0 ? ', and would not if a name in it were wrong' : ''}`, () => {
    expect(compile(`Fragment${i}`, code, given)).toBe('');
    if (i === 0) expect(compile('Wrong', code.replace('.offer(', '.offerr('), given)).toContain('offerr');
  }, 120_000);
}
