/**
 * What `room()` promises also holds in a promise that runs after the turn, where bytes may have come back from the
 * outbox and nobody has looked at them yet.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { within } from '../reactor/fixtures/inside.js';
import { BACK_PRESSURED, CLOSED, OK } from '../queues/index.js';
import type { Connection } from './connection.js';
import { sources } from './fixtures/sources.js';
import { create, type LocalIo } from './local-io.js';

/** Less than the peer's buffer, which is filled by several bursts and by the last one only in part. */
const MARK = 60_000;
const PIECE = new Uint8Array(5000);

describe.each(sources)('room() after the turn, on %s', (source) => {
  let io: LocalIo;
  let folder = '';
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'percore-room-'));
    io = create({ source });
  });
  afterAll(() => {
    io.closeAll();
    rmSync(folder, { recursive: true });
  });

  /**
   * Fills the peer's buffer by bursts up to the mark. Returns how much was refused although `room()` had resolved, or
   * how many bytes came back although none had been pending.
   */
  async function fill(path: string, firstBytes: number): Promise<number> {
    let told!: (refused: number) => void;
    const result = new Promise<number>((resolve) => void (told = resolve));
    const listener = io.listen({ path, highWaterBytes: MARK }, (connection) => {
      connection.offer(new Uint8Array(firstBytes));
      connection.onData(() => void burst(connection));
    });
    // To somebody else, since what comes to the listener above begins a burst, and two would see each other's bytes.
    const sink = io.listen({ path: `${path}-sink` }, () => undefined);
    const other = await io.connect({ path: `${path}-sink` });
    const peer = connect(path).on('error', () => undefined).pause();
    const next = (): void => void peer.write('x');

    const burst = async (connection: Connection): Promise<void> => {
      while (connection.offer(PIECE) === OK);
      await new Promise((resolve) => setImmediate(resolve));
      const { pendingBytes } = connection;
      let isResolved = false;
      const waits = connection.room().then(() => {
        isResolved = true;
        // Whoever else has something to send hears what has come back.
        other.offer(new Uint8Array(1));
        io.flush();
        if (connection.pendingBytes > pendingBytes) told(connection.pendingBytes);
        return connection.offer(PIECE);
      }, () => CLOSED);
      await Promise.race([waits, new Promise((resolve) => setTimeout(resolve, 50))]);
      if (!isResolved) {
        connection.close();
        told(0);
      } else if (await waits === BACK_PRESSURED) told(PIECE.length);
      else next();
    };
    peer.on('connect', next);
    try {
      return await within(20_000, result, 'the buffer is full');
    } finally {
      peer.destroy();
      other.close();
      listener.close();
      sink.close();
    }
  }

  it.each([
    0, 8000, 16_000, 24_000, 32_000, 40_000, 48_000, 56_000,
  ])('what was refused fits then, %s bytes before', async (before) => {
    expect(await fill(join(folder, String(before)), before)).toBe(0);
  }, 30_000);
});
