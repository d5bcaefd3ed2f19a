/**
 * `percore-server.js WORK epoll|io_uring [GATHER_NS]`: one reactor that does this work on the first CPU that it may
 * use, and has a port of its own.
 */
import { cpuBudget, createRuntime } from 'percore';
import type { IoSource, Work } from './servers.js';
import type { ServerServices } from './percore-reactor.js';

const [work, source, gatherNs = '0'] = process.argv.slice(2) as [Work, IoSource, string?];
const runtime = await createRuntime<{ calls: ServerServices }>({
  entry: new URL('./percore-reactor.js', import.meta.url),
  reactors: 1,
  pin: [cpuBudget().allowed[0]],
  io: { source },
  idle: { gatherNs: Number(gatherNs) },
});
runtime.on('stepError', ({ error, where }) => {
  process.stderr.write(`${where}: ${error.stack}\n`);
  process.exitCode = 1;
});
const port = await runtime.call('listen', work);
const [{ io, refusals }] = runtime.status().reactors;
process.stdout.write(`${JSON.stringify({ port, granted: io?.granted, why: refusals.join('; ') })}\n`);
process.stdin.resume().on('end', () => void runtime.close());
