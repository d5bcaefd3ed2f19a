/** A real-time FIFO as a named pipe, which `cat` can read: ordinary code writes each record on as a line. */
import { checkFunction, checkOptions, checkText, PercoreError } from '../errors.js';
import {
  CLOSED, closePipe, create, OK, pub, TOO_LARGE, type StructFields, type StructRecord,
} from '../queues/index.js';
import { readRealtimeFifo, type RealtimeFifo, type RealtimeFifoReadOptions } from './realtime-fifo.js';

export interface FifoToPipeOptions<Fields extends StructFields> extends RealtimeFifoReadOptions {
  /** Where the named pipe is made, unless it exists. Nobody removes it. */
  readonly path: string;
  /** Returns the line of a record, without its end. If it is left out: JSON. */
  readonly format?: (record: StructRecord<Fields>) => string;
}

/**
 * Writes every record of a real-time FIFO to a named pipe, in this thread, until the writer closes the FIFO or the
 * signal aborts; resolves with the number of lines. While nobody reads the pipe, or `cat` is stopped, it waits and the
 * FIFO fills up: the writer then drops and counts records, and notices nothing else. A reader that ends takes with it
 * the lines that it had not read yet, at most what a pipe holds, and the next one gets those that follow. A signal that
 * aborts while this waits costs the record that it waits with. Rejects with what `create` of a pipe throws, with what
 * `format` throws, and with ERR_PERCORE_TOO_LARGE for a line that no pipe takes.
 *
 *     void fifoToPipe(samples, { path: '/run/samples', format: ({ atNs, value }) => `${atNs} ${value}` });
 */
export async function fifoToPipe<Fields extends StructFields>(
  fifo: RealtimeFifo<Fields>, options: FifoToPipeOptions<Fields>,
): Promise<number> {
  const { path, format = JSON.stringify, pollMs, signal } = checkOptions(
    'options', options, ['path', 'format', 'pollMs', 'signal'],
  );
  // Without one it would be a pipe without a name, which nobody reads.
  checkText('path', path);
  checkFunction('format', format);
  const open = () => create({ backend: 'pipe', path, framing: 'line' });
  let pipe = open();
  let producer = pub(pipe);
  let lines = 0;
  try {
    for await (const record of readRealtimeFifo(fifo, { ...(pollMs === undefined ? {} : { pollMs }), signal })) {
      const line = format(record);
      for (let code = producer.offer(line); code !== OK; code = producer.offer(line)) {
        // Room would never help.
        if (code === TOO_LARGE) throw tooLong(line, pipe.maxRecordBytes);
        if (code === CLOSED) {
          // Its reader has gone, and this end has closed with it. The line is for the next reader.
          closePipe(pipe);
          pipe = open();
          producer = pub(pipe);
        } else if (!await waitForRoom(producer, signal)) return lines;
      }
      lines++;
    }
  } finally {
    producer.close();
    closePipe(pipe);
  }
  return lines;
}

function tooLong(line: string, most: number): PercoreError {
  return new PercoreError(
    'ERR_PERCORE_TOO_LARGE', `a line of ${Buffer.byteLength(line)} bytes is longer than a pipe takes: ${most}`,
    { argument: 'format', allowed: `lines of at most ${most} bytes` },
  );
}

/** False if the signal has aborted. If the reader goes meanwhile, the next offer says so. */
async function waitForRoom(
  producer: { room(options?: { signal?: AbortSignal | undefined }): Promise<number> }, signal: AbortSignal | undefined,
): Promise<boolean> {
  try {
    await producer.room({ signal });
    return true;
  } catch (error) {
    if (signal?.aborted === true) return false;
    throw error;
  }
}
