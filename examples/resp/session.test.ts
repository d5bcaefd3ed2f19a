/** One client on a connection that the test plays: how much it is served at a time. */
import { describe, expect, it } from 'vitest';
import { Counters } from './counters.js';
import { ask, bulk } from './fixtures/traffic.js';
import { Server } from './server.js';
import { Session } from './session.js';

const OK = 0;
const latin1 = (text: string): Uint8Array => new Uint8Array(Buffer.from(text, 'latin1'));

describe('a client whose replies are long', () => {
  const value = 'v'.repeat(50_000);
  const GETS = 200;

  it('rests now and then, so that the others come first, and gets every reply in order', () => {
    const resting: (() => void)[] = [];
    const server = new Server({
      id: 0, ownerOf: () => 0, counters: new Counters(Counters.allocate(1), 1, 0),
      keyspaceHost: { nowMs: () => 0, after: () => 0, cancel: () => undefined },
      later: (then) => void resting.push(then),
    });
    let sent = '';
    let reading = true;
    const session = new Session(server, {
      offer: (bytes, offset, length) => {
        sent += Buffer.from(bytes.slice(offset, offset + length)).toString('latin1');
        return OK;
      },
      whenWritable: () => expect.unreachable('everything was taken'),
      pause: () => void (reading = false),
      resume: () => void (reading = true),
      end: () => undefined,
      close: () => undefined,
    });
    const requests = latin1(ask('SET', 'k', value) + ask('GET', 'k').repeat(GETS));
    session.receive(requests, 0, requests.length);
    let parts = 1;
    for (let before = 0; resting.length !== 0; parts++) {
      // The value is a third of what a client may be sent before it rests.
      expect(sent.length - before).toBeLessThan(4 * value.length);
      expect([resting.length, reading]).toEqual([1, false]);
      before = sent.length;
      resting.shift()!();
    }
    expect(parts).toBeGreaterThan(GETS / 5);
    expect(reading).toBe(true);
    expect(sent).toBe(`+OK\r\n${bulk(value).repeat(GETS)}`);
  });
});
