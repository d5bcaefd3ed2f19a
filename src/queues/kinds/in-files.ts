/**
 * Queues in files, for every kind that is made of rings. Where the options of `create` or the handle have `memory`, the
 * file is made or mapped first, and this thread joins those who share it. Then the kind does what it does with any
 * memory.
 */
import { invalidArgument } from '../../errors.js';
import { BANDS, MAX_SHARERS, groupLayout, queueLayout } from '../../layout.js';
import { describe } from '../codecs.js';
import { groupBytesFor } from '../group.js';
import type { Kind, MemoryGiven, Queue, QueueFile } from '../handles.js';
import type { RingsProperties } from '../inspect.js';
import { bytesFor } from '../memory.js';
import type { Recovered } from '../place-recovery.js';
import type { CodecFor } from '../codec.js';
import {
  checkMemoryGiven, handleOf, makeQueueFile, mapQueueFile, mappings, openFile, openMapped, openQueueFile,
  type Described,
} from '../queue-file.js';
import { SharedFile } from '../sharers.js';
import { idOfDead } from '../thread-ids.js';
import { closeSync } from 'node:fs';
import type { QueueKind } from './queue-kind.js';

type MayCarry = Queue & { readonly codec?: CodecFor<unknown> };
interface Given {
  readonly codec?: CodecFor<unknown>;
  readonly capacity?: number;
  readonly capacityBytes?: number;
  readonly memory?: MemoryGiven;
  readonly buffer?: SharedArrayBuffer;
  readonly byteOffset?: number;
}

/** The files that this thread has opened, by device and inode. */
const open = new Map<string, SharedFile>();
/**
 * When so many are open, those of which this thread has no end any more are let go. So it never has more than 16 open,
 * or twice as many as it uses.
 */
let mostOpen = 16;

function letGo(): void {
  if (open.size < mostOpen) return;
  for (const [name, file] of open) if (file.release()) open.delete(name);
  mostOpen = Math.max(16, 2 * open.size);
}

/** `kind`, with its queues in memory of this process or in a file. */
export function withFiles(kind: QueueKind<MayCarry, Given>): QueueKind<MayCarry, Given> {
  /**
   * The handle that the kind works with: it has the memory of this thread's mapping, and this thread's number in the
   * file.
   */
  const joined = (queue: MayCarry, file: SharedFile): MayCarry =>
    ({ ...seen(queue, file), sharer: file.sharer() }) as MayCarry;
  const seen = (queue: MayCarry, { mapped }: SharedFile): MayCarry =>
    ({ ...queue, buffer: mapped.buffer, byteOffset: mapped.queueAt }) as MayCarry;
  const fileOf = (queue: MayCarry): SharedFile =>
    knownFile(queue) ?? openedFile(
      queue, (file, sharer) => kind.recoverSharer!(seen(queue, file), sharer),
      (file, index) => kind.hasPlace(seen(queue, file), index),
    );

  return {
    ...kind,
    create(options) {
      if (options.memory === undefined) return kind.create(options);
      const { memory, buffer, byteOffset, ...rest } = options;
      if (buffer !== undefined || byteOffset !== undefined)
        throw invalidArgument(
          'buffer', buffer ?? byteOffset, 'left out where memory says that the queue lies in a file',
        );
      checkMemoryGiven(memory);
      mappings();
      // Checks the options, and tells how much memory the queue takes. The memory that is made here is not used.
      const shape = kind.create(rest);
      const described = describedBy(shape);
      const mapped = makeQueueFile(memory, shape.buffer.byteLength, described, (made) => {
        kind.create({ ...rest, buffer: made.buffer, byteOffset: made.queueAt });
      });
      return handleOf(mapped, described);
    },
    pub(queue, options) {
      if (queue.memory === undefined) return kind.pub(queue, options);
      const file = fileOf(queue);
      const handle = joined(queue, file);
      return file.locked(() => {
        // A thread that has died may still have the place that is wanted.
        file.look(true);
        return kind.pub(handle, options);
      });
    },
    sub(queue, options) {
      if (queue.memory === undefined) return kind.sub(queue, options);
      const file = fileOf(queue);
      const handle = joined(queue, file);
      return file.locked(() => {
        file.look(true);
        return kind.sub(handle, options);
      });
    },
    close(queue) {
      if (queue.memory === undefined) return kind.close(queue);
      const file = fileOf(queue);
      ofWhole(file, () => kind.close(seen(queue, file)));
    },
    recover(queue, worker) {
      if (queue.memory === undefined) return kind.recover(queue, worker);
      const file = fileOf(queue);
      return worker === undefined ? file.locked(() => file.look(true)) : file.recoverThread(idOfDead(worker));
    },
    inspect(queue) {
      if (queue.memory === undefined) return kind.inspect(queue);
      const file = fileOf(queue);
      return ofWhole(file, () => withProcesses(file, kind.inspect(seen(queue, file)) as RingsProperties));
    },
    hasPlace(queue, threadId) {
      if (queue.memory === undefined) return kind.hasPlace(queue, threadId);
      const file = fileOf(queue);
      return file.table.ofThread(threadId).some((index) => kind.hasPlace(seen(queue, file), index));
    },
  };
}

/** What is left of a queue whose file was cut short looks like something else: the error says what has happened. */
function ofWhole<T>(file: SharedFile, then: () => T): T {
  try {
    return then();
  } catch (error) {
    file.checkWhole();
    throw error;
  }
}

