/**
 * Runs once in every reactor: Node's own HTTP server on the port that all reactors share, and the counts of the names
 * it owns.
 *
 *     GET  /              which reactor answers
 *     POST /visits/NAME   counts a visit where the name lives, and answers how many there were
 *     GET  /stats         requests of each reactor
 */
import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { Reactor } from 'percore';

export type HttpServices = {
  /** Listens; 0 chooses a free port. Answers the port. */
  listen(address: { host: string; port: number }): Promise<number>;
  /** Counts a visit of a name that this reactor owns; 0: it has no room for one more name. */
  visit(name: string): number;
  /** Requests that this reactor's server has answered. */
  served(argument: null): number;
};

/** Longest name, in bytes, and most names of one reactor: they are kept for good. */
const NAME_BYTES = 256;
const MOST_NAMES = 1_000_000;
/** What a client may take its time for. Node's own limits are a minute and five. */
const SLOW = { headersTimeout: 10_000, requestTimeout: 30_000, connectionsCheckingInterval: 2000 };

export default function start(reactor: Reactor<{ calls: HttpServices }>): void {
  const visits = new Map<string, number>();
  let served = 0;

  const server = createServer(SLOW, (request, response) => {
    served++;
    answer(request, response).catch((error: Error) => {
      // The answer may have begun, or its reader have gone.
      if (!response.headersSent) response.statusCode = 500;
      response.end(`${error.message}\n`);
    });
  });

  // A client that ends its own side gets what it asked for. Node closes it at once unless told so, and tells of this in
  // no page.
  Object.assign(server, { httpAllowHalfOpen: true });

  async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    response.setHeader('content-type', 'text/plain; charset=utf-8');
    const path = request.url ?? '/';
    // What a client sends along is not wanted, and must be read for the connection to be used again.
    request.resume();
    if (request.method === 'GET' && path === '/') {
      response.end(`reactor ${reactor.id}\n`);
    } else if (request.method === 'GET' && path === '/stats') {
      const counts = await Promise.all(
        Array.from({ length: reactor.reactors }, (_, id) => reactor.call('served', null, { reactor: id })),
      );
      response.setHeader('content-type', 'application/json');
      response.end(`${JSON.stringify({ served: counts })}\n`);
    } else if (
      request.method === 'POST' &&
      path.startsWith('/visits/') &&
      path.length > '/visits/'.length &&
      path.length <= NAME_BYTES
    ) {
      // Here or in another reactor: the key says where, and a call to oneself is a call like others.
      const name = path.slice('/visits/'.length);
      const count = await reactor.call('visit', name, { key: name });
      if (count === 0) response.statusCode = 507;
      response.end(count === 0 ? 'too many names\n' : `${count}\n`);
    } else {
      response.statusCode = 404;
      response.end('not found\n');
    }
  }

  reactor.handle('listen', async ({ host, port }) => {
    const { io } = reactor;
    // Ports are shared between reactors; the first has it alone for a moment, or another program of ours could be
    // sharing it.
    if (reactor.id === 0) {
      const probe = io.listenFd({ host, port, reusePort: false });
      port = probe.port;
      probe.close();
    }
    const bound = io.listenFd({ host, port });
    server.listen({ fd: bound.fd });
    await once(server, 'listening');
    return bound.port;
  });
  reactor.handle('visit', (name) => {
    const before = visits.get(name);
    if (before === undefined && visits.size >= MOST_NAMES) return 0;
    const count = (before ?? 0) + 1;
    visits.set(name, count);
    return count;
  });
  reactor.handle('served', () => served);
  reactor.onStop(() => {
    server.close();
    server.closeAllConnections();
  });
}
