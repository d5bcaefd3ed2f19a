/**
 * The outbox of a thread may stay full although it was to be emptied: io_uring_enter can fail for want of memory for a
 * while. What was offered is sent afterwards, and those who wait for it are told.
 */
import { connect, type Socket } from 'node:net';
import { once } from 'node:events';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { within } from '../reactor/fixtures/inside.js';
import { OK } from '../queues/index.js';
import { sources } from './fixtures/sources.js';
import type { Connection } from './connection.js';
import { coreOf } from './io.js';
import { create, type LocalIo } from './local-io.js';

describe.each(sources)('an outbox that cannot be emptied now, on %s', (source) => {
  let io: LocalIo;
  let peer: Socket;
  let connection: Connection;
  let got = 0;

  beforeEach(async () => {
    io = create({ source });
    got = 0;
    const accepted = new Promise<Connection>((resolve) => {
      const listener = io.listen({ port: 0, host: '127.0.0.1' }, (each) => {
        listener.close();
        resolve(each);
      });
      peer = connect(listener.port, '127.0.0.1').on('data', (bytes) => void (got += bytes.length));
    });
    connection = await accepted;
    // What was requested when it was accepted is done.
    await new Promise((resolve) => setTimeout(resolve, 5));
    io.flush();
  });
  afterEach(() => {
    peer.destroy();
    io.closeAll();
  });

  /** Nothing is given to the kernel before the end of the turn, whoever asks for it. */
  function hold(): void {
    const { memory } = coreOf(io)!;
    memory.drain = () => undefined;
    setTimeout(() => delete (memory as { drain?: () => void }).drain, 20);
  }

  it('tells those who wait until everything is sent', async () => {
    hold();
    expect(connection.offer(new Uint8Array(100))).toBe(OK);
    expect(connection.pendingBytes).toBe(100);
    await within(5000, connection.flushed(), 'flushed');
    expect(connection.pendingBytes).toBe(0);
    if (got < 100) await once(peer, 'data');
    expect(got).toBe(100);
  });

  it('is followed by what did not fit into it', async () => {
    hold();
    expect(connection.offer(new Uint8Array(100))).toBe(OK);
    expect(connection.offer(new Uint8Array(50_000))).toBe(OK);
    expect(connection.pendingBytes).toBe(50_100);
    await within(5000, (async () => {
      while (got < 50_100) await once(peer, 'data');
    })(), 'all bytes at the peer');
    await within(5000, connection.flushed(), 'flushed');
  });
});
