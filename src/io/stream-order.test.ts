/**
 * A stream is a stream: whatever is offered, corked, refused, sent in part, handed over or half-closed, the peer gets
 * the bytes of the offers that were taken, each once and in their order. These tests run random programs from a seed
 * against that model. Every byte is numbered; the writer acts within handlers, promises, timers and immediates; and the
 * reader stalls, half-closes or resets as it likes.
 *
 *      PERCORE_SEED=7 node scripts/test.mjs stream-order      replays one
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { connect as netConnect, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { until, within } from '../reactor/fixtures/inside.js';
import { BACK_PRESSURED, CLOSED, OK } from '../queues/index.js';
import type { Connection } from './connection.js';
import { sources } from './fixtures/sources.js';
import { create, type LocalIo } from './local-io.js';

const isStress = process.env['PERCORE_STRESS'] === '1';
const seeds =
  process.env['PERCORE_SEED'] !== undefined
    ? [Number(process.env['PERCORE_SEED'])]
    : Array.from({ length: isStress ? 300 : 5 }, (_, i) => i + 1);
const STEPS = 120;
const STREAMS = 4;

/** Mulberry32: small, and the same everywhere. */
function randomOf(seed: number): (below: number) => number {
  let state = seed >>> 0;
  return (below) => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) % below;
  };
}

const byteAt = (place: number): number => (place * 31 + (place >>> 8) * 7 + (place >>> 16)) & 255;

/** What the reader has of a stream, compared as it comes. */
class Reader {
  received = 0;
  wrongAt = -1;
  isOver = false;
  hasEnded = false;

  constructor(
    readonly socket: Socket, private readonly random: (below: number) => number, private readonly isSlow: boolean,
  ) {
    socket.on('data', (bytes: Buffer) => this.compare(bytes)).on('error', () => undefined);
    socket.on('end', () => void (this.hasEnded = true)).on('close', () => void (this.isOver = true));
  }

  private compare(bytes: Buffer): void {
    for (const byte of bytes) {
      if (byte !== byteAt(this.received) && this.wrongAt < 0) this.wrongAt = this.received;
      this.received++;
    }
    if (!this.isSlow || this.random(3) !== 0) return;
    this.socket.pause();
    setTimeout(() => this.socket.resume(), this.random(this.random(4) === 0 ? 30 : 5));
  }
}

/** The writer's side: what was taken, and what is still waited for. */
class Writer {
  taken = 0;
  refusals = 0;
  pending = 0;
  hasEnded = false;
  failures: string[] = [];
  private isWaiting = false;

  constructor(
    public connection: Connection, private readonly ios: LocalIo[], private readonly random: (below: number) => number,
  ) {
    this.listen();
  }

  private listen(): void {
    // Also within a step of the connection, where what is offered goes out at the end of the turn.
    this.connection.onData(() => this.burst()).onEnd(() => undefined);
  }

  burst(): void {
    for (let count = 1 + this.random(5); count > 0 && !this.connection.isClosed && !this.hasEnded; count--) this.act();
  }

  private act(): void {
    const { connection } = this;
    const what = this.random(16);
    if (what < 10) this.offer(this.lengthOf());
    else if (what < 12) connection.cork();
    else if (what < 14) connection.uncork();
    else if (what === 14) this.note(connection.flushed());
    else this.move();
  }

  private lengthOf(): number {
    switch (this.random(8)) {
      case 0: return this.random(4);
      case 1: return 1 + this.random(200);
      case 2: return 1 + this.random(150_000);
      case 3: return 16_000 + this.random(1000);
      default: return 1 + this.random(12_000);
    }
  }

  private offer(length: number): void {
    const bytes = new Uint8Array(length + 2);
    for (let i = 0; i < length; i++) bytes[i + 1] = byteAt(this.taken + i);
    const code = this.connection.offer(bytes, 1, length);
    // The offer has copied them, so what the buffer holds later must not matter.
    bytes.fill(255);
    if (code === OK) {
      this.taken += length;
    } else if (code === BACK_PRESSURED && !this.isWaiting) {
      this.refusals++;
      this.isWaiting = true;
      const { connection, taken } = this;
      this.note(
        connection.room().then(() => {
          this.isWaiting = false;
          if (connection.isClosed || this.hasEnded || connection !== this.connection) return;
          // What was refused fits, unless something else was taken meanwhile.
          const before = this.taken;
          this.offer(length);
          if (before === taken && this.taken === taken && length > 0)
            this.failures.push(`${length} bytes refused after room()`);
        }),
      );
    } else if (code === CLOSED && !this.connection.isClosed && this.connection.state !== 'closed' && !this.hasEnded) {
      // A reset that has not been reported yet.
      this.hasEnded = true;
    }
  }

