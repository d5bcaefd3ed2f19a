/**
 * TLS over Percore's connections: `duplexOf` makes each a Node stream, and node:tls does the rest. In the same way they
 * serve node:http, pipeline(), or whatever else takes a Duplex.
 */
import { once } from 'node:events';
import { connect, createServer } from 'node:tls';
import { create, duplexOf } from 'percore/io';
import { selfSigned } from './self-signed.js';

const io = create();
const { key, cert } = selfSigned();

// This server listens to no port: the listener hands it the connections.
const server = createServer({ key, cert }, (secure) => void secure.pipe(secure));
const listener = io.listen({ port: 0 }, (connection) => void server.emit('connection', duplexOf(connection)));

const connection = io.connect({ port: listener.port });
const client = connect({ socket: duplexOf(connection), ca: cert, servername: 'localhost' });
await once(client, 'secureConnect');
client.write('hello');
const [answer] = (await once(client, 'data')) as [Buffer];
console.log(`${client.getProtocol()}, authorized: ${client.authorized}, echo: ${answer.toString()}`);
client.destroy();
io.close();
