/** The tables of queues that lie in files, for other processes and other languages. See layout.ts. */
import type { Structure } from './layout-fields.js';

export const QUEUE_FILE_MAGIC = 0x50435146;
export const QUEUE_FILE_VERSION = 1;
/** Threads of all processes that may have ends of one queue at once. */
export const MAX_SHARERS = 128;

/**
 * A thread of some process that has ends in the file: the words of the ring that say who has a place hold its number
 * here, plus 1, where a queue in a process's own memory has the number of a thread. All are written under the lock of
 * the file (flock), which the kernel takes from the dead.
 */
export const sharerLayout = {
  name: 'Sharer',
  bytes: 64,
  fields: {
    processId: {
      at: 0, type: 'i32', writes: 'who joins, last; recover', reads: 'all, to watch it',
      means: 'process; 0 for nobody',
    },
    thread: {
      at: 4, type: 'i32', writes: 'who joins', reads: 'supervisors in its process',
      means: 'threadId of Node; 0 for a process of another language',
    },
    startTicks: {
      at: 8, type: 'f64', writes: 'who joins', reads: 'all',
      means: 'when the process began: field 22 of /proc/[pid]/stat, since numbers of processes come again',
    },
    pidNamespace: {
      at: 16, type: 'f64', writes: 'who joins', reads: 'all',
      means: 'inode of /proc/self/ns/pid: in another one the number means another process',
    },
  },
} as const satisfies Structure;

/** What a queue's file begins with. The sharers, the text and then the ring, or the group of rings, follow. */
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
    capacity: { at: 32, type: 'i32', writes: 'creator', reads: 'all', means: 'that of each ring' },
    recordBytes: { at: 36, type: 'i32', writes: 'creator', reads: 'all', means: 'that of each ring' },
    maxProducers: { at: 40, type: 'i32', writes: 'creator', reads: 'all', means: 'producers it has room for' },
    maxConsumers: { at: 44, type: 'i32', writes: 'creator', reads: 'all', means: 'consumers it has room for' },
    sharersVersion: {
      at: 128, type: 'i32', writes: 'who joins adds, and who frees a sharer', reads: 'all sleep at it',
      means: 'grows when there is a sharer more or less',
    },
  },
} as const satisfies Structure;

/** Where sharer `index` lies. */
export const sharerAt = (index: number): number => queueFileLayout.bytes + index * sharerLayout.bytes;
/** Where the text begins. */
export const QUEUE_FILE_TEXT: number = sharerAt(MAX_SHARERS);
