/**
 * A console for operators: commands by name, one line in, its answer out. Try it with telnet; here a plain socket asks.
 */
import { once } from 'node:events';
import { connect } from 'node:net';
import { isMainThread } from 'node:worker_threads';
import { createRuntime, type Reactor } from 'percore';
import { createConsole } from 'percore/io';

type Services = { openConsole(port: number): number };

export default function start(reactor: Reactor<Services>): void {
  reactor.handle(
    'openConsole',
    (port) =>
      createConsole(reactor.io, { port, greeting: 'this is reactor 0' })
        .command('sources', 'open listeners and connections', () => `${reactor.io.count} sources`)
        .command(
          'add',
          'the sum of its numbers',
          (words) => `${words.map(Number).reduce((sum, number) => sum + number, 0)}`,
        ).port,
  );
}

if (isMainThread) {
  const runtime = await createRuntime<Services>({ entry: new URL(import.meta.url), reactors: 1 });
  const socket = connect(await runtime.call('openConsole', 0), '127.0.0.1');
  let answers = '';
  socket.setEncoding('utf8').on('data', (text: string) => void (answers += text));
  socket.write('help\r\nadd 1 2 39\r\nsources\r\nsubtract 1\r\nquit\r\n');
  await once(socket, 'close');
  console.log(answers.replaceAll('\r', '').trimEnd());
  await runtime.close();
}
