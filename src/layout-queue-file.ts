/** The tables of queues in files, which other processes and other languages can open. See layout.ts. */
import type { Structure } from './layout-fields.js';

export const QUEUE_FILE_MAGIC = 0x50435146;
export const QUEUE_FILE_VERSION = 1;
/** How many threads of all processes together may have ends of one queue at a time. */
export const MAX_SHARERS = 128;

/**
 * A thread of any process that has ends of the queue in this file. The words of a ring that say who has a place hold
 * the index of the sharer, plus 1; in a queue within one process they hold the number of a thread. All fields are
 * written under the lock of the file (flock), which the kernel releases when its holder dies.
 */
export const sharerLayout = {
  name: 'Sharer',
  bytes: 64,
  fields: {
    processId: {
      at: 0, type: 'i32', writes: 'who joins, last; recover', reads: 'all, to watch it',
      means: 'the process; 0: the sharer is free',
    },
    thread: {
      at: 4, type: 'i32', writes: 'who joins', reads: 'supervisors in its process',
      means: 'Node\'s threadId; 0: a process of another language',
    },
    startTicks: {
      at: 8, type: 'f64', writes: 'who joins', reads: 'all',
      means: 'when the process began: field 22 of /proc/[pid]/stat, since process numbers are reused',
    },
    pidNamespace: {
      at: 16, type: 'f64', writes: 'who joins', reads: 'all',
      means: 'inode of /proc/self/ns/pid: in another namespace the number means another process',
    },
    isHeld: {
      at: 24, type: 'i32', writes: 'who joins', reads: 'all',
      means: '1: it holds the lock of byte `at` of this sharer (F_OFD_SETLK), which ends with it, and by exec(2)',
    },
  },
} as const satisfies Structure;

/** The beginning of a queue's file. The sharers follow, then the text, then the ring or the group of rings. */
export const queueFileLayout = {
  name: 'QueueFile',
  bytes: 256,
  fields: {
    magic: { at: 0, type: 'i32', writes: 'creator', reads: 'all', means: 'QUEUE_FILE_MAGIC' },
    version: { at: 4, type: 'i32', writes: 'creator', reads: 'all', means: 'QUEUE_FILE_VERSION' },
    ringVersion: {
      at: 8, type: 'i32', writes: 'creator', reads: 'all',
      means: 'LAYOUT_VERSION of the ring, or of the group of rings',
    },
    kind: { at: 12, type: 'i32', writes: 'creator', reads: 'all', means: 'QueueFileKind' },
    bytes: { at: 16, type: 'f64', writes: 'creator', reads: 'all', means: 'length of the file' },
    queueAt: { at: 24, type: 'i32', writes: 'creator', reads: 'all', means: 'where the ring or the group begins' },
    textBytes: {
      at: 28, type: 'i32', writes: 'creator', reads: 'all',
      means: 'length of the text behind the sharers: JSON in UTF-8, with codec and consumers',
    },
    capacity: { at: 32, type: 'i32', writes: 'creator', reads: 'all', means: 'capacity of each ring' },
    recordBytes: { at: 36, type: 'i32', writes: 'creator', reads: 'all', means: 'recordBytes of each ring' },
    maxProducers: { at: 40, type: 'i32', writes: 'creator', reads: 'all', means: 'producers it has room for' },
    maxConsumers: { at: 44, type: 'i32', writes: 'creator', reads: 'all', means: 'consumers it has room for' },
    sharersVersion: {
      at: 128, type: 'i32', writes: 'whoever joins or frees a sharer adds', reads: 'all sleep on it',
      means: 'grows whenever a sharer joins or is freed',
    },
  },
} as const satisfies Structure;

/** The offset of sharer `index` in the file. */
export const sharerAt = (index: number): number => queueFileLayout.bytes + index * sharerLayout.bytes;
/** The offset of the text in the file. */
export const QUEUE_FILE_TEXT: number = sharerAt(MAX_SHARERS);
