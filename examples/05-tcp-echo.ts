/** Sockets: every reactor listens on one port, the kernel spreads the connections; ordinary node:net is the client. */
import { once } from 'node:events';
import { connect } from 'node:net';
import { isMainThread } from 'node:worker_threads';
import { createRuntime, type Reactor } from 'percore';

type Services = { listen(port: number): number };

export default function start(reactor: Reactor<Services>): void {
  reactor.handle('listen', (port) => reactor.io.listen({ port, reusePort: true }, (connection) => {
    connection.onData((bytes) => void connection.offer(bytes));
  }).port);
}

if (isMainThread) {
  const runtime = await createRuntime<Services>({ entry: new URL(import.meta.url), reactors: 2 });
  const port = await runtime.call('listen', 0, { reactor: 0 });
  await runtime.call('listen', port, { reactor: 1 });
  const socket = connect(port, '127.0.0.1');
  socket.write('hello');
  const [answer] = (await once(socket, 'data')) as [Buffer];
  console.log(`echo: ${answer.toString()}`);
  socket.destroy();
  await runtime.close();
}
