/**
 * Files as Node streams, for `pipeline`, `zlib` and whatever else takes one. A Readable costs a copy of each chunk,
 * since Node streams keep what they are given.
 */
import { Readable, Writable } from 'node:stream';
import { PercoreError } from '../errors.js';
import { BACK_PRESSURED, CLOSED, OK } from '../queues/index.js';
import type { ReadingFile } from './file-reading.js';
import type { WritingFile } from './file-writing.js';

/** Sets the handlers of the file, which have been claimed. Destroying the stream closes the file. */
export function readableOf(file: ReadingFile): Readable {
  const stream = new Readable({
    highWaterMark: file.chunkBytes,
    read: () => file.resume(),
    destroy: (error, done) => {
      file.close();
      done(error);
    },
  });
  file.pause();
  file.setHandler((bytes, offset, length) => {
    if (!stream.push(Buffer.from(bytes.subarray(offset, offset + length)))) file.pause();
  });
  let hasEnded = false;
  file.endHandler = () => {
    hasEnded = true;
    stream.push(null);
  };
  file.closeHandler = (error) => {
    if (error !== undefined) stream.destroy(error);
    // Closed before its end, by its user or together with its thread's I/O: nobody may wait for the rest for ever.
    else if (!hasEnded) stream.destroy();
  };
  return stream;
}

/** Destroying the stream closes the file at once. 'finish' is emitted after the descriptor is closed. */
export function writableOf(file: WritingFile): Writable {
  return new Writable({
    highWaterMark: file.chunkBytes,
    decodeStrings: true,
    write: (chunk: Buffer, _encoding, done) => {
      if (chunk.length <= file.mostOffer && file.offer(chunk, 0, chunk.length) === OK) return done();
      writeAll(file, chunk).then(() => done(), done);
    },
    final: (done) => {
      file.end();
      // `flushed` rejects if the file was closed before the kernel had everything; `closed` if the closing failed.
      file.flushed().then(() => file.closed()).then(() => done(), done);
    },
    destroy: (error, done) => {
      file.close();
      done(error);
    },
  });
}

async function writeAll(file: WritingFile, bytes: Uint8Array): Promise<void> {
  for (let at = 0; at < bytes.length;) {
    const length = Math.min(bytes.length - at, file.chunkBytes);
    const code = file.offer(bytes, at, length);
    if (code === CLOSED) throw file.error ?? new PercoreError('ERR_PERCORE_CLOSED', `file ${file.path} is closed`);
    if (code === BACK_PRESSURED) await file.room();
    else at += length;
  }
}
