/**
 * Sockets: every reactor listens on one port, and the kernel spreads the connections. The client is ordinary node:net.
 */
import { connect } from 'node:net';
import { isMainThread } from 'node:worker_threads';
import { BACK_PRESSURED, createRuntime, type Connection, type Reactor } from 'percore';

type Services = { listen(port: number): number };

/** Sends back what comes. A client that does not read its echo is not read either, until it does. */
function echo(connection: Connection): void {
  connection.onData((bytes) => {
    if (connection.offer(bytes) !== BACK_PRESSURED) return;
    // Nothing was taken. The bytes are valid during this call only, so keep a copy until there is room.
    const rest = bytes.slice();
    connection.pause();
    void connection.room().then(() => {
      connection.offer(rest);
      connection.resume();
    });
  });
}

export default function start(reactor: Reactor<{ calls: Services }>): void {
  reactor.handle('listen', (port) => reactor.io.listen({ port, reusePort: true }, echo).port);
}

if (isMainThread) {
  const runtime = await createRuntime<{ calls: Services }>({ entry: new URL(import.meta.url), reactors: 2 });
  const port = await runtime.call('listen', 0, { reactor: 0 });
  await runtime.call('listen', port, { reactor: 1 });

  // Two megabytes, sent before the echo is read.
  const text = 'hello '.repeat(350_000);
  const socket = connect(port, '127.0.0.1').setEncoding('utf8');
  socket.end(text);
  let answer = '';
  for await (const chunk of socket) answer += String(chunk);
  console.log(
    `${answer.length} bytes echoed, ${answer === text ? 'all as they were sent' : 'BUT NOT AS THEY WERE SENT'}`,
  );
  await runtime.close();
}
