/** Ours in row `http`: Node's own HTTP server on a socket that the reactor has bound. */
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { Reactor } from 'percore';

export type HttpServices = { listen(argument: null): Promise<number> };

export default function start(reactor: Reactor<{ calls: HttpServices }>): void {
  const server = createServer((request, response) => {
    response.setHeader('content-type', 'text/plain; charset=utf-8');
    request.resume();
    response.end('reactor 0\n');
  });
  reactor.onStop(() => {
    server.close();
    server.closeAllConnections();
  });
  reactor.handle('listen', async () => {
    const bound = reactor.io.listenFd({ host: '127.0.0.1', port: 0, reusePort: false });
    server.listen({ fd: bound.fd });
    await once(server, 'listening');
    return bound.port;
  });
}
