/**
 * Rows `tcp-echo-1`, `tcp-echo-64`, `tcp-echo-256` (connections) and `tcp-echo-pipelined`: 64-byte messages echoed as fast as they are
 * answered, in a closed loop: a connection sends its next message when an answer has come; pipelined, 16 are under way on each.
 */
import type { Bench } from '../../harness.js';
import { compareServers } from './compare-servers.js';
import { cEpoll, nodeNet, runClient, type Server } from './servers.js';

const RUNS = 5;
const RUN_MS = 600;
const SETTLE_MS = 100;
const WARM_UP_MS = 900;

type Figures = 'rate' | 'p99';
type Asked = Partial<Record<'node:net' | 'C epoll', number>>;

/** What is asked of the rate, by baseline; and that p99 is no worse than node:net's. */
function tcpEcho(name: string, connections: number, depth: number, rateAtLeast: Asked): Bench {
  const load = (server: Server, milliseconds: number): Promise<Record<string, number>> => runClient('tcp_client', server, { connections, depth, milliseconds, warmup: SETTLE_MS });
  const rateTargets = Object.fromEntries(Object.entries(rateAtLeast).map(([baseline, atLeast]) => [baseline, { of: 'ratio' as const, atLeast }]));
  return {
    name,
    run: () => compareServers<Figures>({
      work: 'echo', baselines: [nodeNet, cEpoll], runs: RUNS,
      warmUp: (server) => load(server, WARM_UP_MS),
      async measure(server) {
        const { perSecond, p99Us } = await load(server, RUN_MS);
        return { rate: perSecond, p99: p99Us };
      },
      figures: (params) => [
        { of: 'rate', metric: 'rate', unit: 'requests/s', better: 'higher', params: { ...params, connections, depth, bytes: 64 }, targets: rateTargets },
        {
          of: 'p99', metric: 'p99', unit: 'us', better: 'lower', params: { ...params, connections, depth, bytes: 64 },
          ...(depth === 1 ? { targets: { 'node:net': { of: 'ratio', atMost: 1 } } } : {}),
        },
      ],
      ofIoUring: { rate: { epoll: { of: 'ratio', atLeast: 1 } } },
    }),
  };
}

export const tcpEcho1 = tcpEcho('tcp-echo-1', 1, 1, {});
export const tcpEcho64 = tcpEcho('tcp-echo-64', 64, 1, { 'node:net': 1.4, 'C epoll': 0.9 });
export const tcpEcho256 = tcpEcho('tcp-echo-256', 256, 1, { 'node:net': 1.4, 'C epoll': 0.9 });
export const tcpEchoPipelined = tcpEcho('tcp-echo-pipelined', 64, 16, { 'node:net': 3 });
