/** A reactor dies: its keys are gone, whoever waits for them is told, and everything else goes on. */
import { createRuntime } from 'percore';
import { expect, it } from 'vitest';
import { Counters } from './counters.js';
import type { MortalServices } from './fixtures/mortal-reactor.js';
import { RawPeer } from './fixtures/processes.js';
import { ask } from './fixtures/traffic.js';
import { DEFAULT_LIMITS } from './parser.js';
import { DEFAULT_SUBSCRIBER_BYTES } from './server.js';
import type { RespData } from './reactor.js';

const DIED = '-ERR the reactor of this key has died\r\n';

it('a death is an error for the keys of the dead and for nobody else', async () => {
  const data: RespData = {
    counters: Counters.allocate(2),
    host: '127.0.0.1',
    limits: DEFAULT_LIMITS,
    subscriberBytes: DEFAULT_SUBSCRIBER_BYTES,
  };
  const runtime = await createRuntime<{ calls: MortalServices }>({
    entry: new URL('./fixtures/mortal-reactor.js', import.meta.url),
    reactors: 2,
    data,
  });
  try {
    const died = new Promise<void>((resolve) => {
      runtime.on(
        'reactorDied',
        ({ reactorId }) => void runtime.call('noteDeath', reactorId, { reactor: 1 - reactorId }).then(resolve),
      );
    });
    // Only reactor 0 listens, so that every connection survives.
    const port = await runtime.call('listen', 0, { reactor: 0 });
    const keys = Array.from({ length: 40 }, (_, i) => `death:${i}`);
    const owners = keys.map((key) => runtime.ownerOf(key));
    expect(new Set(owners).size).toBe(2);
    const peer = new RawPeer(port);
    peer.send(keys.map((key) => ask('SET', key, 'v')).join(''));
    await peer.until((text) => text === '+OK\r\n'.repeat(keys.length), 'the answers');

    // Asked while it dies: each gets its value or the error, in order, and none is left waiting.
    const dying = new RawPeer(port);
    const rounds = 50;
    dying.send(Array.from({ length: rounds }, () => keys.map((key) => ask('GET', key)).join('')).join(''));
    void runtime.call('die', null, { reactor: 1 }).catch(() => undefined);
    await died;
    dying.send(ask('ECHO', 'end of it'));
    const answers = await dying.until((text) => text.endsWith('end of it\r\n'), 'the end');
    const each = answers.match(/\$1\r\nv\r\n|-ERR [^\r]*\r\n/g)!;
    expect(each).toHaveLength(rounds * keys.length);
    each.forEach((answer, i) => {
      if (owners[i % keys.length] === 0) expect(answer).toBe('$1\r\nv\r\n');
      else expect(['$1\r\nv\r\n', DIED]).toContain(answer);
    });

    const after = new RawPeer(port);
    const [alive, dead] = [keys[owners.indexOf(0)]!, keys[owners.indexOf(1)]!];
    after.send(
      ask('GET', dead) +
        ask('GET', alive) +
        ask('MGET', alive, dead) +
        ask('DEL', alive) +
        ask('PUBLISH', 'c', 'x') +
        ask('ECHO', 'end'),
    );
    expect(await after.until((text) => text.endsWith('end\r\n'), 'the end')).toBe(
      `${DIED}$1\r\nv\r\n${DIED}:1\r\n:0\r\n$3\r\nend\r\n`,
    );
    for (const one of [peer, dying, after]) one.socket.destroy();
  } finally {
    await runtime.close({ drainMs: 100 });
  }
});
