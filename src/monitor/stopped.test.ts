/** A process that was stopped says so, and not that a step or a collection was long. */
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { expect, it } from 'vitest';
import type { SloViolation } from '../index.js';
import { sleep, until } from '../reactor/fixtures/inside.js';

it('a time in which the whole process was stopped is named as such, and is no part of a stall', async () => {
  const child = fork(new URL('./fixtures/stopped.js', import.meta.url));
  const cases: Pick<SloViolation, 'cause' | 'ns' | 'shares'>[] = [];
  const stalls: number[] = [];
  let sent = 0;
  try {
    await once(child, 'message');
    child.on('message', (message: object | string) => {
      if (typeof message === 'string') sent++;
      else if ('cause' in message) cases.push(message as SloViolation);
      else if ('stallNs' in message) stalls.push(message.stallNs as number);
    });
    // The bound holds from the turn after this one on.
    for (const [i, ms] of [0, 200].entries()) {
      child.send(ms);
      await until(() => sent === i + 1, 'it was sent');
      await sleep(50);
    }
    child.kill('SIGSTOP');
    await sleep(1500);
    child.kill('SIGCONT');
    await until(() => cases.length > 0, 'it was late');
    const { cause, ns, shares } = cases[0]!;
    expect(cause.kind, JSON.stringify(shares)).toBe('stopped');
    expect(ns).toBeGreaterThan(1.4e9);
    expect(cause.ns).toBeGreaterThan(1.3e9);
    expect(Math.max(0, ...stalls)).toBeLessThan(1e9);
  } finally {
    child.kill('SIGCONT');
    child.kill('SIGKILL');
  }
}, 30_000);
