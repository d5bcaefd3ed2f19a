/**
 * How programs end: by themselves once the runtime is closed and nothing else is left, and at once by what ends any
 * program of Node. What ends a reactor alone is in death.test.ts, signals are in close-on-signal.test.ts.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { expect, it } from 'vitest';
import { fixture } from './fixtures/inside.js';

interface End {
  readonly status: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly said: string;
  readonly errors: string;
}

async function end(way: string): Promise<End> {
  const child = spawn(process.execPath, [fileURLToPath(fixture('ends')), way], {
    stdio: ['ignore', 'pipe', 'pipe'], timeout: 50_000, killSignal: 'SIGKILL',
  });
  const told = { said: '', errors: '' };
  child.stdout.on('data', (bytes: Buffer) => void (told.said += bytes.toString()));
  child.stderr.on('data', (bytes: Buffer) => void (told.errors += bytes.toString()));
  const [status, signal] = await once(child, 'close') as [number | null, NodeJS.Signals | null];
  return { status, signal, ...told };
}

it.concurrent.each(['closed', 'using'])('by itself, with nothing left: %s', async (way) => {
  expect(await end(way)).toEqual({ status: 0, signal: null, said: 'pong\nstop hook\n', errors: '' });
});

it.concurrent('by an exception that leaves the block of `await using`: the runtime is closed first', async () => {
  const { status, said, errors } = await end('using, left by an exception');
  expect([status, said]).toEqual([1, 'pong\nstop hook\n']);
  expect(errors).toContain('RangeError: of the main thread');
});

it.concurrent('by itself where the death of the last reactor closes the runtime', async () => {
  expect(await end('all reactors dead')).toEqual({ status: 0, signal: null, said: 'died 3\n', errors: '' });
});

it.concurrent.each(['exception', 'rejection'])('by an uncaught %s on the main thread, amid a step', async (way) => {
  const { status, signal, said, errors } = await end(way);
  expect([status, signal, said]).toEqual([1, null, 'spins\n']);
  expect(errors).toContain('RangeError: of the main thread');
});

it.concurrent('by process.exit on the main thread, amid a step', async () => {
  expect(await end('exit')).toEqual({ status: 9, signal: null, said: 'spins\n', errors: '' });
});

it.concurrent('in order, by a program that catches what nobody did and closes', async () => {
  expect(await end('exception that is caught')).toEqual({
    status: 7, signal: null, said: 'caught: of the main thread\nstop hook\n', errors: '',
  });
});

it.concurrent('by Ctrl-C as any program, where closeOnSignal was not asked for', async () => {
  expect(await end('signal that nobody listens to')).toEqual({ status: null, signal: 'SIGINT', said: '', errors: '' });
});
