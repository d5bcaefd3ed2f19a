/**
 * Rows `tcp-echo-1`, `tcp-echo-64`, `tcp-echo-256` (connections) and `tcp-echo-pipelined`: messages of 64 bytes are
 * sent back in a closed loop, in which a connection sends its next message when an answer has come.
 *
 * Pipelined, 16 messages are under way on each of 64 connections, in two ways. With `answers=read` a server sends back
 * each read as it came, so for the server the 16 messages are one message of 1 KiB. With `answers=message` it answers
 * each message by a write of its own, as servers of requests do; this shows which servers gather their writes.
 */
import type { Bench, Finding } from '../../harness.js';
import { compareServers } from './compare-servers.js';
import { cEpoll, nodeNet, nodeNetCorked, runClient, type Server } from './servers.js';

const RUNS = 5;
const RUN_MS = 600;
const SETTLE_MS = 100;
const WARM_UP_MS = 900;

interface Echo {
  readonly connections: number;
  readonly depth: number;
  readonly answers: 'read' | 'message';
  /** The target for the rate, by baseline. */
  readonly rateAtLeast?: Partial<Record<'node:net' | 'C epoll', number>>;
}

function measureEcho({ connections, depth, answers, rateAtLeast }: Echo): Promise<Finding[]> {
  const load = (server: Server, milliseconds: number): Promise<Record<string, number>> =>
    runClient('tcp_client', server, { connections, depth, milliseconds, warmup: SETTLE_MS });
  const rateTargets = Object.fromEntries(
    Object.entries(rateAtLeast ?? {}).map(([baseline, atLeast]) => [baseline, { of: 'ratio' as const, atLeast }]),
  );
  return compareServers<'rate' | 'p99'>({
    work: answers === 'read' ? 'echo' : 'reply',
    baselines: [nodeNet, cEpoll, ...(answers === 'message' ? [nodeNetCorked] : [])],
    runs: RUNS,
    warmUp: (server) => load(server, WARM_UP_MS),
    async measure(server) {
      const { perSecond, p99Us } = await load(server, RUN_MS);
      return { rate: perSecond, p99: p99Us };
    },
    figures: (given) => {
      const params = { ...given, connections, depth, bytes: 64, ...(depth === 1 ? {} : { answers }) };
      return [
        { of: 'rate', metric: 'rate', unit: 'requests/s', better: 'higher', params, targets: rateTargets },
        {
          of: 'p99',
          metric: 'p99',
          unit: 'us',
          better: 'lower',
          params,
          ...(depth === 1 ? { targets: { 'node:net': { of: 'ratio', atMost: 1 } } } : {}),
        },
      ];
    },
    ofIoUring: { rate: { epoll: { of: 'ratio', atLeast: 1 } } },
  });
}

const AT_LEAST = { 'node:net': 1.4, 'C epoll': 0.9 };

export const tcpEcho1: Bench = {
  name: 'tcp-echo-1',
  run: () => measureEcho({ connections: 1, depth: 1, answers: 'read' }),
};
export const tcpEcho64: Bench = {
  name: 'tcp-echo-64',
  run: () => measureEcho({ connections: 64, depth: 1, answers: 'read', rateAtLeast: AT_LEAST }),
};
export const tcpEcho256: Bench = {
  name: 'tcp-echo-256',
  run: () => measureEcho({ connections: 256, depth: 1, answers: 'read', rateAtLeast: AT_LEAST }),
};
export const tcpEchoPipelined: Bench = {
  name: 'tcp-echo-pipelined',
  async run() {
    const findings: Finding[] = [];
    for (const answers of ['message', 'read'] as const) {
      findings.push(...(await measureEcho({ connections: 64, depth: 16, answers, rateAtLeast: { 'node:net': 3 } })));
    }
    return findings;
  },
};
