/**
 * TLS over Percore's connections: each becomes a Duplex, and node:tls does the rest. The same way leads to node:http
 * and pipeline.
 */
import { once } from 'node:events';
import { connect, createServer } from 'node:tls';
import { create, duplexOf } from 'percore/io';
import { selfSigned } from './self-signed.js';

const io = create();
const { key, cert } = selfSigned();

// Never listens: the listener below hands it its connections.
const server = createServer({ key, cert }, (secure) => void secure.pipe(secure));
const listener = io.listen({ port: 0 }, (connection) => void server.emit('connection', duplexOf(connection)));

// The other side as well.
const client = connect({ socket: duplexOf(io.connect({ port: listener.port })), ca: cert, servername: 'localhost' });
await once(client, 'secureConnect');
client.write('hello');
const [answer] = (await once(client, 'data')) as [Buffer];
console.log(`${client.getProtocol()}, authorized: ${client.authorized}, echo: ${answer.toString()}`);
client.destroy();
io.close();
