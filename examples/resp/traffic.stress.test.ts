/**
 * Many clients with random pipelines over several reactors, with values from a byte to longer than a lane, sent in
 * pieces, read with pauses: every answer must come, in its order. Short in CI; `PERCORE_STRESS=1` is the long form.
 */
import { once } from 'node:events';
import { afterEach, expect, it } from 'vitest';
import { RawPeer, startOwn, type RunningServer } from './fixtures/processes.js';
import { makeTraffic } from './fixtures/traffic.js';

const isLong = process.env['PERCORE_STRESS'] === '1';
const CLIENTS = isLong ? 24 : 6;
const COMMANDS = isLong ? 20_000 : 750;
const ROUNDS = isLong ? 10 : 1;

let server: RunningServer;
afterEach(() => server.stop());

it.each(['epoll', 'io_uring'])('answers every client in its order, whatever the others do, with %s', async (source) => {
  server = await startOwn('--reactors', '3', '--source', source);
  for (let round = 0; round < ROUNDS; round++) {
    const seed = (Math.random() * 2 ** 31) | 0;
    await Promise.all(Array.from({ length: CLIENTS }, (_, client) => talk(`${round}.${client}`, seed + client)));
  }
  expect(server.stderr()).not.toMatch(/Error/);
}, 1_800_000);

async function talk(prefix: string, seed: number): Promise<void> {
  const { requests, replies } = makeTraffic(prefix, COMMANDS, seed, 600_000);
  const peer = new RawPeer(server.port);
  await once(peer.socket, 'connect');
  let received = 0;
  let wrongAt = -1;
  let chunks = 0;
  peer.socket.removeAllListeners('data').on('data', (chunk: Buffer) => {
    if (wrongAt < 0 && !chunk.equals(replies.subarray(received, received + chunk.length))) wrongAt = received;
    received += chunk.length;
    // Now and then it does not read for a while.
    if (++chunks % 50 !== 0) return;
    peer.socket.pause();
    setTimeout(() => peer.socket.resume(), 20);
  });
  for (let at = 0; at < requests.length; ) {
    const size = 1 + ((seed * 31 + at * 17) >>> 0) % 50_000;
    if (!peer.socket.write(requests.subarray(at, at + size))) await once(peer.socket, 'drain');
    at += size;
  }
  const endMs = performance.now() + 300_000;
  while (received < replies.length && !peer.isClosed && performance.now() < endMs) {
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  peer.socket.destroy();
  expect({ seed, received, wrongAt }).toEqual({ seed, received: replies.length, wrongAt: -1 });
}
