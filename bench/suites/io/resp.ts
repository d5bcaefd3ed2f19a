/**
 * Row `resp`: SET and GET of 64 bytes by redis-benchmark (64 connections, 10,000 keys), pipelines of 1 and 16, against
 * the RESP example on one reactor and on two, the real redis-server, and the same server on node:net.
 *
 * Servers with one thread have the first CPU and redis-benchmark the second. With two reactors, the second one shares
 * its CPU with redis-benchmark, since there is no third CPU. So that row shows the cost of two reactors rather than
 * their gain.
 */
import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { connect, createServer, type AddressInfo } from 'node:net';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { rootUrl } from '../../context.js';
import { twoCpus } from '../../cpus.js';
import { check, compare, finding, type Bench, type Contender, type Figure, type Finding } from '../../harness.js';
import {
  clientCpu, isGranted, serverCpu, startServer, type IoSource, type Server, type ServerProgram,
} from './servers.js';

const RUNS = 5;
const CONNECTIONS = 64;
const VALUE_BYTES = 64;
const KEYS = 10_000;
/**
 * How many of each command warm a server up, by pipeline. The rate then tells how many commands make a run, which is
 * the same number for each server.
 */
const WARM_UP: Readonly<Record<number, number>> = { 1: 20_000, 16: 100_000 };
const RUN_MS = 500;
const COMMANDS = ['SET', 'GET'] as const;
const ANSWER_MS = 10_000;

type Figures = `${(typeof COMMANDS)[number]}-${'rate' | 'p99'}`;
type RespProgram = ServerProgram<'resp'>;

/** One of our servers. Those after the first are measured together with it. */
interface Ours {
  readonly reactors: number;
  readonly source: IoSource;
}
const nameOf = ({ reactors, source }: Ours): string => `${reactors} on ${source}`;

const percoreResp = (ours: Ours): RespProgram => ({
  name: nameOf(ours),
  command: async () => [
    'taskset', '-c', twoCpus().slice(0, ours.reactors).join(','), process.execPath,
    fileURLToPath(new URL('dist/examples/resp/main.js', rootUrl)), '--port', '0', '--reactors', `${ours.reactors}`,
    '--source', ours.source,
  ],
  ready: portIn,
  endedBy: 'SIGTERM',
});
const nodeNetResp: RespProgram = {
  name: 'node:net',
  command: async () => [
    'taskset', '-c', `${serverCpu()}`, process.execPath, fileURLToPath(new URL('./resp-node-net.js', import.meta.url)),
    '--port', '0',
  ],
  ready: portIn,
  endedBy: 'SIGTERM',
};
/** redis-server does not accept port 0, so it gets a port that was free a moment ago. */
async function redisServer(): Promise<RespProgram> {
  const port = await freePort();
  return {
    name: 'redis-server',
    command: async () => [
      'taskset', '-c', `${serverCpu()}`, 'redis-server', '--port', `${port}`, '--bind', '127.0.0.1', '--save', '',
      '--appendonly', 'no', '--daemonize', 'no',
    ],
    ready: (stdout) => (stdout.includes('Ready to accept connections') ? { port } : undefined),
    endedBy: 'SIGTERM',
  };
}

export const resp: Bench = {
  name: 'resp',
  async run() {
    for (const program of ['redis-server', 'redis-benchmark']) {
      check(
        await isInstalled(program),
        `there is no ${program}; on Debian and Ubuntu: apt-get install redis-server redis-tools`,
      );
    }
    const ours: Ours[] = [
      { reactors: 1, source: 'epoll' },
      ...((await isGranted('io_uring')) ? [{ reactors: 1, source: 'io_uring' } as const] : []),
      { reactors: 2, source: 'epoll' },
    ];
    const servers: Server[] = [];
    try {
      for (const program of [...ours.map(percoreResp), await redisServer(), nodeNetResp]) {
        servers.push(await startServer(program, 'resp'));
      }
      const findings: Finding[] = [];
      for (const pipeline of [1, 16]) {
        const requests = new Map<Server, number>();
        for (const server of servers) {
          const rates = await load(server, pipeline, WARM_UP[pipeline]);
          requests.set(server, Math.ceil(((rates['SET-rate'] + rates['GET-rate']) / 2) * (RUN_MS / 1000)));
        }
        findings.push(...(await compareAll(ours, requests, pipeline)));
      }
      return findings;
    } finally {
      await Promise.all(servers.map((server) => server.stop()));
    }
  },
};

