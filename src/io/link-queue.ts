/**
 * Puts what a connection receives straight into a queue. Each arrival becomes a record and is copied once, from the
 * pool into the ring. A full queue stops the reading, and the kernel's window then holds the peer back, so there is
 * backpressure from end to end.
 *
 *     const bytes = queues.create({ kind: 'spsc', capacityBytes: 1 << 20 });            // read by another thread
 *     reactor.io.listen({ port: 7000 }, (connection) => linkToQueue(connection, queues.pub(bytes)));
 *
 * An arrival is a piece of a stream. It is cut where the kernel has cut it, or where the longest record of the queue
 * ends; whoever reads the queue puts messages together. Use one queue for each connection, unless it does not matter
 * which connection the bytes are from.
 */
import { invalidArgument } from '../errors.js';
import { BACK_PRESSURED, CLOSED } from '../queues/index.js';
import { claimHandlers, ON_DATA } from './claims.js';
import type { ConnectionEndpoint } from './connection-endpoint.js';
import { endpointOf, type Connection } from './connection.js';
import { reportThrown } from './report.js';

/** The part of a producer that is needed here, of records of any length. */
export interface RecordProducer {
  /** An arrival that is longer becomes several records. */
  readonly maxRecordBytes: number;
  /** Takes one record. Returns OK, BACK_PRESSURED or CLOSED. */
  offer(record: Uint8Array): number;
  /** Resolves when a record of `length` bytes would be taken, or the queue is closed. */
  room(length?: number): Promise<number>;
}

/**
 * Links `connection` to the queue of `producer`. The connection is closed when the queue is closed. Only for the
 * connection's own thread. Does not block; allocates one small view for each record. It claims the data handler: throws
 * ERR_PERCORE_CLAIM when that is already set, and ERR_PERCORE_INVALID_ARGUMENT.
 */
export function linkToQueue(connection: Connection, producer: RecordProducer): void {
  if (typeof producer?.offer !== 'function' || typeof producer.maxRecordBytes !== 'number') {
    throw invalidArgument('producer', producer, 'the producer of a queue of bytes of any length: pub(create({ … }))');
  }
  const endpoint = endpointOf(connection);
  if (endpoint === undefined) {
    throw invalidArgument('connection', connection, 'a Connection, as listen, connect or attach gives it');
  }
  claimHandlers(endpoint, ON_DATA, 'linkToQueue');
  const most = producer.maxRecordBytes;
  endpoint.setDataHandler((bytes, offset, length) => {
    for (let at = 0; at < length; at += most) {
      const record = bytes.subarray(offset + at, offset + Math.min(at + most, length));
      const code = producer.offer(record);
      if (code === BACK_PRESSURED) return hold(endpoint, producer, bytes.slice(offset + at, offset + length));
      if (code === CLOSED) return endpoint.close();
    }
  }, false);
}

/** The rest of an arrival waits for room in the queue. Nothing is received meanwhile. */
function hold(endpoint: ConnectionEndpoint, producer: RecordProducer, rest: Uint8Array): void {
  endpoint.pause();
  const most = producer.maxRecordBytes;
  let at = 0;
  // Nothing that follows may be taken without these bytes, so the connection is closed when they cannot be.
  const fail = (error: unknown): void => {
    reportThrown(endpoint.core.schedule, endpoint.band, error, `linkToQueue of ${endpoint.describe()}`);
    endpoint.close();
  };
  const goOn = (): void => {
    while (at < rest.length) {
      const record = rest.subarray(at, at + most);
      const code = producer.offer(record);
      if (code === CLOSED) return endpoint.close();
      if (code === BACK_PRESSURED) return void producer.room(record.length).then(goOn).catch(fail);
      at += record.length;
    }
    endpoint.receiving.resume();
  };
  try {
    goOn();
  } catch (error) {
    fail(error);
  }
}
