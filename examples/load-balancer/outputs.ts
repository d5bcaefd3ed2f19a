/**
 * The outputs of one reactor: connections that read results. Each has a backlog of its own; one that does not keep up
 * is dropped from the outputs and counted, so that it stops no other reader.
 */
import { BACK_PRESSURED, OK, type ByteRecord, type Connection, type Reactor, type Task } from 'percore';
import type { JobCounters } from './counters.js';

const LINE_FEED = 10;
/**
 * Results of this band and above are sent at once; others may gather to fewer, larger sends while there is other work.
 */
const URGENT_BAND = 5;
/**
 * What may gather for one send, beside what a reader has left unread: the bytes that a cork holds back, and the longest
 * record on top.
 */
export const MOST_GATHERED_BYTES = 2 * 65_536 + 4096;

export class Outputs {
  private readonly connections = new Set<Connection>();
  /** Those of them whose reader has ended its own side. */
  private readonly halfClosed = new Set<Connection>();
  /** Runs when nothing above band 0 is ready: sends what has gathered. */
  private readonly sender: Task<null>;
  private isGathering = false;
  /** With --to: results go to a broker as well. */
  private broker: { publish(bytes: Uint8Array): number } | undefined;

  constructor(private readonly reactor: Reactor, private readonly counters: JobCounters) {
    this.sender = reactor.spawn<null>({ name: 'send results', priority: 0 }, () => {
      this.isGathering = false;
      for (const connection of this.connections) connection.uncork();
    });
  }

  /** From now on results go to this one too, which makes the others wait where it is slow. */
  addBroker(broker: { publish(bytes: Uint8Array): number }): void {
    this.broker = broker;
    this.publishCounts();
  }

  add(connection: Connection): void {
    this.connections.add(connection);
    this.counters.outputsConnected++;
    this.publishCounts();
    // What a reader sends is read and let go, so that its end is seen. One that ends its side may read on: if it has
    // gone altogether, the next results tell.
    connection.onData(() => undefined);
    connection.onEnd(() => {
      this.halfClosed.add(connection);
      this.publishCounts();
    });
    connection.onClose(() => this.remove(connection));
  }

  /** A step of the task `results`: one record of result lines. */
  readonly step = (record: ByteRecord): number => {
    const bytes = record.bytes.subarray(record.offset, record.offset + record.length);
    if (this.broker?.publish(bytes) === BACK_PRESSURED) return BACK_PRESSURED;
    this.counters.addResultRecordFrom(record.from);
    if (this.connections.size !== 0) this.handOut(record, bytes);
    return OK;
  };

  private handOut(record: ByteRecord, bytes: Uint8Array): void {
    const isUrgent = record.priority >= URGENT_BAND;
    if (!isUrgent && !this.isGathering) {
      this.isGathering = true;
      this.sender.send(null);
    }
    for (const connection of this.connections) {
      if (!isUrgent) connection.cork();
      else connection.uncork();
      let code = connection.offer(bytes);
      if (code === BACK_PRESSURED) {
        // Perhaps it only waits for the end of the turn to be sent: what the kernel takes now, the reader does not owe.
        void connection.flushed();
        code = connection.offer(bytes);
      }
      if (code === OK) continue;
      this.counters.resultsUnsent += countLines(bytes);
      // CLOSED: it has ended by itself and is on its way out.
      if (code !== BACK_PRESSURED) continue;
      this.counters.outputsEvicted++;
      connection.close();
    }
  }

  /** Ends every output after what is pending; one that does not take it within `waitMs` is closed. */
  async finish(waitMs: number): Promise<void> {
    const closed = [...this.connections].map((connection) => new Promise<void>((resolve) => {
      connection.onClose(() => {
        this.remove(connection);
        resolve();
      });
      connection.end();
      // A reader that has everything but keeps its side open has been served.
      void connection.flushed().then(() => connection.close());
    }));
    const timer = this.reactor.timers.after({ delayNs: waitMs * 1e6 }, () => {
      for (const connection of this.connections) connection.close();
    });
    await Promise.all(closed);
    this.reactor.timers.cancel(timer);
  }

  private remove(connection: Connection): void {
    if (!this.connections.delete(connection)) return;
    this.halfClosed.delete(connection);
    this.counters.resultsUnsent += countLines(connection.unsent);
    this.publishCounts();
  }

  private publishCounts(): void {
    this.counters.outputsOpen = this.connections.size + (this.broker === undefined ? 0 : 1);
    this.counters.outputsHalfClosed = this.halfClosed.size;
  }
}

function countLines(bytes: Uint8Array): number {
  let lines = 0;
  for (let at = bytes.indexOf(LINE_FEED); at >= 0; at = bytes.indexOf(LINE_FEED, at + 1)) lines++;
  return lines;
}
