/**
 * Row `tcp-stream`: one connection with writes of 64 KiB, in either direction: for `receive` the server reads, for
 * `send` it writes.
 */
import type { Bench, Finding } from '../../harness.js';
import { compareServers } from './compare-servers.js';
import { cEpoll, nodeNet, runClient, type Server } from './servers.js';

const RUNS = 5;
const RUN_MS = 500;
const WARM_UP_MS = 800;

const DIRECTIONS = { receive: 'sink', send: 'source' } as const;

export const tcpStream: Bench = {
  name: 'tcp-stream',
  async run() {
    const findings: Finding[] = [];
    for (const direction of ['receive', 'send'] as const) findings.push(...(await inDirection(direction)));
    return findings;
  },
};

function inDirection(direction: keyof typeof DIRECTIONS): Promise<Finding[]> {
  const work = DIRECTIONS[direction];
  const load = (server: Server, milliseconds: number): Promise<Record<string, number>> =>
    runClient('stream_client', server, { milliseconds }, work);
  return compareServers<'rate'>({
    work,
    baselines: [nodeNet, cEpoll],
    runs: RUNS,
    warmUp: (server) => load(server, WARM_UP_MS),
    measure: async (server) => ({ rate: (await load(server, RUN_MS))['gigabytesPerSecond'] }),
    figures: (params) => [
      {
        of: 'rate',
        metric: 'rate',
        unit: 'GB/s',
        better: 'higher',
        params: { ...params, connections: 1, direction, writeBytes: 65_536 },
        targets: { 'C epoll': { of: 'ratio', atLeast: 0.9 } },
      },
    ],
  });
}
