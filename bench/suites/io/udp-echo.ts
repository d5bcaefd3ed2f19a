/** Row `udp-echo`: 64-byte datagrams between two sockets, 64 of them under way. */
import type { Bench } from '../../harness.js';
import { compareServers } from './compare-servers.js';
import { cEpoll, nodeDgram, runClient, type Server } from './servers.js';

const RUNS = 5;
const RUN_MS = 600;
const SETTLE_MS = 100;
const WARM_UP_MS = 900;
const UNDER_WAY = 64;

const load = (server: Server, milliseconds: number): Promise<Record<string, number>> =>
  runClient('datagram_client', server, { depth: UNDER_WAY, milliseconds, warmup: SETTLE_MS });

export const udpEcho: Bench = {
  name: 'udp-echo',
  run: () => compareServers<'rate' | 'p99'>({
    work: 'datagram', baselines: [nodeDgram, cEpoll], runs: RUNS,
    warmUp: (server) => load(server, WARM_UP_MS),
    async measure(server) {
      const { perSecond, p99Us } = await load(server, RUN_MS);
      return { rate: perSecond, p99: p99Us };
    },
    figures: (given) => {
      const params = { ...given, connections: 1, depth: UNDER_WAY, bytes: 64 };
      return [
        {
          of: 'rate',
          metric: 'rate',
          unit: 'requests/s',
          better: 'higher',
          params,
          targets: { 'node:dgram': { of: 'ratio', atLeast: 2 }, 'C epoll': { of: 'ratio', atLeast: 0.8 } },
        },
        { of: 'p99', metric: 'p99', unit: 'us', better: 'lower', params },
      ];
    },
  }),
};
