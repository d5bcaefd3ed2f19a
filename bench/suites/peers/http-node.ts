/** `http-node.js`: the baseline `node:http`, one event loop. It says its port in JSON, and ends when its stdin does. */
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';

const server = createServer((request, response) => {
  response.setHeader('content-type', 'text/plain; charset=utf-8');
  request.resume();
  response.end('reactor 0\n');
});
server.listen(0, '127.0.0.1', 511, () =>
  process.stdout.write(`${JSON.stringify({ port: (server.address() as AddressInfo).port })}\n`),
);
process.stdin.resume().on('end', () => process.exit(0));
