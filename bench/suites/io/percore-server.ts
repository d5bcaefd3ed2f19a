/** `percore-server.js WORK epoll|io_uring`: one reactor that does this work on the first CPU allowed, behind a port of its own. */
import { cpuBudget, createRuntime } from 'percore';
import type { IoSource, Work } from './servers.js';
import type { ServerServices } from './percore-reactor.js';

const [work, source] = process.argv.slice(2) as [Work, IoSource];
const runtime = await createRuntime<ServerServices>({ entry: new URL('./percore-reactor.js', import.meta.url), reactors: 1, pin: [cpuBudget().allowed[0]] });
runtime.on('stepError', ({ error, where }) => {
  process.stderr.write(`${where}: ${error.stack}\n`);
  process.exitCode = 1;
});
const port = await runtime.call('listen', work);
const granted: IoSource = 'epoll';
process.stdout.write(`${JSON.stringify({ port, granted, ...(granted === source ? {} : { why: 'this version has epoll alone' }) })}\n`);
process.stdin.resume().on('end', () => void runtime.close());
