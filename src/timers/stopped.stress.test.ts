/**
 * A process is stopped while its timers fall due and a byte comes in. These tests say what must be true afterwards. In
 * CI the process is stopped for 1 s, with `PERCORE_STRESS=1` for 10 s.
 */
import { createConnection } from 'node:net';
import { describe, expect, it } from 'vitest';
import { resultOf, start } from './fixtures/programs.js';
import type { Stopped } from './fixtures/stopped.js';

const STOP_MS = process.env['PERCORE_STRESS'] === '1' ? 10_000 : 1000;

const sleep = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

/** Stops a process for `stopMs` while `timers` of its timers fall due and a byte comes in. */
async function stopFor(how: 'alone' | 'reactor', timers: number, stopMs: number): Promise<void> {
  // All of them are due while the process is stopped, and none before that.
  const startMs = 1000;
  const running = start('stopped-process', [how, String(timers), String(startMs), String(startMs + stopMs * 0.8)]);
  const said = await running.says('armed');
  const send = await byteTo(said, running.child.stdin!);
  await sleep(startMs / 2);
  running.child.kill('SIGSTOP');
  await sleep(startMs / 2 + stopMs);
  send();
  await sleep(20);
  running.child.kill('SIGCONT');
  const { once, notOnce, early, turns, mostInTurn, turnsBeforeByte, mostMissed } = await resultOf<Stopped>(running);
  expect({ once, notOnce, early }, 'each fired once, and none early').toEqual({ once: timers, notOnce: 0, early: 0 });
  expect(turns, 'over many turns').toBeGreaterThanOrEqual(timers / 256);
  expect(mostInTurn, 'a bounded number in each turn').toBeLessThanOrEqual(1024);
  expect(turnsBeforeByte, 'turns before the byte was served').toBeLessThanOrEqual(2);
  expect(mostMissed, 'the interval skips all ticks that are over at once').toBeGreaterThan(stopMs * 0.9);
}

/** Makes a function that sends one byte, to the port that the process has named or to its stdin. */
async function byteTo(said: string, stdin: NodeJS.WritableStream): Promise<() => void> {
  const port = /^port (\d+)$/m.exec(said)?.[1];
  if (port === undefined) return () => void stdin.write('x');
  const socket = createConnection(Number(port), '127.0.0.1');
  await new Promise((resolve, reject) => socket.once('connect', resolve).once('error', reject));
  socket.on('close', () => socket.destroy()).on('error', () => undefined);
  return () => void socket.write('x');
}

describe(`a process that is stopped for ${STOP_MS / 1000} s while 100,000 timers fall due`, () => {
  it.concurrent(
    'fires each once, over many turns, and serves I/O within two of them: timers alone',
    () => stopFor('alone', 100_000, STOP_MS),
    120_000,
  );
  it.concurrent('the same in a reactor', () => stopFor('reactor', 100_000, STOP_MS), 120_000);
});
