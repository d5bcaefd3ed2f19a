/**
 * Row `memory`: by how many resident bytes the process of a server grows for each of 10,000 idle connections. Each run
 * is a process of its own that has had as many connections before. Each connection exchanges a message, waits while the
 * memory is measured, and exchanges another message after that. Neither figure includes what the kernel keeps for a
 * socket.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { check, compare, finding, sleep, type Bench, type Contender, type Figure } from '../../harness.js';
import { baselineProgram, collect, parseLast } from '../../programs.js';
import { clientCpu, isGranted, nodeNet, percore, runClient, startServer, type ServerProgram } from './servers.js';

const RUNS = 3;
const CONNECTIONS = 10_000;
const WARM_UP = { connections: 64, milliseconds: 500 };
/** Lets collectors and allocators give back what they do not need. */
const SETTLE_MS = 1000;
const OPEN_MS = 30_000;
const SAME_YOUNG = ['--min-semi-space-size=1', '--max-semi-space-size=1'];

/** The same program, in a Node whose young generation does not grow. */
const withSameYoung = (program: ServerProgram): ServerProgram => ({
  ...program,
  command: async (work) =>
    (await program.command(work)).flatMap((part) => (part === process.execPath ? [part, ...SAME_YOUNG] : part)),
});

/** The resident memory of a process. */
const residentBytes = (pid: number): number =>
  1024 * Number(/^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]);

function weigh(program: ServerProgram): Contender<'resident'> {
  return {
    name: program.name,
    async run() {
      const server = await startServer(withSameYoung(program), 'echo');
      try {
        check(
          server.granted === undefined || server.granted === program.name,
          `${program.name} was not granted: ${server.why}`,
        );
        await runClient('tcp_client', server, WARM_UP);
        await sleep(SETTLE_MS);
        const before = residentBytes(server.pid);
        const resident = await withIdleConnections(
          server.port,
          () => (residentBytes(server.pid) - before) / CONNECTIONS,
        );
        return { resident };
      } finally {
        await server.stop();
      }
    },
  };
}

/** Opens connections, waits, calls `look`, and checks that every connection still answers. */
async function withIdleConnections<T>(port: number, look: () => T): Promise<T> {
  const args = ['--port', port, '--cpu', clientCpu(), '--connections', CONNECTIONS].map(String);
  const client = spawn(await baselineProgram('idle_client'), args, { stdio: ['pipe', 'pipe', 'pipe'] });
  const text = collect(client);
  const ended = once(client, 'close');
  try {
    const deadlineMs = performance.now() + OPEN_MS;
    while (!text.stdout.includes('\n')) {
      check(
        client.exitCode === null && client.signalCode === null && performance.now() < deadlineMs,
        `${CONNECTIONS} connections could not be opened: ${text.stderr.trim()}`,
      );
      await sleep(10);
    }
    await sleep(SETTLE_MS);
    const seen = look();
    client.stdin.end();
    const [code] = await ended;
    check(
      code === 0 && parseLast(text.stdout, 'idle_client')['verified'] === true,
      `idle connections were lost: ${text.stderr.trim()}`,
    );
    return seen;
  } finally {
    client.kill('SIGKILL');
    await ended;
  }
}

export const memory: Bench = {
  name: 'memory',
  async run() {
    const figure = (source: string): Figure<'resident'> => ({
      of: 'resident',
      metric: 'resident',
      unit: 'bytes/connection',
      better: 'lower',
      params: { source, connections: CONNECTIONS },
      targets: { 'node:net': { of: 'ratio', atMost: 1 / 3 } },
    });
    const hasIoUring = await isGranted('io_uring');
    const all = await compare<'resident'>({
      runs: RUNS,
      ours: weigh(percore('epoll')),
      baselines: [nodeNet, ...(hasIoUring ? [percore('io_uring')] : [])].map(weigh),
      hasOursAmongBaselines: true,
      figures: [figure('epoll')],
    });
    const [ofEpoll, beside] = all;
    return hasIoUring
      ? [ofEpoll, finding(figure('io_uring'), beside.samples.baseline, nodeNet.name, ofEpoll.samples.baseline)]
      : [ofEpoll];
  },
};
