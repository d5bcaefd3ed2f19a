/** Where counters pages are made and when they go, in programs of their own; and what they say of classes. */
import { execFileSync, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { metricsOf, prometheusText, publishCounters } from '../index.js';
import { inside, remoteRuntime, until, within } from '../reactor/fixtures/inside.js';
import { readPage } from './page-reader.js';

const index = new URL('../index.js', import.meta.url).href;
const packaged = new URL('../../percore/index.js', import.meta.url).href;
const entry = new URL('../reactor/fixtures/remote.js', import.meta.url).href;
const cli = fileURLToPath(new URL('../cli/main.js', import.meta.url));
const program = (text: string): string => `
  import { createRuntime, publishCounters } from ${JSON.stringify(index)};
  const runtime = await createRuntime({ entry: ${JSON.stringify(entry)}, reactors: 1 });
  ${text}
`;

describe('a counters page', () => {
  let folder: string;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'percore-made-'));
  });
  afterEach(() => rmSync(folder, { recursive: true, force: true }));

  it('is not made where there is no room for all of it, and leaves nothing behind', () => {
    // A limit for files is met as a full disk is: less is written than was asked for, and only then nothing more.
    const said = execFileSync('sh', [
      '-c', 'ulimit -f 200 && exec "$0" --input-type=module -e "$1"', process.execPath, program(`
        try {
          publishCounters(runtime, { path: 'page' });
          console.log('made');
        } catch ({ code, errno, message }) {
          console.log([code, errno, message.split(':')[0]].join());
        }
        await runtime.close();
      `),
    ], { cwd: folder, encoding: 'utf8' });
    expect(said).toBe(`ERR_PERCORE_SYSTEM,EFBIG,the counters page ${join(folder, 'page')} cannot be made\n`);
    expect(readdirSync(folder)).toEqual([]);
  }, 60_000);

  it.skipIf(spawnSync('prlimit', ['--version']).error !== undefined)(
    'that can be written no more does not end the program, and says so', () => {
      const { stdout, stderr } = spawnSync(process.execPath, ['--input-type=module', '-e', program(`
        import { execFileSync } from 'node:child_process';
        const page = publishCounters(runtime, { path: 'page', everyMs: 10 });
        await new Promise((resolve) => setTimeout(resolve, 100));
        execFileSync('prlimit', ['--pid', String(process.pid), '--fsize=4096']);
        await new Promise((resolve) => process.on('warning', ({ message }) => {
          if (/stands still from now on/.test(message)) resolve();
        }));
        for (let i = 0; i < 2; i++) {
          try {
            page.publish();
          } catch ({ code, errno, message }) {
            console.log([code, errno, message.split(':')[0]].join());
          }
        }
        await runtime.close();
        console.log('closed');
      `)], { cwd: folder, encoding: 'utf8' });
      const refused = `ERR_PERCORE_SYSTEM,EFBIG,the counters page ${join(folder, 'page')} cannot be written\n`;
      expect(stdout, stderr).toBe(`${refused}${refused}closed\n`);
      expect(readdirSync(folder)).toEqual([]);
    }, 60_000,
  );

  it('at a relative path is removed from there, wherever the program has gone', () => {
    const said = execFileSync(process.execPath, ['--input-type=module', '-e', program(`
      const page = publishCounters(runtime, { path: 'page' });
      process.chdir('/');
      console.log(page.path);
      await runtime.close();
    `)], { cwd: folder, encoding: 'utf8' });
    expect([said, readdirSync(folder)]).toEqual([`${join(folder, 'page')}\n`, []]);
  }, 60_000);

  it('is chosen by the pid alone, though the runtime has another one', async () => {
    const child = spawn(process.execPath, ['--input-type=module', '-e', program(`
      publishCounters(runtime);
      console.log(publishCounters(runtime).path);
      process.stdin.once('data', () => void runtime.close().then(() => process.exit()));
    `)], { stdio: ['pipe', 'pipe', 'inherit'] });
    const ended = once(child, 'exit');
    try {
      await within(20_000, once(createInterface({ input: child.stdout! }), 'line'), 'its path');
      expect(execFileSync(process.execPath, [cli, 'top', '--once', String(child.pid)], { encoding: 'utf8' }))
        .toMatch(new RegExp(`^process ${child.pid},`));
    } finally {
      child.stdin!.end('end');
      await ended;
    }
  }, 60_000);

  it('counts steps of a class by its tasks, through whichever lane their messages came', async () => {
    const runtime = await remoteRuntime(1, { metrics: true });
    const listeners = process.listenerCount('exit');
    const pages = ['one', 'two', 'three'].map((name) => publishCounters(runtime, { path: join(folder, name) }));
    // Node warns of a leak at eleven.
    expect(process.listenerCount('exit') - listeners).toBeLessThanOrEqual(1);
    await inside(runtime, 0, (reactor) => void reactor.spawn({ name: 'orders', priority: 5 }, () => undefined));
    for (let i = 0; i < 50; i++) runtime.send('orders', i, { reactor: 0, priority: 2 });
    const stepsOf = (classes: readonly { readonly name: string; readonly steps: number }[]): number | undefined =>
      classes.find(({ name }) => name === 'band 5')?.steps;
    await until(() => stepsOf(metricsOf(runtime).classes) === 50, 'all have run');
    pages[0]!.publish();
    expect(stepsOf(readPage(pages[0]!.path).classes)).toBe(50);
    await runtime.close();
    expect(process.listenerCount('exit')).toBeLessThanOrEqual(listeners);
  }, 30_000);

  it('an exporter of the package says what each figure means, as that of the sources does', async () => {
    writeFileSync(join(folder, 'entry.mjs'), 'export default () => undefined;\n');
    const said = execFileSync(process.execPath, ['--input-type=module', '-e', `
      import { createRuntime, prometheusText } from ${JSON.stringify(packaged)};
      const runtime = await createRuntime({ entry: process.argv[1], reactors: 1 });
      console.log(prometheusText(runtime));
      await runtime.close();
    `, join(folder, 'entry.mjs')], { encoding: 'utf8' });
    const runtime = await remoteRuntime(1);
    const helpOf = (text: string): string[] => text.split('\n').filter((line) => line.startsWith('# HELP'));
    expect(helpOf(said)).toEqual(helpOf(prometheusText(runtime)));
    await runtime.close();
  }, 60_000);
});
