/**
 * Random sends, answers, pauses and throws over UDP and Unix sockets of one reactor, compared with a list of who must
 * get what. What could silently be wrong is the address: a slot that was used again, a kept number that was given to
 * another peer, a batch that was lent to the next socket.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { inside, withRuntime } from '../reactor/fixtures/inside.js';

const rounds = process.env['PERCORE_STRESS'] === '1' ? 200_000 : 10_000;

describe.each(['epoll', 'io_uring'] as const)('on %s', (source) => {
  it.each(['udp', 'unix'] as const)(
    `${rounds} random steps over %s sockets: each datagram that was taken reaches the one it was meant for, once`,
    async (kind) => {
      const seed = Number(process.env['SEED'] ?? Date.now() & 0x7fff_ffff);
      const folder = mkdtempSync(join(tmpdir(), 'percore-datagram-'));
      try {
        await withRuntime(1, { io: { source } }, async (runtime) => {
          const thrown: string[] = [];
          runtime.on('stepError', ({ error }) => void thrown.push(error.message));
          const result = await inside(
            runtime,
            0,
            async (
              reactor, given: { kind: string; seed: number; rounds: number; folder: string }, { until: become, sleep },
            ) => {
              let state = given.seed || 1;
              const random = (most: number): number => {
                state ^= state << 13;
                state ^= state >>> 17;
                state ^= state << 5;
                return (state >>> 0) % most;
              };
              const isUnix = given.kind === 'unix';
              const SOCKETS = 6;
              const wrong: string[] = [];
              /** The receiver of each message that is under way. */
              const underWay = new Map<number, number>();
              const counts = {
                sent: 0, refused: 0, received: 0, answered: 0, throws: 0, pauses: 0, kept: 0, waited: 0,
              };
              let id = 0;
              const sockets = Array.from({ length: SOCKETS }, (_, i) =>
                isUnix
                  ? reactor.io.unixDatagram({ path: `${given.folder}/${i}`, datagramBytes: 64, batch: 1 + i * 12 })
                  : reactor.io.udp({ datagramBytes: 64, batch: 1 + i * 12, receiveBufferBytes: 2 ** 20 }),
              );
              const addressOf = (i: number) =>
                isUnix ? { path: `${given.folder}/${i}` } : { host: '127.0.0.1', port: sockets[i]!.port };
              const indexOf = (from: { path?: string; port?: number }): number =>
                isUnix
                  ? Number(from.path!.slice(from.path!.lastIndexOf('/') + 1))
                  : sockets.findIndex(({ port }) => port === from.port);
              /** The numbers that each socket keeps, and whom they stand for. */
              const kept: { peer: number; who: number }[][] = sockets.map(() => []);

          const send = (by: number, to: number | object, who: number): boolean => {
            const bytes = Buffer.alloc(8 + random(40));
            bytes.writeInt32LE(++id, 0);
            bytes.writeInt32LE(who, 4);
            // Noted before the call, because a flush within it may deliver at once.
            underWay.set(id, who);
            if (sockets[by]!.send(bytes, 0, bytes.length, to as never) === 0) {
              counts.sent++;
              return true;
            }
            underWay.delete(id);
            counts.refused++;
            return false;
          };

          for (const [i, socket] of sockets.entries()) {
            socket.onReceive((bytes, offset, length, peer) => {
              const view = Buffer.from(bytes.buffer, bytes.byteOffset + offset, length);
              const [message, who] = [view.readInt32LE(0), view.readInt32LE(4)];
              counts.received++;
              if (who !== i || underWay.get(message) !== i) wrong.push(`${i} got ${message}, which was for ${who}`);
              underWay.delete(message);
              const dice = random(100);
              // Answers by this socket and by another; and below, by a number that lasts.
              if (dice < 30) {
                const from = indexOf(socket.addressOf(peer) as never);
                const by = dice < 20 ? i : random(SOCKETS);
                if (underWay.size < 200 && send(by, peer, from)) counts.answered++;
              } else if (dice < 40 && kept[i]!.length < 20) {
                kept[i]!.push({ peer: socket.keep(peer), who: indexOf(socket.addressOf(peer) as never) });
                counts.kept++;
              } else if (dice < 43) {
                counts.throws++;
                throw new Error('now and then');
              } else if (dice < 46) {
                counts.pauses++;
                socket.pause();
              }
            });
            socket.onError((error) => void wrong.push(error.message));
          }

              for (let round = 0; round < given.rounds && wrong.length === 0; round++) {
                const by = random(SOCKETS);
                const dice = random(100);
                if (dice < 45 && underWay.size < 200) {
                  const who = random(SOCKETS);
                  send(by, addressOf(who), who);
                } else if (dice < 60 && kept[by]!.length > 0 && underWay.size < 200) {
                  const { peer, who } = kept[by]![random(kept[by]!.length)]!;
                  send(by, peer, who);
                  // At once, while the datagram may still wait: the number is given to the next peer.
                  if (random(3) === 0) {
                    sockets[by]!.forget(peer);
                    kept[by] = kept[by]!.filter((other) => other.peer !== peer);
                    const next = random(SOCKETS);
                    kept[by]!.push({ peer: sockets[by]!.keep(addressOf(next) as never), who: next });
                  }
                } else if (dice < 80) {
                  sockets[by]!.resume();
                } else if (dice < 95) {
                  await Promise.resolve();
                } else {
                  await sleep(0);
                  // After some turns it still waits, so a receiver's queue is full.
                  if (sockets.some(({ pending }) => pending !== 0)) counts.waited++;
                }
              }
              for (let i = 0; i < 10_000 && underWay.size > 0 && wrong.length === 0; i++) {
                for (const socket of sockets) socket.resume();
                await sleep(1);
              }
              await become(() => sockets.every(({ pending }) => pending === 0));
              return {
                wrong: wrong.slice(0, 5), left: underWay.size, counts,
                dropped: sockets.map((socket) => socket.status().dropped + socket.status().kernelDropped),
              };
            },
            { kind, seed, rounds, folder },
            { timeoutMs: 600_000 },
          );
          expect(
            { wrong: result.wrong, left: result.left, dropped: result.dropped },
            `seed ${seed}: ${JSON.stringify(result.counts)}`,
          ).toEqual({ wrong: [], left: 0, dropped: [0, 0, 0, 0, 0, 0] });
          expect(result.counts.received).toBe(result.counts.sent);
          // The steps that this test is about did happen.
          for (const name of ['answered', 'throws', 'pauses', 'kept'] as const)
            expect(result.counts[name], name).toBeGreaterThan(50);
          if (kind === 'unix') expect(result.counts.waited, 'a receiver was full').toBeGreaterThan(10);
          // Reports are rationed: one more says how many were left out.
          expect(new Set(thrown.filter((text) => !/^\d+ further step errors of reactor 0 /.test(text))))
            .toEqual(new Set(['now and then']));
        });
      } finally {
        rmSync(folder, { recursive: true, force: true });
      }
    },
    600_000,
  );
});
