/**
 * Rows `tcp-echo-1`, `tcp-echo-64`, `tcp-echo-256` (connections) and `tcp-echo-pipelined` (64 connections with 16
 * messages under way on each): servers in other languages, loaded by the C client of the suite `io`. Each runs in one
 * thread on the first CPU. Pipelined, each message of 64 bytes is answered by a write of its own; servers that have
 * means to gather writes use them (Netty, Go and tokio flush when a read is used up; node:net is measured with and
 * without cork).
 */
import type { Bench, Finding } from '../../harness.js';
import { compareServers } from '../io/compare-servers.js';
import {
  nodeNet, nodeNetCorked, runClient, serverCpu, type Server, type ServerProgram, type Work,
} from '../io/servers.js';
import { noteOf, programOf, type ProgramName } from './programs.js';
import { RUNS } from './rates.js';

export const SERVERS: readonly { readonly name: string; readonly program: ProgramName }[] = [
  { name: 'netty', program: 'netty' }, { name: 'go net', program: 'go' }, { name: 'tokio', program: 'rust' },
];

export interface Load {
  readonly connections: number;
  readonly depth: number;
  readonly runMs: number;
  /** Netty has to wait for its compiler. */
  readonly warmUpMs: number;
  readonly runs: number;
}
const SETTLE_MS = 100;
const [RUN_MS, WARM_UP_MS] = [400, 700];

/** The servers that are installed, and what the note says about these and about those that are missing. */
async function serversOf(of: typeof SERVERS): Promise<{ readonly servers: ServerProgram[]; readonly note: string }> {
  const servers: ServerProgram[] = [];
  const [versions, missing] = [new Set<string>(), new Set<string>()];
  for (const { name, program } of of) {
    const { start, version } = await programOf(program);
    if (start === undefined) missing.add(name);
    else {
      versions.add(version);
      servers.push({
        name, command: async (work: Work) => ['taskset', '-c', String(serverCpu()), ...start, work],
      });
    }
  }
  return { servers, note: noteOf({ versions, missing }) };
}

/** Compares ours and node:net with the servers in `of`. */
export async function echo(given: Load, of = SERVERS): Promise<Finding[]> {
  const { connections, depth, runMs, warmUpMs, runs } = given;
  const { servers, note } = await serversOf(of);
  const load = (server: Server, milliseconds: number): Promise<Record<string, number>> =>
    runClient('tcp_client', server, { connections, depth, milliseconds, warmup: SETTLE_MS });
  const baselines = [...servers, nodeNet, ...(depth === 1 ? [] : [nodeNetCorked])];
  const rows = await compareServers<'rate' | 'p99'>({
    work: depth === 1 ? 'echo' : 'reply',
    baselines,
    runs,
    warmUp: (server) => load(server, warmUpMs),
    async measure(server) {
      const { perSecond, p99Us } = await load(server, runMs);
      return { rate: perSecond, p99: p99Us };
    },
    figures: (given) => {
      const params = { ...given, connections, depth, bytes: 64 };
      return [
        { of: 'rate', metric: 'rate', unit: 'requests/s', better: 'higher', params },
        { of: 'p99', metric: 'p99', unit: 'us', better: 'lower', params },
      ];
    },
  });
  // How our servers compare with each other is measured in the suite `io`.
  const names = new Set(baselines.map(({ name }) => name));
  return rows.filter(({ baseline }) => names.has(baseline.name))
    .map((row) => ({ ...row, note: `${note}; ${row.note}` }));
}

const tcpEcho = (name: string, connections: number, depth: number): Bench => (
  { name, run: () => echo({ connections, depth, runMs: RUN_MS, warmUpMs: WARM_UP_MS, runs: RUNS }) });

export const tcpEcho1 = tcpEcho('tcp-echo-1', 1, 1);
export const tcpEcho64 = tcpEcho('tcp-echo-64', 64, 1);
export const tcpEcho256 = tcpEcho('tcp-echo-256', 256, 1);
export const tcpEchoPipelined = tcpEcho('tcp-echo-pipelined', 64, 16);
