/** The files of one thread: opens each with what is granted, and closes all. */
import { BANDS } from '../layout.js';
import { checkBoolean, checkInteger, checkOneOf, checkOptions, invalidArgument } from '../errors.js';
import { DEFAULT_BAND } from '../scheduling/internal.js';
import { DIRECT_BORDER, type FileEndpoint, type FileOptions, type FileSettings } from './file-endpoint.js';
import { checkPath } from './file-path.js';
import { FileReader } from './file-reader.js';
import { ReadingFile } from './file-reading.js';
import { MAX_DEPTH, PoolTransfers, RingTransfers } from './file-transfers.js';
import { FileWriter } from './file-writer.js';
import { WritingFile } from './file-writing.js';
import type { TimedIoCore } from './timed-core.js';

/**
 * As measured: chunks of 1 MiB read a tenth faster from the page cache, but copying one keeps the reactor for 170 µs,
 * and copying one of these for 25 µs.
 */
const DEFAULT_CHUNK_BYTES = 131_072;
const DEFAULT_DEPTH = 4;

export class FileSet {
  private readonly files = new Set<FileEndpoint>();
  private readonly pool = new PoolTransfers();
  /** The ring, or why there is none. It is opened with the first file that wants it. */
  private ring: RingTransfers | string | undefined;

  constructor(private readonly core: TimedIoCore) {}

  /** How many files are open, or have a transfer in flight. */
  get count(): number {
    return this.files.size;
  }

  open(path: string, options: FileOptions): FileReader | FileWriter {
    const settings = check(path, options);
    this.core.checkOpen();
    if (settings.backend === 'io_uring') this.ring ??= RingTransfers.open(this.core);
    const isRing = settings.backend === 'io_uring' && typeof this.ring === 'object';
    const refusal = settings.backend === 'io_uring' && typeof this.ring === 'string' ? this.ring : undefined;
    const transfers = isRing ? (this.ring as RingTransfers) : this.pool;
    const onGone = (gone: FileEndpoint): void => void this.files.delete(gone);
    if (settings.flags === 'r') {
      const reading = new ReadingFile(this.core, settings, transfers, this.pool, refusal, onGone);
      this.files.add(reading);
      return new FileReader(reading);
    }
    const writing = new WritingFile(this.core, settings, transfers, this.pool, refusal, onGone);
    this.files.add(writing);
    return new FileWriter(writing);
  }

  /** Closes every file. If handlers throw, the first error is thrown afterwards. */
  closeAll(): void {
    const errors: unknown[] = [];
    for (const file of this.files) {
      try {
        file.close();
      } catch (error) {
        errors.push(error);
      }
    }
    if (typeof this.ring === 'object') this.ring.close();
    this.ring = undefined;
    if (errors.length !== 0) throw errors[0];
  }
}

function check(path: string, given: FileOptions): FileSettings {
  checkPath('path', path);
  const options = checkOptions('options', given, ['flags', 'direct', 'chunkBytes', 'depth', 'priority', 'backend']);
  const flags = checkOneOf('flags', options.flags ?? 'r', ['r', 'w', 'a']);
  const backend = checkOneOf('backend', options.backend ?? 'io_uring', ['io_uring', 'pool']);
  const direct = checkBoolean('direct', options.direct ?? false);
  const chunkBytes = checkInteger('chunkBytes', options.chunkBytes ?? DEFAULT_CHUNK_BYTES, DIRECT_BORDER, 2 ** 24);
  if (chunkBytes % DIRECT_BORDER !== 0) {
    throw invalidArgument('chunkBytes', chunkBytes, `a multiple of ${DIRECT_BORDER}`);
  }
  return {
    path, flags, backend, chunkBytes,
    direct,
    // With O_DIRECT a chunk that is not full waits for more, so a writer needs another one beside it.
    depth: checkInteger('depth', options.depth ?? DEFAULT_DEPTH, direct && flags !== 'r' ? 2 : 1, MAX_DEPTH),
    priority: checkInteger('priority', options.priority ?? DEFAULT_BAND, 0, BANDS - 1),
  };
}
