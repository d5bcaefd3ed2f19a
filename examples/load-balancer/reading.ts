/**
 * Reads standard input or a file, whatever it is: each is waited for in the way in which the wait can be called off at
 * any moment.
 *
 *     a pipe, a terminal, a socket, a FIFO, a device     readiness, as for connections: no read ever blocks
 *     an ordinary file                                   Node's stream: libuv's pool waits for the disk, never long
 */
import { constants, createReadStream, openSync, statSync } from 'node:fs';
import type { Reactor } from 'percore';
import type { Feed } from './input.js';

export interface Reading extends Pick<Feed, 'pause' | 'resume'> {
  /** Reads no more. Nothing is called afterwards. */
  stop(): void;
}

export interface ReadingHandlers {
  onData(bytes: Uint8Array): void;
  /** Called once: at the end of what is read, or with what went wrong. */
  onEnd(error?: Error): void;
}

/** `path` '' is standard input. Throws when it cannot be opened. */
export function startReading(
  io: Reactor['io'], path: string, options: { priority: number; readBytes: number }, handlers: ReadingHandlers,
): Reading {
  if (path !== '' && statSync(path).isFile()) return readFile(path, options.readBytes, handlers);
  // A FIFO opened in this way waits for its first writer without holding anybody.
  const stream =
    path === ''
      ? io.stdin(options)
      : io.openPipe(openSync(path, constants.O_RDONLY | constants.O_NONBLOCK | constants.O_NOCTTY), 'read', options);
  let isOver = false;
  stream.onClose((error) => {
    if (!isOver) handlers.onEnd(error);
    isOver = true;
  });
  stream.onData((bytes) => handlers.onData(bytes));
  return {
    pause: () => stream.pause(),
    resume: () => stream.resume(),
    stop: () => {
      isOver = true;
      stream.close();
    },
  };
}

function readFile(path: string, readBytes: number, handlers: ReadingHandlers): Reading {
  const stream = createReadStream(path, { highWaterMark: readBytes });
  stream
    .on('data', (chunk) => handlers.onData(chunk as Buffer))
    .on('end', () => handlers.onEnd())
    .on('error', (error) => handlers.onEnd(error));
  return {
    pause: () => void stream.pause(),
    resume: () => void stream.resume(),
    stop: () => {
      stream
        .removeAllListeners('data')
        .removeAllListeners('end')
        .removeAllListeners('error')
        .on('error', () => undefined)
        .destroy();
    },
  };
}
