/**
 * Row `cpu-per-request`: what an echo costs at a rate that the server cannot choose. 50,000 messages a second come over
 * 64 connections, each when it is due. The figure is the time that all threads of the server's process ran meanwhile,
 * divided by the number of answers. p50 and p99 count from the time at which a message was due. Once ours takes each
 * message as it comes, and once messages gather for 50 µs (`idle.gatherNs`), which is paid for in latency.
 */
import type { Bench, Finding } from '../../harness.js';
import { compareServers } from './compare-servers.js';
import { cEpoll, nodeNet, runClient, type Server } from './servers.js';

const RUNS = 5;
const RATE = 50_000;
const CONNECTIONS = 64;
const RUN_MS = 1000;
const WARM_UP_MS = 1200;
const SETTLE_MS = 100;
const GATHER_NS = 50_000;

const load = (server: Server, milliseconds: number): Promise<Record<string, number>> =>
  runClient('tcp_client', server, {
    connections: CONNECTIONS, rate: RATE, milliseconds, warmup: SETTLE_MS, server: server.pid,
  });

export const cpuPerRequest: Bench = {
  name: 'cpu-per-request',
  run: async () => [...(await measureWith(0)), ...(await measureWith(GATHER_NS))],
};

function measureWith(gatherNs: number): Promise<Finding[]> {
  return compareServers<'cpu' | 'p50' | 'p99'>({
    work: 'echo', baselines: [nodeNet, cEpoll], runs: RUNS, gatherNs,
    warmUp: (server) => load(server, WARM_UP_MS),
    async measure(server) {
      const { serverCpuUsPerRequest, p50Us, p99Us } = await load(server, RUN_MS);
      return { cpu: serverCpuUsPerRequest, p50: p50Us, p99: p99Us };
    },
    figures: (given) => {
      const params = {
        ...given, connections: CONNECTIONS, ratePerSecond: RATE, bytes: 64, ...(gatherNs === 0 ? {} : { gatherNs }),
      };
      return [
        {
          of: 'cpu',
          metric: 'cpu',
          unit: 'us/request',
          better: 'lower',
          params,
          targets: { 'node:net': { of: 'ratio', atMost: 0.75 } },
        },
        { of: 'p50', metric: 'p50', unit: 'us', better: 'lower', params },
        { of: 'p99', metric: 'p99', unit: 'us', better: 'lower', params },
      ];
    },
  });
}
