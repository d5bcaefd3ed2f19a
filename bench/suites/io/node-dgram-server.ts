/** `node-dgram-server.js`: the baseline `node:dgram`. It sends each datagram back to its sender. */
import { createSocket } from 'node:dgram';

const socket = createSocket('udp4');
// Without a callback, which would cost each send another tick.
socket.on('message', (bytes, { port, address }) => socket.send(bytes, port, address));
socket.bind(0, '127.0.0.1', () => process.stdout.write(`${JSON.stringify({ port: socket.address().port })}\n`));
process.stdin.resume().on('end', () => process.exit(0));