  /** To another source, as one thread hands a connection to another: once everything has been sent. */
  private move(): void {
    const { connection } = this;
    this.note(
      connection.flushed().then(() => {
        if (connection !== this.connection || this.hasEnded) return;
        const detached = connection.detach();
        if (detached === undefined) return;
        this.connection = this.ios[this.random(this.ios.length)]!.attach(detached, {
          highWaterBytes: connection.highWaterBytes,
        });
        this.listen();
      }),
    );
  }

  end(): void {
    this.hasEnded = true;
    this.connection.end();
  }

  private note(promise: Promise<unknown>): void {
    this.pending++;
    promise.then(() => void this.pending--, (error: unknown) => void this.failures.push(String(error)));
  }
}

/** Waits for a moment of the event loop. Each kind comes at another place between the turns. */
function moment(random: (below: number) => number): Promise<void> {
  switch (random(5)) {
    case 0: return Promise.resolve();
    case 1: return new Promise((resolve) => process.nextTick(resolve));
    case 2: return new Promise((resolve) => setTimeout(resolve, random(4)));
    default: return new Promise((resolve) => setImmediate(resolve));
  }
}

describe.each(sources)('on %s', (source) => {
  let folder = '';
  const errors: unknown[] = [];
  const ios: LocalIo[] = [];
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'percore-order-'));
    for (let i = 0; i < 2; i++) ios.push(create({ source, onError: (error) => void errors.push(error) }));
  });
  afterAll(() => {
    for (const io of ios) io.close();
    rmSync(folder, { recursive: true });
  });

  async function run(seed: number, isUnix: boolean): Promise<void> {
    const random = randomOf(seed * 2 + (isUnix ? 1 : 0));
    const path = join(folder, `${seed}`);
    const marks = [8192, 100_000, 1 << 20];
    const highWaterBytes = marks[random(marks.length)]!;
    const accepted: Connection[] = [];
    const onConnection = (connection: Connection): void => void accepted.push(connection);
    const listener = isUnix
      ? ios[0]!.listen({ path, highWaterBytes }, onConnection)
      : ios[0]!.listen({ port: 0, highWaterBytes }, onConnection);
    const streams: Promise<void>[] = [];
    for (let i = 0; i < STREAMS; i++) {
      const socket = isUnix
        ? netConnect({ path, allowHalfOpen: true })
        : netConnect({ port: listener.port, host: '127.0.0.1', allowHalfOpen: true });
      await until(() => accepted.length === i + 1, 'accepted');
      streams.push(stream(accepted[i]!, socket, randomOf(random(2 ** 31)), isUnix));
    }
    await Promise.all(streams);
    listener.close();
  }

  async function stream(
    connection: Connection, socket: Socket, random: (below: number) => number, isUnix: boolean,
  ): Promise<void> {
    const reader = new Reader(socket, random, random(4) !== 0);
    const writer = new Writer(connection, ios, random);
    // 0: it resets in the middle. 1, 2: it ends its own side in the middle, and reads on.
    const fate = random(6);
    const fateAt = random(STEPS);
    for (let step = 0; step < STEPS && !writer.connection.isClosed; step++) {
      if (step === fateAt && fate === 0) void (isUnix ? socket.destroy() : socket.resetAndDestroy());
      if (step === fateAt && (fate === 1 || fate === 2)) socket.end();
      if (random(4) === 0 && socket.writable) socket.write('x');
      writer.burst();
      await moment(random);
    }
    writer.end();
    socket.resume();
    if (fate !== 0)
      await until(() => reader.hasEnded, `the end, after ${reader.received} of ${writer.taken} bytes`, 20_000);
    socket.end();
    await until(() => writer.connection.isClosed, 'closed', 20_000);
    await until(() => writer.pending === 0, `${writer.pending} promises of a closed connection settle`, 2000);
    expect({ wrongAt: reader.wrongAt, failures: writer.failures }).toEqual({ wrongAt: -1, failures: [] });
    if (fate !== 0) expect(reader.received).toBe(writer.taken);
    else expect(reader.received).toBeLessThanOrEqual(writer.taken);
  }

  it.each(seeds)('seed %i: over a Unix socket, whose buffer is small', async (seed) => {
    await within(60_000, run(seed, true), `seed ${seed}`);
    expect(errors).toEqual([]);
  });

  it.each(seeds)('seed %i: over TCP', async (seed) => {
    await within(60_000, run(seed, false), `seed ${seed}`);
    expect(errors).toEqual([]);
  });
});
