/** `readBytes` bounds what a handler is given, and on epoll what is taken from the kernel at once as well. */
import { describe, expect, it } from 'vitest';
import { within } from '../reactor/fixtures/inside.js';
import type { Connection } from './connection.js';
import { sources } from './fixtures/sources.js';
import { create, type LocalIo } from './local-io.js';

const BYTES = 300_000;
const sent = Uint8Array.from({ length: BYTES }, (_, i) => (i * 31 + (i >> 8)) & 255);

/** A connection whose peer has sent everything before the first byte of it is asked for. */
async function filled(io: LocalIo, readBytes: number | undefined): Promise<Connection> {
  let took!: (connection: Connection) => void;
  const accepted = new Promise<Connection>((resolve) => { took = resolve; });
  const listener = io.listen({ port: 0, ...(readBytes === undefined ? {} : { readBytes }) }, took);
  const peer = io.connect({ port: listener.port });
  peer.offer(sent);
  const connection = await within(5000, accepted, 'accepted');
  await within(5000, peer.flushed(), 'sent');
  return connection;
}

/** What had arrived when the handler was called first, the longest piece it was given, and all that it was given. */
async function read(connection: Connection): Promise<{ firstArrived: number; longest: number; all: Uint8Array }> {
  const all = new Uint8Array(BYTES);
  let firstArrived = 0;
  let longest = 0;
  let at = 0;
  await within(5000, new Promise<void>((resolve) => {
    connection.onData((bytes) => {
      if (at === 0) firstArrived = connection.bytesRead + connection.status().unreadBytes;
      longest = Math.max(longest, bytes.length);
      all.set(bytes, at);
      at += bytes.length;
      if (at === BYTES) resolve();
    });
  }), 'read');
  return { firstArrived, longest, all };
}

describe.each(sources)('readBytes on %s', (source) => {
  it.each([1000, 8192, 20_000])('%d: no piece is longer, and every byte comes in order', async (readBytes) => {
    const io = create({ source });
    try {
      const { longest, all } = await read(await filled(io, readBytes));
      expect(longest).toBe(readBytes);
      expect(Buffer.compare(all, sent)).toBe(0);
    } finally {
      io.closeAll();
    }
  });
});

describe('readBytes and the kernel', () => {
  it.each([
    [1000, 16_384, 16_384], [8192, 16_384, 16_384], [20_000, 20_000, 20_000], [undefined, 40_000, 131_072],
  ])('%s: one receive of epoll takes %d to %d bytes', async (readBytes, least, most) => {
    const io = create({ source: 'epoll' });
    try {
      const { firstArrived } = await read(await filled(io, readBytes));
      expect(firstArrived).toBeGreaterThanOrEqual(least);
      expect(firstArrived).toBeLessThanOrEqual(most);
    } finally {
      io.closeAll();
    }
  });
});
