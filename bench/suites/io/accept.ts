/** Row `accept`: connections a second. Each is proved by one echoed byte and then reset; 64 are under way. */
import type { Bench } from '../../harness.js';
import { compareServers } from './compare-servers.js';
import { cEpoll, nodeNet, runClient, type Server } from './servers.js';

const RUNS = 5;
const RUN_MS = 600;
const SETTLE_MS = 100;
const WARM_UP_MS = 1200;
const UNDER_WAY = 64;

const load = (server: Server, milliseconds: number): Promise<Record<string, number>> =>
  runClient('accept_client', server, { depth: UNDER_WAY, milliseconds, warmup: SETTLE_MS });

export const accept: Bench = {
  name: 'accept',
  run: () =>
    compareServers<'rate'>({
      work: 'echo',
      baselines: [nodeNet, cEpoll],
      runs: RUNS,
      warmUp: (server) => load(server, WARM_UP_MS),
      measure: async (server) => ({ rate: (await load(server, RUN_MS))['perSecond'] }),
      figures: (params) => [
        {
          of: 'rate',
          metric: 'rate',
          unit: 'connections/s',
          better: 'higher',
          params: { ...params, connections: UNDER_WAY },
          targets: { 'node:net': { of: 'ratio', atLeast: 1.3 }, 'C epoll': { of: 'ratio', atLeast: 0.8 } },
        },
      ],
    }),
};