/** `requests`: how many of each command a run has for each server. */
async function compareAll(
  ours: readonly Ours[],
  requests: ReadonlyMap<Server, number>,
  pipeline: number,
): Promise<Finding[]> {
  const contenders = [...requests].map(([server, count]): Contender<Figures> => ({
    name: server.name,
    run: () => load(server, pipeline, count),
  }));
  const figures = ({ reactors, source }: Ours): Figure<Figures>[] =>
    COMMANDS.flatMap((command): Figure<Figures>[] => {
      const params = { reactors, source, connections: CONNECTIONS, pipeline, command, bytes: VALUE_BYTES };
      return [
        {
          of: `${command}-rate`,
          metric: 'rate',
          unit: 'requests/s',
          better: 'higher',
          params,
          targets:
            pipeline === 1
              ? { 'redis-server': { of: 'ratio', atLeast: 0.8 }, 'node:net': { of: 'ratio', atLeast: 1.4 } }
              : {},
        },
        { of: `${command}-p99`, metric: 'p99', unit: 'us', better: 'lower', params },
      ];
    });
  const [first, ...others] = contenders;
  const all = await compare<Figures>({
    runs: RUNS, ours: first, baselines: others, hasOursAmongBaselines: true, figures: figures(ours[0]),
  });
  // Our other servers ran together with it, so compare their samples with the same baselines.
  const samples = ({ metric, params }: Figure<Figures>, name: string): readonly number[] =>
    all.find(
      (one) => one.metric === metric && one.params['command'] === params!['command'] && one.baseline.name === name,
    )!.samples.baseline;
  const ofOthers = ours
    .slice(1)
    .flatMap((one) =>
      figures(one).flatMap((figure) =>
        ['redis-server', 'node:net'].map((name) =>
          finding(figure, samples(figure, nameOf(one)), name, samples(figure, name)),
        ),
      ),
    );
  return [...all.filter(({ baseline }) => !ours.some((one) => nameOf(one) === baseline.name)), ...ofOthers];
}

/** Runs redis-benchmark once. After that the keys must have the values that it has set. */
async function load(server: Server, pipeline: number, requests: number): Promise<Record<Figures, number>> {
  const { stdout } = await promisify(execFile)('taskset', [
    '-c', `${clientCpu()}`, 'redis-benchmark', '-h', '127.0.0.1', '-p', `${server.port}`, '-t',
    COMMANDS.join(',').toLowerCase(), '-n', `${requests}`, '-c', `${CONNECTIONS}`, '-P', `${pipeline}`, '-d',
    `${VALUE_BYTES}`, '-r', `${KEYS}`, '--csv',
  ]);
  // "test","rps","avg_latency_ms","min_latency_ms","p50_latency_ms","p95_latency_ms","p99_latency_ms","max_latency_ms"
  const figures = COMMANDS.map((command): [string, number][] => {
    const cells = new RegExp(`^"${command}",(.*)$`, 'm')
      .exec(stdout)?.[1]
      .split(',')
      .map((cell) => Number(cell.replaceAll('"', '')));
    check(
      cells !== undefined && cells.length === 7 && cells.every((cell) => cell >= 0),
      `redis-benchmark against the ${server.name} server told no ${command}: ${stdout}`,
    );
    return [[`${command}-rate`, cells[0]], [`${command}-p99`, cells[5] * 1000]];
  });
  await checkKeys(server);
  return Object.fromEntries(figures.flat()) as Record<Figures, number>;
}

/**
 * Checks a hundred keys. After 20,000 SETs of 10,000 keys, one in seven has not been set. Those that are set must all
 * have the same, complete value.
 */
async function checkKeys(server: Server): Promise<void> {
  const keys = Array.from({ length: 100 }, (_, at) => `key:${String(at * 97).padStart(12, '0')}`);
  const socket = connect(server.port, '127.0.0.1');
  let text = '';
  socket.setEncoding('latin1').on('data', (chunk: string) => { text += chunk; });
  socket.write(
    `${keys.map((key) => `*2\r\n$3\r\nGET\r\n$${key.length}\r\n${key}\r\n`).join('')}*2\r\n$4\r\nECHO\r\n$3\r\nend\r\n`,
  );
  const deadlineMs = performance.now() + ANSWER_MS;
  while (!text.endsWith('$3\r\nend\r\n')) {
    check(
      performance.now() < deadlineMs && !socket.destroyed,
      `the ${server.name} server does not answer: ${text.slice(-200)}`,
    );
    await new Promise((resolve) => setTimeout(resolve, 1));
  }
  socket.destroy();
  const value = new RegExp(`\\$${VALUE_BYTES}\r\n[^\r]{${VALUE_BYTES}}\r\n`).exec(text)?.[0] ?? 'no value';
  const rest = text.slice(0, -'$3\r\nend\r\n'.length).split(value);
  check(
    rest.length > 60 && rest.join('').replaceAll('$-1\r\n', '') === '',
    `of 100 keys ${rest.length - 1} hold what was set, at the ${server.name} server: ${rest.join('').slice(0, 200)}`,
  );
}

/** `listening HOST:PORT`, and more. */
function portIn(stdout: string): { port: number } | undefined {
  const port = /^listening \S*:(\d+)/m.exec(stdout)?.[1];
  return port === undefined ? undefined : { port: Number(port) };
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  return port;
}

const isInstalled = (program: string): Promise<boolean> =>
  promisify(execFile)(program, ['--version']).then(
    () => true,
    () => false,
  );
