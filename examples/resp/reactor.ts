/**
 * Runs once in every reactor: its share of the keys, the connections the kernel gives it, and the lanes to the others.
 */
import { AGAIN, OK, type Reactor } from 'percore';
import { serve } from './connection-transport.js';
import { Counters } from './counters.js';
import type { ParserLimits } from './parser.js';
import { Server } from './server.js';
import { Shards } from './shards.js';
import { WaitQueue } from './wait-queue.js';

export interface RespData {
  readonly counters: SharedArrayBuffer;
  readonly host: string;
  readonly limits: ParserLimits;
  readonly subscriberBytes: number;
  readonly replyBytes?: number;
  readonly memoryBytes?: number;
}

/** What the main thread may ask of each reactor. */
export type RespServices = {
  /** Opens the port; 0 chooses a free one. Answers the port. */
  listen(port: number): number;
  /** A reactor has died: clients that wait for its keys get an error. */
  noteDeath(id: number): void;
};

export default function start(reactor: Reactor<{ calls: RespServices }>, data: RespData): void {
  let listeningPort = 0;
  const { timers } = reactor;
  const server: Server = new Server({
    id: reactor.id,
    ownerOf: (hash) => reactor.ownerOfHash(hash),
    keyspaceHost: {
      nowMs: () => Math.floor(reactor.nowNs() / 1e6),
      after: (delayMs, then) => timers.after({ delayNs: delayMs * 1e6 }, () => {
        then();
        server.publishFigures();
      }),
      cancel: (timer) => void timers.cancel(timer as ReturnType<typeof timers.after>),
    },
    counters: new Counters(data.counters, reactor.reactors, reactor.id),
    limits: data.limits,
    subscriberBytes: data.subscriberBytes,
    ...(data.replyBytes === undefined ? {} : { replyBytes: data.replyBytes }),
    ...(data.memoryBytes === undefined ? {} : { memoryBytes: data.memoryBytes }),
    port: () => listeningPort,
    later: restBehindOthers(reactor as Reactor),
  });
  const shards =
    reactor.reactors === 1
      ? undefined
      : new Shards(reactor, server.execute, server.publishFigures, server.describe, server.replyBytes);
  server.peers = shards;

  reactor.handle('listen', (port) => {
    const { host } = data;
    // Ports are shared between reactors; the first opens it alone for a moment, or another program of ours could be
    // sharing it.
    if (reactor.id === 0) {
      const probe = reactor.io.listen({ host, port }, () => undefined);
      port = probe.port;
      probe.close();
    }
    const listener = reactor.io.listen({ host, port, reusePort: true }, (connection) =>
      serve(reactor, server, connection),
    );
    reactor.onStop(() => listener.close());
    return (listeningPort = listener.port);
  });
  reactor.handle('noteDeath', (id) => shards?.noteDeath(id));
}

/**
 * Lets sessions that rest go on, one in a turn: between two turns the reactor looks for what others have sent, and
 * within a turn the task comes behind whatever else is ready in the band of the connections.
 */
function restBehindOthers(reactor: Reactor): (then: () => void) => void {
  const resting = new WaitQueue<() => void>();
  const task = reactor.spawn<null>({ name: 'resp rested' }, () => {
    resting.shift()!();
    if (resting.length !== 0) return AGAIN;
    isUnderWay = false;
    return OK;
  });
  /** One message runs the task until no session rests. */
  let isUnderWay = false;
  return (then) => {
    resting.push(then);
    if (isUnderWay) return;
    isUnderWay = true;
    task.send(null);
  };
}
