/**
 * A pipe's handle and the words behind it: what any thread of the process can know without touching the pipe. Each
 * count has one writer, and the order of the stores carries nothing, so they are plain. native/pipe.h says how an end
 * gets its owner (the pair `pipe.take`).
 */
import { EALREADY, EEXIST } from '../errno.js';
import { PercoreError, invalidArgument } from '../errors.js';
import { LAYOUT_VERSION, PIPE_MAGIC, pipeLayout } from '../layout.js';
import { native } from '../native.js';
import { isWhole } from './memory.js';
import type { Framing, PipeValues } from './pipe-frames.js';

/** The longest record of a pipe in bytes, without its frame. */
export const MAX_PIPE_RECORD_BYTES: number = 2 ** 28;
const { fields } = pipeLayout;
/** Indexes into `PipeMemory.words`. */
export const MAGIC: number = fields.magic.at >> 2;
export const VERSION: number = fields.version.at >> 2;
export const PRODUCER_END: number = fields.producerEnd.at >> 2;
export const CONSUMER_END: number = fields.consumerEnd.at >> 2;
export const PRODUCER_FD: number = fields.producerFd.at >> 2;
export const CONSUMER_FD: number = fields.consumerFd.at >> 2;
export const IS_BROKEN: number = fields.isBroken.at >> 2;
export const IS_ENDED: number = fields.isEnded.at >> 2;
/** Indexes into `PipeMemory.counts`. */
export const PUBLISHED: number = fields.published.at >> 3;
export const REFUSED: number = fields.refused.at >> 3;
export const DROPPED_NEWEST: number = fields.droppedNewest.at >> 3;
export const DROPPED_UNSENT: number = fields.droppedUnsent.at >> 3;
export const PRODUCER_HIGH_WATER: number = fields.producerHighWater.at >> 3;
export const CONSUMED: number = fields.consumed.at >> 3;
export const DROPPED_UNREAD: number = fields.droppedUnread.at >> 3;
export const DROPPED_TOO_LARGE: number = fields.droppedTooLarge.at >> 3;
export const CONSUMER_HIGH_WATER: number = fields.consumerHighWater.at >> 3;

/** What travels through a pipe: `string` if it was created for text, else `Uint8Array`. */
export type PipeValue = string | Uint8Array;

/**
 * A pipe, as a plain object that survives structured clone to any thread of this process. Another process opens the
 * same FIFO with a handle of its own, or inherits a descriptor.
 */
export interface PipeQueue<T extends PipeValue = PipeValue> {
  /** One producing end and one consuming end. */
  readonly kind: 'spsc';
  /** The records lie in the operating system. */
  readonly backend: 'pipe';
  /** How records are told apart in the stream of bytes. */
  readonly framing: Framing;
  /** What the ends take and give: strings or Uint8Array. */
  readonly values: PipeValues;
  /**
   * The longest record in bytes. A longer one is TOO_LARGE when it is offered, and is skipped and counted when it is
   * read.
   */
  readonly maxRecordBytes: number;
  /** What an offer does when the pipe is full. */
  readonly whenSlow: 'wait' | 'drop-newest';
  /**
   * The bytes that the system has granted to the pipe. For a FIFO it is what was asked for, or 0 for the system's
   * default; `inspect` says what each end got.
   */
  readonly capacityBytes: number;
  /** The absolute path of the FIFO; empty for an anonymous pipe. */
  readonly path: string;
  /** True if the consuming end waits for the next writer when the last one has gone. */
  readonly keepOpen: boolean;
  /**
   * The reading end of an anonymous pipe as a descriptor, or -1 for a FIFO. It may be handed to a child process until
   * that end is opened or closed here. Hand it over as standard input or output: Node makes those blocking in the
   * child, as most programs expect, whereas under another number the descriptor stays non-blocking.
   */
  readonly readDescriptor: number;
  /** The writing end of an anonymous pipe, under the same rules. */
  readonly writeDescriptor: number;
  /** Counters and marks that all threads of the process see. */
  readonly shared: SharedArrayBuffer;
  /** Never there; it only carries the type of the values. */
  readonly carries?: T;
}

