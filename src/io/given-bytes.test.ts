/**
 * Calls copy the bytes that they are given as they are in memory, whatever the class of the array says about them and
 * whatever happens to them afterwards.
 */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createServer, type Server } from 'node:net';
import { once } from 'node:events';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { until } from '../reactor/fixtures/inside.js';
import { OK } from '../queues/index.js';
import { sources } from './fixtures/sources.js';
import { create, LineReader, type LocalIo } from './index.js';

/** A subclass as people write it: its parts are made by its own constructor, which expects other arguments. */
class Packet extends Uint8Array<ArrayBuffer> {
  constructor(text: string | number) {
    super((typeof text === 'string' ? Buffer.from(text) : 7) as never);
  }
}
/** A subclass that gives false answers. */
class Liar extends Uint8Array {
  override get length(): number { return 5; }
  override get byteLength(): number { return 5; }
  override get buffer(): ArrayBuffer { return new ArrayBuffer(8); }
  override subarray(): Uint8Array<ArrayBuffer> { return new Uint8Array(5); }
  override slice(): Uint8Array<ArrayBuffer> { return new Uint8Array(5); }
}
const lying = (text: string): Liar => {
  const liar = new Liar(text.length);
  for (let i = 0; i < text.length; i++) liar[i] = text.charCodeAt(i);
  return liar;
};
const long = (length: number): string => 'liar '.repeat(length / 5);

let folder: string;
let server: Server;
let heard: Buffer[] = [];
let io: LocalIo | undefined;
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'percore-given-'));
  server = createServer((socket) => socket.on('data', (bytes) => heard.push(bytes)).on('error', () => undefined));
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
});
afterEach(() => {
  heard = [];
  io?.close();
});
afterAll(() => {
  server.close();
  rmSync(folder, { recursive: true });
});
const text = (): string => Buffer.concat(heard).toString();

describe.each(sources)('with %s', (source) => {
  it('a connection sends a subclass as it is: short, long, corked, from an offset, before it is open', async () => {
    io = create({ source });
    const connection = io.connect({ port: (server.address() as { port: number }).port });
    let all = '';
    const offer = (Class: (given: string) => Uint8Array, given: string, offset = 0): void => {
      expect(connection.offer(Class(given), offset)).toBe(OK);
      all += given.slice(offset);
    };
    const packet = (given: string): Packet => new Packet(given);
    for (const isOpen of [false, true]) {
      for (const length of [5, 40, 3000, 100_000]) {
        offer(lying, long(length));
        offer(lying, long(length), 3);
        offer(packet, 'p'.repeat(length));
        offer(packet, 'q'.repeat(length), 2);
      }
      await until(() => text().length === all.length, 'all of it');
      expect(text() === all, isOpen ? 'open' : 'before it was open').toBe(true);
    }
    connection.cork();
    offer(lying, long(300), 1);
    offer(packet, 'r'.repeat(300), 1);
    connection.uncork();
    await until(() => text().length === all.length, 'what was corked');
    expect(text() === all).toBe(true);
  });

  it('a file that is being opened keeps what it was given, a Buffer too', async () => {
    io = create({ source });
    const path = join(folder, `file-${source}`);
    const file = io.openFile(path, { flags: 'w' });
    const reused = Buffer.from('first\n');
    file.offer(reused);
    reused.fill('x');
    file.offer(lying('liar liar'));
    file.offer(new Packet('\nlast\n'));
    file.end();
    await file.closed();
    expect(readFileSync(path, 'utf8')).toBe('first\nliar liar\nlast\n');
  });
});

it('datagrams carry a subclass as it is', async () => {
  io = create();
  const datagrams: string[] = [];
  const socket = io.udp();
  socket.onData((bytes) => void datagrams.push(Buffer.from(bytes).toString()));
  const target = { host: '127.0.0.1', port: socket.port };
  for (const bytes of [lying(long(5)), lying(long(500)), new Packet('p'.repeat(500))]) {
    expect(socket.send(bytes, 0, undefined, target)).toBe(OK);
  }
  await until(() => datagrams.length === 3, 'three datagrams');
  expect(datagrams).toEqual(['liar ', 'liar '.repeat(100), 'p'.repeat(500)]);
});

it('lines are found in a subclass as it is', () => {
  const found: string[] = [];
  const reader = new LineReader({}, (line) => void found.push(line));
  reader.push(lying('one\ntwo\nthre'));
  reader.push(new Packet('e\n'));
  expect(found).toEqual(['one', 'two', 'three']);
});
