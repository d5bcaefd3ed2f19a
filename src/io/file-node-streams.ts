/** Files as streams of Node's own, for `pipeline`, `zlib` and whatever else takes one. Costs a copy a chunk: Node's streams keep what they are given. */
import { Readable, Writable } from 'node:stream';
import { PercoreError } from '../errors.js';
import { BACK_PRESSURED, CLOSED } from '../queues/index.js';
import type { FileReader } from './file-reader.js';
import type { FileWriter } from './file-writer.js';

/** Takes over the reader's handlers. Destroying the stream closes the file. */
export function readableOf(reader: FileReader): Readable {
  const stream = new Readable({
    highWaterMark: reader.chunkBytes,
    read: () => reader.resume(),
    destroy: (error, done) => {
      reader.close();
      done(error);
    },
  });
  reader.pause();
  reader.onData((bytes, offset, length) => {
    if (!stream.push(Buffer.from(bytes.subarray(offset, offset + length)))) reader.pause();
  });
  reader.onEnd(() => void stream.push(null));
  reader.onClose((error) => {
    if (error !== undefined) stream.destroy(error);
  });
  return stream;
}

/** Destroying the stream closes the file at once; 'finish' comes after the descriptor is closed. */
export function writableOf(writer: FileWriter): Writable {
  return new Writable({
    highWaterMark: writer.chunkBytes,
    decodeStrings: true,
    write: (chunk: Buffer, _encoding, done) => {
      if (chunk.length <= writer.maxOfferBytes && writer.offer(chunk) === 0) return done();
      writeAll(writer, chunk).then(() => done(), done);
    },
    final: (done) => {
      writer.end();
      writer.closed().then(() => done(), done);
    },
    destroy: (error, done) => {
      writer.close();
      done(error);
    },
  });
}

async function writeAll(writer: FileWriter, bytes: Uint8Array): Promise<void> {
  for (let at = 0; at < bytes.length;) {
    const length = Math.min(bytes.length - at, writer.chunkBytes);
    const code = writer.offer(bytes, at, length);
    if (code === CLOSED) throw writer.error ?? new PercoreError('ERR_PERCORE_CLOSED', `file ${writer.path} is closed`);
    if (code === BACK_PRESSURED) await writer.writable();
    else at += length;
  }
}