function knownFile(queue: MayCarry): SharedFile | undefined {
  const { device, inode } = checkFile(queue);
  return open.get(`${device}:${inode}`);
}

function openedFile(
  queue: MayCarry, recover: (file: SharedFile, sharer: number) => Recovered,
  hasPlace: (file: SharedFile, index: number) => boolean,
): SharedFile {
  const memory = checkFile(queue);
  mappings();
  letGo();
  const { buffer } = queue;
  // A handle from another thread of this process, or one that was let go, brings its mapping along; the path may name
  // something else by now.
  const isMapped = isOfFile(buffer);
  const { fd, stats } = isMapped ? openMapped(new Int32Array(buffer), memory.path) : openFile(memory.path);
  try {
    if (stats.dev !== memory.device || stats.ino !== memory.inode)
      throw invalidArgument(
        'queue.memory', memory.path,
        'the file in which the queue was made or opened: there is another one at this path',
      );
    const mapped = mapQueueFile(memory, fd, stats, isMapped ? buffer : undefined);
    const file: SharedFile = new SharedFile(
      mapped, (sharer) => recover(file, sharer), (index) => hasPlace(file, index),
    );
    const { first, bytes, stride, count } = headersOf(queue);
    mappings().noteHeaders(file.words, mapped.queueAt + first, bytes, stride, count);
    open.set(`${memory.device}:${memory.inode}`, file);
    return file;
  } finally {
    closeSync(fd);
  }
}

/** True for a mapping of a file that is whole; a handle may hold any memory. */
const isOfFile = (buffer: unknown): buffer is SharedArrayBuffer =>
  buffer instanceof SharedArrayBuffer && buffer.byteLength % 4 === 0 && mappings().isWhole(new Int32Array(buffer));

function checkFile({ memory }: MayCarry): QueueFile {
  if (typeof memory === 'object' && memory !== null && typeof memory.path === 'string') return memory;
  throw invalidArgument('queue.memory', memory, 'what create() or open() returned, or its structured clone');
}

/** Where the headers of the queue's rings lie, from its beginning: they are spoilt when the file is cut short. */
function headersOf({ kind, capacity, recordBytes, maxProducers, maxConsumers }: Queue): {
  first: number; bytes: number; stride: number; count: number;
} {
  if (kind === 'spsc' || kind === 'spmc')
    return {
      first: bytesFor(capacity, recordBytes, maxConsumers) - capacity * (recordBytes || 1),
      bytes: 0, stride: 0, count: 0,
    };
  const group = { capacity, recordBytes, rings: 1, groupPlaces: maxConsumers };
  return {
    first: groupLayout.bytes, bytes: queueLayout.bytes, stride: groupBytesFor(group) - groupLayout.bytes,
    count: kind === 'mpsc' ? maxProducers : BANDS,
  };
}

/** What the file has to say about this queue. */
function describedBy(queue: MayCarry): Described {
  const { kind, capacity, recordBytes, maxProducers, maxConsumers, codec, consumers } = queue;
  return {
    kind, capacity, recordBytes, maxProducers, maxConsumers,
    ...(codec === undefined ? {} : { codec }), ...(consumers === undefined ? {} : { consumers }),
  };
}

/** Gives each end its process and thread; the ring knows only its number in the file. */
function withProcesses(file: SharedFile, figures: RingsProperties): RingsProperties {
  const who = (sharer: number): { threadId: number; processId: number } => {
    const { thread, processId } = file.table.at(Math.min(Math.max(sharer, 0), MAX_SHARERS - 1));
    return { threadId: thread, processId };
  };
  return {
    ...figures,
    producers: figures.producers.map((producer) => ({ ...producer, ...who(producer.threadId) })),
    consumers: figures.consumers.map((consumer) =>
      consumer.threadId === undefined ? consumer : { ...consumer, ...who(consumer.threadId) }),
  };
}

/** What a program that opens a queue expects. Two programs that do not agree find out at once. */
export interface AskedQueue {
  readonly kind: Kind;
  readonly memory: MemoryGiven;
  readonly codec?: CodecFor<unknown> | (() => CodecFor<unknown>);
  readonly recordBytes?: number;
}

/** See `open` in index.ts. */
export function openInFile(asked: AskedQueue): Queue {
  const { mapped, described } = openQueueFile(asked.memory);
  const codec = asked.codec === undefined ? undefined : describe(asked.codec);
  const differs = (what: string, given: unknown, found: unknown): never => {
    throw invalidArgument(what, given, `${String(found)}, as the queue in ${mapped.file.path} was made`);
  };
  if (asked.kind !== described.kind) differs('kind', asked.kind, `'${described.kind}'`);
  if (shapeOf(codec) !== shapeOf(described.codec))
    differs('codec', shapeOf(codec), shapeOf(described.codec) ?? 'left out');
  if (codec === undefined && (asked.recordBytes ?? 0) !== described.recordBytes)
    differs('recordBytes', asked.recordBytes, described.recordBytes || 'left out');
  return handleOf(mapped, described);
}

/** What two descriptions of a codec must share: the name, and the fields of a struct in their order. */
function shapeOf(codec: CodecFor<unknown> | undefined): string | undefined {
  if (codec === undefined) return undefined;
  const { name, fields } = codec as { name: string; fields?: object };
  return fields === undefined ? name : `${name}(${JSON.stringify(fields)})`;
}