/** The words behind a handle, seen in three ways. */
export interface PipeMemory {
  readonly words: Int32Array;
  readonly counts: Float64Array;
  readonly bytes: Uint8Array;
}

/** The views of the shared words of a pipe. */
export function viewsOf(shared: SharedArrayBuffer): PipeMemory {
  return { words: new Int32Array(shared), counts: new Float64Array(shared), bytes: new Uint8Array(shared) };
}

/** The words of a handle. Throws for anything but the handle of a pipe of this version. */
export function memoryOf(queue: PipeQueue): PipeMemory {
  if (!(queue?.shared instanceof SharedArrayBuffer) || queue.shared.byteLength < pipeLayout.bytes)
    throw noHandle(queue);
  const memory = viewsOf(queue.shared);
  // Pairs with the stores in createPipe(): whoever sees the magic sees a complete block.
  const [magic, version] = [Atomics.load(memory.words, MAGIC), Atomics.load(memory.words, VERSION)];
  if (magic !== PIPE_MAGIC || version !== LAYOUT_VERSION) {
    throw new PercoreError(
      'ERR_PERCORE_LAYOUT_MISMATCH',
      `pipe memory has magic ${magic} and layout version ${version}; this build writes ${PIPE_MAGIC} and `
        + `${LAYOUT_VERSION}. Use one version of percore in all threads`,
      { argument: 'queue' },
    );
  }
  if (!hasRightFields(queue)) throw noHandle(queue);
  return memory;
}

const noHandle = (queue: unknown): PercoreError =>
  invalidArgument('queue', queue, 'what createPipe() returned, or its structured clone in the same process');

/**
 * A handle is a plain object that has travelled. Any of its fields may have been changed, and each of them is passed to
 * the system or decides about a size.
 */
function hasRightFields({
  framing, values, whenSlow, keepOpen, path, maxRecordBytes, capacityBytes,
}: PipeQueue): boolean {
  return (
    (framing === 'line' || framing === 'length')
    && (values === 'text' || values === 'bytes')
    && (whenSlow === 'wait' || whenSlow === 'drop-newest')
    && typeof keepOpen === 'boolean'
    && typeof path === 'string'
    && !path.includes('\0')
    && isWhole(maxRecordBytes, 1, MAX_PIPE_RECORD_BYTES)
    && isWhole(capacityBytes, 0, 2 ** 31 - 1)
  );
}

/** The error for what the system has answered; `code` is negative. */
export function systemError(code: number, syscall: string, detail: string): PercoreError {
  const errno = native().system.errorName(-code);
  return new PercoreError('ERR_PERCORE_SYSTEM', `${errno}: ${syscall}${detail === '' ? '' : ` ${detail}`} failed`, {
    errno, syscall,
  });
}

/**
 * Opens one end for this thread, which then owns it. Throws when the end has an owner already, and for what the system
 * refuses.
 */
export function openEnd(queue: PipeQueue, memory: PipeMemory, isProducer: boolean, onReady: () => void) {
  const end = native().pipes.openEnd(
    memory.bytes, isProducer, queue.path, queue.path === '' ? 0 : queue.capacityBytes, onReady,
  );
  if (typeof end !== 'number') return end;
  const name = isProducer ? 'producing' : 'consuming';
  if (end === -EALREADY) {
    throw new PercoreError(
      'ERR_PERCORE_INVALID_ARGUMENT',
      `the ${name} end of this pipe is open elsewhere, or was closed. A pipe has one ${name} end; for more, use a `
        + `FIFO with a handle for each`,
      { argument: 'queue' },
    );
  }
  if (end === -EEXIST) throw invalidArgument('path', queue.path, 'a FIFO');
  throw systemError(end, 'open', queue.path);
}
