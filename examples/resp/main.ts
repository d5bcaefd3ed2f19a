/**
 * A server for Redis clients on Percore: one reactor a core, each with its share of the keys and of the connections.
 *
 *     redis-cli, any client --TCP--> reactor that has the connection --key--> reactor that has the key
 *
 * Any key works on any connection: a command whose key lives elsewhere travels there in a lane, and its reply comes
 * back in order. This file starts the reactors, says the port, and ends them at SIGINT or SIGTERM.
 */
import { PercoreError, cpuBudget, createRuntime } from 'percore';
import { Counters } from './counters.js';
import { UsageError, parseOptions, usage } from './options.js';
import { DEFAULT_LIMITS } from './parser.js';
import type { RespData, RespServices } from './reactor.js';

async function main(): Promise<void> {
  // This comes first, so that a signal ends the server in order at any moment, and readers of its output may leave.
  const stopped = new Promise<void>((resolve) => {
    for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => resolve());
  });
  for (const stream of [process.stdout, process.stderr]) stream.on('error', () => undefined);
  const options = parseOptions(process.argv.slice(2));
  if (options === undefined) return void process.stdout.write(usage);
  const { host, bulkBytes, subscriberBytes, replyBytes, memoryBytes } = options;
  const reactors = options.reactors === 'auto' ? cpuBudget().count : options.reactors;
  const data: RespData = {
    counters: Counters.allocate(reactors),
    host,
    limits: { ...DEFAULT_LIMITS, bulkBytes },
    subscriberBytes,
    replyBytes,
    memoryBytes,
  };
  const runtime = await createRuntime<{ calls: RespServices }>({
    entry: new URL('./reactor.js', import.meta.url),
    reactors,
    idle: { strategy: options.idle },
    io: { source: options.source },
    data,
  });
  const living = new Set(Array.from({ length: reactors }, (_, id) => id));
  runtime.on('reactorDied', ({ reactorId, error }) => {
    living.delete(reactorId);
    const why = error === undefined ? '' : `: ${error.message}`;
    process.stderr.write(`reactor ${reactorId} died${why}; its keys are gone, the others go on\n`);
    for (const id of living) void runtime.call('noteDeath', reactorId, { reactor: id }).catch(() => undefined);
  });
  runtime.on('stepError', ({ reactorId, error }) =>
    process.stderr.write(`reactor ${reactorId}: ${error.stack ?? error.message}\n`),
  );
  try {
    const port = await runtime.call('listen', options.port, { reactor: 0 });
    for (let id = 1; id < reactors; id++) await runtime.call('listen', port, { reactor: id });
    process.stdout.write(`listening ${host}:${port} reactors=${reactors}\n`);
    process.stderr.write(`In another terminal:  redis-cli -p ${port}\n`);
    await stopped;
  } finally {
    await runtime.close({ drainMs: 1000 });
  }
}

main().catch((error: unknown) => {
  const isUsage =
    error instanceof UsageError || (error instanceof PercoreError && error.code === 'ERR_PERCORE_ADDRESS_IN_USE');
  process.stderr.write(`${isUsage ? (error as Error).message : ((error as Error).stack ?? String(error))}\n`);
  process.exitCode = isUsage ? 2 : 1;
});
