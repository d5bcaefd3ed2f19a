/**
 * Node's own HTTP server in every reactor, one port for all: the kernel spreads the connections, the keys say which reactor does the work.
 *
 *     node dist/examples/http/main.js --port 8080
 *     curl http://127.0.0.1:8080/            curl -X POST http://127.0.0.1:8080/visits/ada
 *     wrk -c 64 -d 5s http://127.0.0.1:8080/
 */
import { parseArgs } from 'node:util';
import { createRuntime } from 'percore';
import type { HttpServices } from './reactor.js';

const { values } = parseArgs({ options: { port: { type: 'string', default: '8080' }, host: { type: 'string', default: '127.0.0.1' }, reactors: { type: 'string', default: 'auto' } } });

const stopped = new Promise<void>((resolve) => {
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => resolve());
});
const runtime = await createRuntime<HttpServices>({ entry: new URL('./reactor.js', import.meta.url), reactors: values.reactors === 'auto' ? 'auto' : Number(values.reactors) });
try {
  const { host } = values;
  const port = await runtime.call('listen', { host, port: Number(values.port) }, { reactor: 0 });
  for (let id = 1; id < runtime.reactors; id++) await runtime.call('listen', { host, port }, { reactor: id });
  process.stdout.write(`listening http://${host}:${port}/ reactors=${runtime.reactors}\n`);
  await stopped;
} finally {
  await runtime.close({ drainMs: 1000 });
}
