import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, it } from 'vitest';
import { closeOnSignal } from './close-on-signal.js';
import { createRuntime } from './runtime.js';

const folder = mkdtempSync(join(tmpdir(), 'percore-signal-'));
afterAll(() => rmSync(folder, { recursive: true }));
const here = (name: string): string => JSON.stringify(new URL(name, import.meta.url).href);
const entry = join(folder, 'entry.mjs');
// One step takes a second, so that a signal comes amid it; 'for ever' never yields.
writeFileSync(entry, `
  export default function start(reactor) {
    reactor.onStop(() => console.log('stop hook'));
    reactor.spawn({ name: 'slow' }, (forMs) => {
      const until = performance.now() + forMs;
      while (performance.now() < until);
      console.log('step done');
    });
  }`);

/** A program that sends its reactor a step that takes so long, and is sent the signals once that has begun. */
async function end(stepMs: number, options: string, signals: NodeJS.Signals[]) {
  const program = join(folder, `program-${stepMs}-${signals.join('-')}.mjs`);
  writeFileSync(program, `
    import { createRuntime } from ${here('./runtime.js')};
    import { closeOnSignal } from ${here('./close-on-signal.js')};
    const runtime = await createRuntime({ entry: ${JSON.stringify(entry)}, reactors: 1 });
    closeOnSignal(runtime, ${options});
    runtime.send('slow', ${stepMs}, { reactor: 0 });
    runtime.flush();
    setTimeout(() => console.log('ready'), 100);
    const alive = setInterval(() => {}, 1000);`);
  const child = spawn(process.execPath, [program], { stdio: ['ignore', 'pipe', 'pipe'] });
  let said = '';
  let told = '';
  child.stderr.on('data', (bytes: Buffer) => void (told += bytes.toString()));
  let sent = 0;
  child.stdout.on('data', (bytes: Buffer) => {
    said += bytes.toString();
    if (said.includes('ready') && sent === 0) child.kill(signals[sent++]);
    if (said.includes('closing') && sent < signals.length) child.kill(signals[sent++]);
  });
  const [code, signal] = await once(child, 'close') as [number | null, string | null];
  return { code, signal, said, told };
}

it('runs what was sent and the stop hooks, then what is to run afterwards, and ends with 0', async () => {
  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    const { code, said } = await end(500, "{ afterwards: () => console.log('afterwards') }", [signal]);
    expect([code, said.replace('ready\n', '')]).toEqual([0, 'step done\nstop hook\nafterwards\n']);
  }
});

it('ends with 1 where the grace time was too short, or what was to run afterwards fails', async () => {
  const cut = await end(60_000, "{ drainMs: 0, afterwards: ({ leftBehind }) => console.log(leftBehind) }", ['SIGTERM']);
  expect(cut).toMatchObject({
    code: 1, said: 'ready\n[ 0 ]\n',
    told: 'percore: closed with something left undone within drainMs (0): '
      + '{"drained":false,"undelivered":1,"leftBehind":[0],"stillRunning":[]}\n',
  });
  expect((await end(1, '{ afterwards() { console.error = () => {}; throw new Error() } }', ['SIGTERM'])).code).toBe(1);
});

it('ends with 1 where what was to run afterwards waits for something that does not come', async () => {
  const { code, told } = await end(2, '{ afterwards: () => new Promise(() => clearInterval(alive)) }', ['SIGTERM']);
  expect([code, told]).toEqual([
    1, 'percore: what was to run after the runtime was closed waits for something that will not come\n',
  ]);
});

it('ends at once at a second signal, with 128 and its number', async () => {
  const options = "{ drainMs: 50_000, afterwards: () => {} }) ; process.on('SIGTERM', () => console.log('closing')";
  const { code, said } = await end(60_000, options, ['SIGTERM', 'SIGINT']);
  expect([code, said]).toEqual([130, 'ready\nclosing\n']);
});

it('installs nothing before it is called, takes its listeners away, and refuses what it does not know', async () => {
  const runtime = await createRuntime({ entry, reactors: 1 });
  try {
    const listening = () => process.listenerCount('SIGTERM') + process.listenerCount('SIGUSR2');
    const before = listening();
    const stop = closeOnSignal(runtime, { signals: ['SIGTERM', 'SIGUSR2'] });
    expect(listening()).toBe(before + 2);
    stop();
    expect(listening()).toBe(before);
    expect(() => closeOnSignal(runtime, { signals: ['SIGUSR2', 'SIGKILL'] })).toThrow(/options\.signals must be/);
    expect(() => closeOnSignal(runtime, { drainMs: -1 })).toThrow(/options\.drainMs must be/);
    // @ts-expect-error an option that there is not
    expect(() => closeOnSignal(runtime, { drain: 1 })).toThrow(/drain/);
    // @ts-expect-error no runtime
    expect(() => closeOnSignal({})).toThrow(/runtime must be/);
    expect(listening()).toBe(before);
  } finally {
    await runtime.close();
  }
});
