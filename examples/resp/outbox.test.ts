/** What waits for room between two reactors goes on when there is some, whether the lane was ever full or not. */
import { createRuntime } from 'percore';
import { expect, it } from 'vitest';
import { Counters } from './counters.js';
import { RawPeer } from './fixtures/processes.js';
import { ask } from './fixtures/traffic.js';
import { DEFAULT_LIMITS } from './parser.js';
import type { RespData, RespServices } from './reactor.js';
import { DEFAULT_SUBSCRIBER_BYTES } from './server.js';


it.each([
  ['wider than an outbox', 2 ** 22],
  ['narrow', 2 ** 14],
])('commands behind one that fills the outbox are worked, over lanes that are %s', async (_, laneBytes) => {
  const data: RespData = {
    counters: Counters.allocate(2),
    host: '127.0.0.1',
    limits: DEFAULT_LIMITS,
    subscriberBytes: DEFAULT_SUBSCRIBER_BYTES,
  };
  const runtime = await createRuntime<{ calls: RespServices }>({
    entry: new URL('./reactor.js', import.meta.url),
    reactors: 2,
    laneBytes,
    data,
  });
  try {
    const port = await runtime.call('listen', 0, { reactor: 0 });
    const key = Array.from({ length: 100 }, (__, i) => `far:${i}`).find((name) => runtime.ownerOf(name) === 1)!;
    // Several clients at once: whoever is told that there is room must not leave the others waiting.
    const peers = Array.from({ length: 4 }, () => new RawPeer(port));
    const value = 'v'.repeat(400_000);
    for (const [i, peer] of peers.entries()) {
      peer.send(
        ask('SET', key, value) +
          ask('GET', key) +
          ask('SET', `${key}${i}`, value) +
          ask('MGET', key, 'none') +
          ask('ECHO', 'end'),
      );
    }
    const bulk = `$${value.length}\r\n${value}\r\n`;
    for (const peer of peers) {
      const text = await peer.until((now) => now.endsWith('end\r\n'), 'the end');
      expect(text === `+OK\r\n${bulk}+OK\r\n*2\r\n${bulk}$-1\r\n$3\r\nend\r\n`).toBe(true);
      peer.socket.destroy();
    }
  } finally {
    await runtime.close({ drainMs: 100 });
  }
});
