/**
 * Programs that leave a runtime open: one that could never go on is told so, and one that waits for something is not.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { describe, expect, it } from 'vitest';
import { fixture, sleep } from './fixtures/inside.js';

/**
 * What a program prints on its standard error within `ms` after its runtime is ready; `main` and `reactor` are its
 * code.
 */
async function errorsOf(main: string, reactor: string, ms: number): Promise<string> {
  const source = `
    const { createRuntime } = await import(${JSON.stringify(new URL('./runtime.js', import.meta.url).href)});
    const runtime = await createRuntime({ entry: ${JSON.stringify(fixture('remote').href)}, reactors: 2 });
    const source = ${JSON.stringify(`(reactor, _argument, { state, require }) => { ${reactor} }`)};
    await runtime.call('run', { source }, { reactor: 1 });
    ${main}
    console.log('ready');`;
  const child = spawn(process.execPath, ['--input-type=module', '--eval', source], {
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let errors = '';
  child.stderr.on('data', (chunk: Buffer) => void (errors += chunk.toString()));
  await once(child.stdout, 'data');
  for (const endMs = performance.now() + ms; performance.now() < endMs && errors === '';) await sleep(20);
  child.kill('SIGKILL');
  return errors;
}

describe('a runtime that is left open', { timeout: 60_000 }, () => {
  it('when nothing could ever happen any more is told of, once, and how to end it', async () => {
    const errors = await errorsOf('', "reactor.spawn({ name: 'task' }, () => undefined);", 30_000);
    expect(errors).toContain('PERCORE_NOT_CLOSED');
    for (const way of ['await runtime.close()', 'await using', 'runtime.unref()']) expect(errors).toContain(way);
  });

  it('by a program that waits for something is not', async () => {
    const programs = {
      'a listener': ['', 'reactor.io.listen({ port: 0 }, () => undefined);'],
      'a timer': ['', "reactor.timers.after({ delayNs: 1e12 }, () => undefined);"],
      "a timer of Node's in a reactor": ['', 'setTimeout(() => undefined, 1e6);'],
      "a server of Node's in a reactor": ['', "require('node:net').createServer().listen(0);"],
      'a step': [
        '',
        "reactor.spawn({ name: 'task' }, () => new Promise(() => undefined)); reactor.send('task', 1, { reactor: 1 });",
      ],
      'a timer of the main thread': ['setTimeout(() => undefined, 1e6);', ''],
      'a signal': ["process.on('SIGTERM', () => runtime.close());", ''],
    };
    const all = await Promise.all(
      Object.entries(programs).map(async ([name, [main, reactor]]) => [name, await errorsOf(main!, reactor!, 9000)]),
    );
    expect(Object.fromEntries(all)).toEqual(Object.fromEntries(Object.keys(programs).map((name) => [name, ''])));
  });
});
