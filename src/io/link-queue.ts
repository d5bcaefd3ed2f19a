/**
 * What a connection receives, straight into a queue: each arrival becomes a record, copied once, from the pool into the
 * ring. A full queue stops the reading, and the kernel's window then holds the peer back: backpressure from end to end.
 *
 *     const bytes = queues.create({ kind: 'spsc', capacityBytes: 1 << 20 });            // read by another thread
 *     reactor.io.listen({ port: 7000 }, (connection) => linkToQueue(connection, queues.pub(bytes)));
 *
 * An arrival is a piece of a stream, cut where the kernel cut it, or where the longest record of the queue ends:
 * whoever reads the queue puts messages together. One queue for one connection, unless it does not matter whose bytes
 * they are.
 */
import { invalidArgument } from '../errors.js';
import { BACK_PRESSURED, CLOSED } from '../queues/index.js';
import { claimHandlers, ON_DATA } from './claims.js';
import type { ConnectionEndpoint } from './connection-endpoint.js';
import { endpointOf, type Connection } from './connection.js';

/** The part of a producer of records of any length that is needed here. */
export interface RecordProducer {
  /** What is longer arrives in several records. */
  readonly maxRecordBytes: number;
  /** OK, BACK_PRESSURED or CLOSED. */
  offer(record: Uint8Array): number;
  /** Resolves when a record of `length` bytes would be taken, or the queue is closed. */
  room(length?: number): Promise<number>;
}

/**
 * Ends when the queue is closed: the connection is closed then. Does not block; one small view is allocated a record.
 * Takes the handler of data: throws ERR_PERCORE_CLAIM when it is set already.
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

/** The rest of an arrival waits for room; nothing is received meanwhile. */
function hold(endpoint: ConnectionEndpoint, producer: RecordProducer, rest: Uint8Array): void {
  endpoint.pause();
  const most = producer.maxRecordBytes;
  let at = 0;
  const goOn = (): void => {
    while (at < rest.length) {
      const record = rest.subarray(at, at + most);
      const code = producer.offer(record);
      if (code === CLOSED) return endpoint.close();
      if (code === BACK_PRESSURED) return void producer.room(record.length).then(goOn, () => endpoint.close());
      at += record.length;
    }
    endpoint.receiving.resume();
  };
  goOn();
}
