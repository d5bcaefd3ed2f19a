import { once } from 'node:events';
import { connect } from 'node:net';
import { randomBytes } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import * as queues from '../queues/index.js';
import { BACK_PRESSURED } from '../queues/index.js';
import { until, within } from '../reactor/fixtures/inside.js';
import type { Connection } from './connection.js';
import { linkToQueue } from './link-queue.js';
import { create } from './local-io.js';

describe.each(['epoll', 'io_uring'] as const)('a connection linked to a queue, on %s', (source) => {
  it('carries every byte in order, and a full queue holds the peer back', async () => {
    const queue = queues.create({ kind: 'spsc', capacityBytes: 65_536 });
    const consumer = queues.sub(queue);
    using io = create({ source });
    const listener = io.listen({ port: 0 }, (connection) => linkToQueue(connection, queues.pub(queue)));
    const socket = connect(listener.port, '127.0.0.1');
    await within(5000, once(socket, 'connect'), 'connect');
    const sent = randomBytes(8 << 20);
    socket.write(sent);
    const parts: Buffer[] = [];
    let bytes = 0;
    await until(() => queues.inspect(queue).depth > 0, 'something has come');
    await new Promise((resolve) => setTimeout(resolve, 100));
    expect(socket.writableLength, 'the peer waits while nobody reads the queue').toBeGreaterThan(0);
    await until(() => {
      consumer.drain((view, offset, length) => {
        parts.push(Buffer.from(new Uint8Array(view.buffer, view.byteOffset + offset, length)));
        bytes += length;
      }, 16);
      return bytes === sent.length;
    }, 'all has come', 20_000);
    expect(Buffer.concat(parts).equals(sent)).toBe(true);
    socket.destroy();
  });

  it('is closed when the queue is', async () => {
    const queue = queues.create({ kind: 'spsc', capacityBytes: 4096 });
    using io = create({ source });
    const listener = io.listen({ port: 0 }, (connection) => linkToQueue(connection, queues.pub(queue)));
    const socket = connect(listener.port, '127.0.0.1');
    await within(5000, once(socket, 'connect'), 'connect');
    socket.resume().write('x');
    await until(() => queues.inspect(queue).depth > 0, 'it has come');
    queues.close(queue);
    // A producer may learn of it with the record after the next.
    await until(() => socket.destroyed || (socket.write('y'), false), 'closed', 5000);
  });

  it.each([
    ['offer', 'after a wait', 2], ['offer', 'at once', 1], ['room', 'at once', Infinity],
  ] as const)('is closed when its producer fails, and that is reported: %s, %s', async (method, _when, failsAt) => {
    const told: string[] = [];
    using io = create({ source, onError: (error) => void told.push((error as Error).message) });
    let held = 0;
    const producer = {
      maxRecordBytes: 1000,
      offer: (): number => {
        if (held > 0 && held >= failsAt) throw new Error('offer failed');
        held++;
        return BACK_PRESSURED;
      },
      room: (): Promise<number> => (method === 'room' ? Promise.reject(new Error('room failed')) : Promise.resolve(0)),
    };
    let connection: Connection | undefined;
    const listener = io.listen({ port: 0 }, (accepted) => linkToQueue((connection = accepted), producer));
    const socket = connect(listener.port, '127.0.0.1').on('error', () => undefined);
    socket.write('x');
    await until(() => connection?.isClosed === true && told.length > 0, 'closed and reported');
    expect(told).toEqual([`${method} failed`]);
    socket.destroy();
  });

  it('refuses anything that is not a producer', () => {
    expect(() => linkToQueue({} as never, {} as never)).toThrow(expect.objectContaining({ argument: 'producer' }));
  });

  it('refuses anything that is not a connection', () => {
    const producer = queues.pub(queues.create({ kind: 'spsc', capacityBytes: 4096 }));
    for (const none of [undefined, null, {}, 5n])
      expect(() => linkToQueue(none as never, producer)).toThrow(
        expect.objectContaining({ code: 'ERR_PERCORE_INVALID_ARGUMENT', argument: 'connection' }),
      );
  });
});
