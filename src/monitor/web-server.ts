/**
 * The page that shows a running program in a browser: one HTML file, and server-sent events with the content of the
 * counters page, twice a second.
 *
 *      counters page --read--> this server --events--> each browser; a slow one misses some and keeps no more than one
 *
 * Whoever knows the token in the address may look. A request for a foreign host, or from a page of another origin, is
 * refused, so that no site that the user visits can reach the page by a name of its own (DNS rebinding).
 */
import { createHash, randomBytes, timingSafeEqual } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { checkInteger, checkOptions, checkText, PercoreError } from '../errors.js';
import { programPath } from '../native.js';
import { isBusy, type PageSnapshot } from './page-reader.js';

export interface InspectionOptions {
  /** 0 to 65,535; 0, the default, takes a free port. */
  readonly port?: number;
  /** Where it listens. Default '127.0.0.1': this machine alone. */
  readonly host?: string;
}
/** A page that is being served. */
export interface Inspection {
  /** With the token: whoever has it may look. */
  readonly url: string;
  /** The port that it listens on, also where 0 was asked. */
  readonly port: number;
  /** Browsers that follow now. */
  readonly clients: number;
  /** Events that browsers missed because they were slow. */
  readonly skipped: number;
  /** Ends it and disconnects all browsers. A second call does nothing. */
  close(): Promise<void>;
}

const EVERY_MS = 500;
const MOST_CLIENTS = 16;
const LOOPBACK = ['127.0.0.1', 'localhost', '::1'];
const HEADERS = {
  'cache-control': 'no-store', 'referrer-policy': 'no-referrer', 'x-content-type-options': 'nosniff',
  'x-frame-options': 'DENY',
  'content-security-policy': "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; "
    + "connect-src 'self'; img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
};

/** Serves what `read` returns; `read` throws when there is nothing any more. Rejects if it cannot listen. */
export async function serveSnapshots(read: () => PageSnapshot, options: InspectionOptions): Promise<Inspection> {
  const { port = 0, host = '127.0.0.1' } = checkOptions('options', options, ['port', 'host']);
  checkInteger('options.port', port, 0, 65_535);
  checkText('options.host', host);
  const html = readFileSync(programPath(import.meta.url, 'inspection.html'));
  const token = randomBytes(24).toString('base64url');
  const clients = new Set<ServerResponse>();
  let skipped = 0;
  let last = '';
  const server = createServer((request, response) => {
    const { port: at } = server.address() as AddressInfo;
    const refusal = refusalOf(request, host, at, token);
    if (refusal !== undefined) {
      response.writeHead(refusal, { ...HEADERS, 'content-type': 'text/plain' }).end(`${refusal}\n`);
      return;
    }
    const { pathname } = new URL(request.url!, 'http://page');
    if (pathname === '/') response.writeHead(200, { ...HEADERS, 'content-type': 'text/html; charset=utf-8' }).end(html);
    else if (pathname !== '/events') response.writeHead(404, HEADERS).end();
    else if (clients.size >= MOST_CLIENTS) response.writeHead(503, HEADERS).end();
    else {
      response.writeHead(200, { ...HEADERS, 'content-type': 'text/event-stream' });
      response.write(`retry: 2000\n\n${last}`);
      clients.add(response);
      response.on('close', () => clients.delete(response));
    }
  });
  server.maxHeadersCount = 50;
  const tell = (): void => {
    if (clients.size === 0) return;
    last = eventOf(read);
    for (const client of clients) {
      // It has not taken what was sent before, so this event is left out for it. Each event is complete by itself.
      if (client.writableLength > 0) skipped++;
      else client.write(last);
    }
  };
  const timer = setInterval(tell, EVERY_MS).unref();
  await new Promise<void>((resolve, reject) => {
    server.once('error', (cause: NodeJS.ErrnoException) => {
      clearInterval(timer);
      reject(new PercoreError(
        'ERR_PERCORE_SYSTEM', `the page cannot listen on ${host}, port ${port}: ${cause.message}`,
        { argument: 'options.port', value: port, errno: cause.code ?? 'UNKNOWN', syscall: 'listen', cause },
      ));
    });
    server.listen(port, host, resolve);
  });
  server.unref();
  const { port: listensAt } = server.address() as AddressInfo;
  const name = host.includes(':') ? `[${host}]` : host;
  let closing: Promise<void> | undefined;
  return {
    url: `http://${name}:${listensAt}/?token=${token}`,
    port: listensAt,
    get clients() {
      return clients.size;
    },
    get skipped() {
      return skipped;
    },
    close: () => (closing ??= new Promise<void>((resolve) => {
      clearInterval(timer);
      server.close(() => resolve());
      server.closeAllConnections();
    })),
  };
}

function eventOf(read: () => PageSnapshot): string {
  try {
    const snapshot = read();
    return `event: ${snapshot.isClosed ? 'ended' : 'figures'}\ndata: ${JSON.stringify(snapshot)}\n\n`;
  } catch (error) {
    // It is being written: the next event comes soon. This one is a comment.
    if (isBusy(error)) return ': busy\n\n';
    // The process has ended, and its page with it.
    return 'event: ended\ndata: {}\n\n';
  }
}

/** Why a request is not answered; undefined if it is. */
function refusalOf(
  { method, url, headers }: IncomingMessage, host: string, port: number, token: string,
): number | undefined {
  if (method !== 'GET') return 405;
  const names = LOOPBACK.includes(host) ? LOOPBACK : [host];
  const hosts = names.map((name) => `${name.includes(':') ? `[${name}]` : name}:${port}`);
  // A server that listens on all addresses is reached by names that are not known here.
  const isOpen = host === '0.0.0.0' || host === '::';
  if (!isOpen && !hosts.includes(headers.host ?? '')) return 403;
  if (headers.origin !== undefined && headers.origin !== `http://${headers.host}`) return 403;
  const site = headers['sec-fetch-site'];
  if (site !== undefined && site !== 'same-origin' && site !== 'none') return 403;
  let given: string | null = null;
  try {
    given = new URL(url ?? '', 'http://page').searchParams.get('token');
  } catch {
    // It is not an address.
  }
  // Both have equal length, so that the time it takes tells nothing.
  const digest = (text: string): Buffer => createHash('sha256').update(text).digest();
  return given !== null && timingSafeEqual(digest(given), digest(token)) ? undefined : 401;
}
