/**
 * A chat in the manner of WebSocket: Node's own HTTP server in each reactor takes the upgrade, and from then on the
 * connection carries lines. What one says reaches all rooms by a topic, in whichever reactor they sit.
 *
 *     node dist/examples/programs/chat.js 8080
 *     curl -sN --http1.1 -H 'Connection: Upgrade' -H 'Upgrade: lines' http://127.0.0.1:8080/
 */
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { Socket } from 'node:net';
import { isMainThread } from 'node:worker_threads';
import { closeOnSignal, createRuntime, createTopic, subscribe, type Reactor } from 'percore';

const MOST_LETTERS = 1000;
const MOST_BACKLOG = 64 * 1024;

interface Chat {
  calls: { listen(port: number): Promise<number> };
  topics: { 'chat.said': string };
}

export default function start(reactor: Reactor<Chat>): void {
  const guests = new Set<Socket>();
  const said = createTopic(reactor, { name: 'chat.said' });
  subscribe(reactor, 'chat.said', { whenSlow: 'drop-oldest' }, (line) => {
    for (const guest of guests) {
      tell(guest, `${line}\n`);
    }
  });

  /** Who does not read is put out, so that memory stays bounded. */
  function tell(guest: Socket, text: string): void {
    if (guest.writableLength > MOST_BACKLOG) guest.destroy();
    else guest.write(text);
  }

  const server = createServer((_request, response) => {
    response.writeHead(426, { upgrade: 'lines' }).end('This is a chat: upgrade to "lines".\n');
  });
  server.on('upgrade', (_request, socket: Socket, head: Buffer) => {
    socket.on('error', () => undefined).on('close', () => guests.delete(socket));
    socket.write('HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: lines\r\n\r\n');
    guests.add(socket);
    const decoder = new TextDecoder();
    let rest = '';
    const hear = (bytes: Buffer): void => {
      const lines = (rest + decoder.decode(bytes, { stream: true })).split('\n');
      rest = lines.pop()!;
      if (rest.length > MOST_LETTERS) socket.destroy();
      for (const line of lines) {
        if (socket.destroyed) return;
        if (said.publish(line.slice(0, MOST_LETTERS)) !== 0) tell(socket, '(not heard: the house is full)\n');
      }
    };
    // What came in one piece with the request, and what follows.
    hear(head);
    socket.on('data', hear);
  });
  reactor.onStop(() => {
    for (const guest of guests) guest.end();
    server.close();
  });
  reactor.handle('listen', async (port) => {
    server.listen(port, '127.0.0.1');
    await once(server, 'listening');
    return (server.address() as { port: number }).port;
  });
}

if (isMainThread) {
  const runtime = await createRuntime<Chat>({ entry: new URL(import.meta.url), reactors: 2 });
  closeOnSignal(runtime, { drainMs: 1000 });
  const first = Number(process.argv[2] ?? 8080);
  // A port for each reactor, so that anybody can see who sits where.
  const ports = await Promise.all([0, 1].map((id) =>
    runtime.call('listen', first === 0 ? 0 : first + id, { reactor: id })));
  console.log(`listening ${ports.join(' ')}`);
}
