/**
 * Row `http`: wrk on the second CPU asks for a line of text over 64 connections that stay open. The servers are on the
 * first CPU, each in one thread. Ours is Node's own HTTP server in a reactor, as in examples/http.
 */
import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { check, CheckFailed, compare, refusal, type Bench, type Contender, type Finding } from '../../harness.js';
import { clientCpu, serverCpu, startServer, type Server, type ServerProgram } from '../io/servers.js';
import { noteOf, programOf } from './programs.js';
import { RUNS } from './rates.js';

const CONNECTIONS = 64;
const WRK = '/usr/bin/wrk';
const MICROSECONDS: Readonly<Record<string, number>> = { us: 1, ms: 1000, s: 1e6 };
type Figures = 'rate' | 'p99';

const script = (file: string): readonly string[] => [
  'taskset', '-c', String(serverCpu()), process.execPath, fileURLToPath(new URL(file, import.meta.url)),
];
export const percore: ServerProgram<'http'> = { name: 'percore', command: async () => script('http-percore.js') };
export const nodeHttp: ServerProgram<'http'> = { name: 'node:http', command: async () => script('http-node.js') };

/**
 * Runs wrk for `seconds`, a whole number: requests a second, and the 99th percentile. wrk counts answers other than
 * 200.
 */
export async function load(server: Server, seconds: number): Promise<Record<Figures, number>> {
  const url = `http://127.0.0.1:${server.port}/`;
  const answer = await fetch(url);
  const text = await answer.text();
  check(answer.status === 200 && text === 'reactor 0\n', `${server.name} answered ${answer.status}: ${text}`);
  const { stdout } = await promisify(execFile)('taskset', [
    '-c', String(clientCpu()), WRK, '-t1', `-c${CONNECTIONS}`, `-d${seconds}s`, '--latency', url,
  ]);
  const rate = /^Requests\/sec:\s+([\d.]+)$/m.exec(stdout)?.[1];
  const p99 = /^\s+99%\s+([\d.]+)(us|ms|s)\s*$/m.exec(stdout);
  if (rate === undefined || p99 === null || /Non-2xx|Socket errors/.test(stdout)) {
    throw new CheckFailed(`wrk says of ${server.name}: ${stdout}`);
  }
  return { rate: Number(rate), p99: Number(p99[1]) * MICROSECONDS[p99[2]] };
}

export const hasWrk = (): boolean => existsSync(WRK);

async function run(): Promise<Finding[]> {
  if (!hasWrk()) return [{ ...refusal(`not measured: ${WRK} is not there; apt-get install wrk`), verified: true }];
  const { start, version } = await programOf('go');
  const go: ServerProgram<'http'>[] = start === undefined ? [] : [
    { name: 'go net/http', command: async () => ['taskset', '-c', String(serverCpu()), ...start, 'http'] },
  ];
  const servers: Server[] = [];
  try {
    for (const program of [percore, nodeHttp, ...go]) servers.push(await startServer(program, 'http'));
    for (const server of servers) await load(server, 1);
    const [ours, ...baselines] = servers.map((server): Contender<Figures> => (
      { name: server.name, run: () => load(server, 1) }));
    const note = noteOf({
      versions: new Set(version === '' ? [] : [version]), missing: new Set(go.length === 0 ? ['go net/http'] : []),
    });
    return await compare<Figures>({
      runs: RUNS,
      ours,
      baselines,
      figures: [
        { of: 'rate', metric: 'rate', unit: 'requests/s', better: 'higher', params: { connections: CONNECTIONS } },
        { of: 'p99', metric: 'p99', unit: 'us', better: 'lower', params: { connections: CONNECTIONS } },
      ],
      note: () => note,
    });
  } finally {
    await Promise.all(servers.map((server) => server.stop()));
  }
}

export const http: Bench = { name: 'http', run };
