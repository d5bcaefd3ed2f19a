// A reactor's thread takes over what V8 has compiled in the thread that starts it; without that it compiles by itself.
import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

const percore = (file) => JSON.stringify(new URL(`../../dist/percore/${file}`, import.meta.url).href);
let folder;

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'percore-code-'));
  writeFileSync(join(folder, 'entry.mjs'), `
    import core from ${percore('load.cjs')};
    export default (reactor) => reactor.handle('code', () => core.percoreModule.code);`);
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** Where the code of two reactors came from; `meanwhile` runs before the main thread does anything else. */
async function codesOf(meanwhile) {
  const { stdout } = await promisify(execFile)(process.execPath, ['--input-type=module', '--eval', `
    import { createRuntime } from ${percore('index.js')};
    const entry = new URL('entry.mjs', ${JSON.stringify(`file://${folder}/`)});
    const starting = createRuntime({ entry, reactors: 2, pin: false });
    ${meanwhile}
    const runtime = await starting;
    const codes = [];
    for (const reactor of [0, 1]) codes.push(await runtime.call('code', null, { reactor }));
    console.log(codes.join(' '));
    await runtime.close();`]);
  return stdout.trim();
}

describe('the code of a reactor', () => {
  it('comes from the thread that has started it', async () => {
    // A machine that is very busy may have given up waiting for it.
    await expect.poll(() => codesOf(''), { timeout: 60_000 }).toBe('given given');
  });

  it('is compiled anew where that thread is busy with something else', async () => {
    const block = 'for (const endMs = performance.now() + 3000; performance.now() < endMs;);';
    await expect.poll(() => codesOf(block), { timeout: 60_000 }).toBe('compiled compiled');
  });
});
