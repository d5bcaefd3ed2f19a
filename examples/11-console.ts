/** A console for operators: one line in, its answer out. Try it with telnet; here a plain socket asks. */
import { connect } from 'node:net';
import { isMainThread } from 'node:worker_threads';
import { createRuntime, type Reactor } from 'percore';
import { createConsole } from 'percore/io';

type Services = { openConsole(port: number): number };

const sum = (words: readonly string[]): number => words.map(Number).reduce((total, number) => total + number, 0);

export default function start(reactor: Reactor<{ calls: Services }>): void {
  reactor.handle('openConsole', (port) => {
    const operators = createConsole(reactor.io, { port, greeting: 'this is reactor 0' });
    operators.command('add', 'the sum of its numbers', (words) => `${sum(words)}`);
    operators.command('open', 'listeners and connections', () => `${reactor.io.status().endpoints} open`);
    return operators.port;
  });
}

if (isMainThread) {
  const runtime = await createRuntime<{ calls: Services }>({ entry: new URL(import.meta.url), reactors: 1 });
  const socket = connect(await runtime.call('openConsole', 0), '127.0.0.1').setEncoding('utf8');
  socket.write('help\r\nadd 1 2 39\r\nopen\r\nsubtract 1\r\nquit\r\n');
  let answers = '';
  for await (const text of socket) answers += String(text);
  console.log(answers.replaceAll('\r', '').trimEnd());
  await runtime.close();
}
