/** Ours in row `file-stream`: reads a file through `reactor.io.openFile` with its defaults. */
import type { Reactor } from 'percore';
import { streamByte } from './stream.js';

export interface FileReport {
  readonly bytes: number;
  readonly ns: number;
  /** True if the first and last byte of each chunk were those of the file. */
  readonly isRight: boolean;
  /** If another backend read it than the one that was asked for: why. */
  readonly refusal?: string;
}
export type FileServices = { read(wish: { path: string; backend: 'io_uring' | 'pool' }): Promise<FileReport> };

/** The default of `openFile`. */
export const FILE_CHUNK_BYTES = 131_072;

/** Counts and compares chunks, beginning now. */
export function tally(): { add(bytes: Uint8Array, offset: number, length: number): void; report(): FileReport } {
  const start = process.hrtime.bigint();
  let count = 0;
  let isRight = true;
  return {
    add(bytes, offset, length) {
      isRight &&= bytes[offset] === streamByte(count) && bytes[offset + length - 1] === streamByte(count + length - 1);
      count += length;
    },
    report: () => ({ bytes: count, ns: Number(process.hrtime.bigint() - start), isRight }),
  };
}

export default function start(reactor: Reactor<{ calls: FileServices }>): void {
  reactor.handle('read', ({ path, backend }) => new Promise<FileReport>((resolve, reject) => {
    const { add, report } = tally();
    const file = reactor.io.openFile(path, { backend });
    file.onReceive(add);
    file.onEnd(() => {
      const { granted, refusals } = file.status();
      resolve({ ...report(), ...(granted.backend === backend ? {} : { refusal: refusals.join('; ') }) });
    });
    file.onClose((error) => error !== undefined && reject(error));
  }));
}
