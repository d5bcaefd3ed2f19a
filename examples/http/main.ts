/**
 * Node's own HTTP server in every reactor, one port for all: the kernel spreads the connections, the keys say which
 * reactor does the work.
 *
 *     node dist/examples/http/main.js --port 8080
 *     curl http://127.0.0.1:8080/            curl -X POST http://127.0.0.1:8080/visits/ada
 *     wrk -c 64 -d 5s http://127.0.0.1:8080/
 */
import { parseArgs } from 'node:util';
import { PercoreError, createRuntime } from 'percore';
import type { HttpServices } from './reactor.js';

// First of all, so that a signal ends it in order at any moment.
const stopped = new Promise<void>((resolve) => {
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => resolve());
});

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      port: { type: 'string', default: '8080' },
      host: { type: 'string', default: '127.0.0.1' },
      reactors: { type: 'string', default: 'auto' },
    },
  });
  const { host } = values;
  const asked = wholeNumber('port', values.port, 0, 65_535);
  const reactors = values.reactors === 'auto' ? 'auto' : wholeNumber('reactors', values.reactors, 1, 255);
  const runtime = await createRuntime<{ calls: HttpServices }>({
    entry: new URL('./reactor.js', import.meta.url), reactors,
  });
  try {
    const port = await runtime.call('listen', { host, port: asked }, { reactor: 0 });
    for (let id = 1; id < runtime.reactors; id++) await runtime.call('listen', { host, port }, { reactor: id });
    process.stdout
      .on('error', () => undefined)
      .write(`listening http://${host}:${port}/ reactors=${runtime.reactors}\n`);
    await stopped;
  } finally {
    await runtime.close({ drainMs: 1000 });
  }
}

function wholeNumber(name: string, text: string, least: number, most: number): number {
  const value = Number(text);
  if (/^\d+$/.test(text) && value >= least && value <= most) return value;
  throw new UsageError(`--${name} is ${JSON.stringify(text)}, allowed are whole numbers from ${least} to ${most}`);
}

class UsageError extends Error {
  readonly code = 'ERR_USAGE';
}

main().catch((error: PercoreError) => {
  const isUsage =
    ['ERR_USAGE', 'ERR_PERCORE_ADDRESS_IN_USE'].includes(error.code) || error.code?.startsWith('ERR_PARSE_ARGS');
  process.stderr.write(isUsage ? `${error.code}: ${error.message}\n` : `${error.stack ?? error.message}\n`);
  process.exitCode = isUsage ? 2 : 1;
});
