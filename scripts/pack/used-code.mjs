// The entry of a reactor that uses what nearly every test uses, and then stores what V8 has compiled for that.
import { once } from 'node:events';
import { createRequire } from 'node:module';
import { connect } from 'node:net';
import { createRuntime } from '../../dist/src/reactor/runtime.js';

const { percoreModule } = createRequire(import.meta.url)('../../dist/packed/load.cjs');
const remoteEntry = new URL('../../dist/src/reactor/fixtures/remote.js', import.meta.url);

export default function start(reactor) {
  reactor.handle('use', () => use(reactor));
  reactor.handle('keep', () => percoreModule.keep());
}

async function use(reactor) {
  await new Promise((resolve) => {
    reactor.spawn({ name: 'task', priority: 1 }, () => reactor.timers.after({ delayNs: 1e6 }, resolve));
    reactor.send('task', { text: 'message' }, { reactor: 0 });
  });
  const listener = reactor.io.listen({ port: 0 }, (connection) => {
    connection.onData((bytes) => connection.offer(bytes));
  });
  const client = connect(listener.port, '127.0.0.1');
  client.write('echo');
  await once(client, 'data');
  client.destroy();
  // What a main thread does.
  const runtime = await createRuntime({ entry: remoteEntry, reactors: 2, startTimeoutMs: 300_000 });
  await runtime.call('run', { source: '() => 1' }, { reactor: 1 });
  await runtime.close({ drainMs: 100 });
}
