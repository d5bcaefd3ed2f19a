/**
 * `http-node.js`: the baseline `node:http` with one event loop. Prints its port as JSON, and ends when its stdin ends.
 */
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
