/** The tables of queues: rings, groups of rings, queues of chunks, pipes. See layout.ts. */
import type { Structure } from './layout-fields.js';

/**
 * One consumer's place in a ring: its cursor, and what the producer does when it is slow. The first lies in the ring's
 * header.
 */
export const placeLayout = {
  name: 'Place',
  bytes: 256,
  fields: {
    cursor: {
      at: 0, type: 'i32', writes: 'consumer', reads: 'producer',
      means: 'sequence after the last released record',
    },
    state: { at: 4, type: 'i32', writes: 'consumer; producer evicts; recover', reads: 'all', means: 'PlaceState' },
    policy: {
      at: 8, type: 'i32', writes: 'consumer, before state', reads: 'producer',
      means: 'Policy: what the producer does when this consumer is slow',
    },
    after: {
      at: 12, type: 'i32', writes: 'consumer, before state; who leaves clears its bit', reads: 'consumer',
      means: 'bit p: read only what place p has released',
    },
    thread: {
      at: 16, type: 'i32', writes: 'consumer, before state', reads: 'recover',
      means: 'threadId of the consumer, plus 1; 0 for nobody',
    },
    final: {
      at: 20, type: 'i32', writes: 'consumer, before phase', reads: 'all',
      means: 'where the ring ends, if this place has ended it',
    },
    evictAfterMs: {
      at: 28, type: 'i32', writes: 'consumer, before state', reads: 'producer',
      means: 'longest standstill of this consumer that a full ring puts up with',
    },
    taken: {
      at: 64, type: 'i32', writes: 'consumer', reads: 'recover',
      means: 'sequence after the last record given to a handler of drain',
    },
    highWater: {
      at: 68, type: 'i32', writes: 'consumer', reads: 'inspect',
      means: 'most units that it has found unread',
    },
    consumed: { at: 72, type: 'f64', writes: 'consumer', reads: 'inspect, producer', means: 'records released' },
    counted: {
      at: 80, type: 'i32', writes: 'consumer', reads: 'runtime, after its death',
      means: 'of a lane: sequence up to which its party has counted what it received',
    },
    lossyCursor: {
      at: 128, type: 'i32', writes: 'consumer and producer exchange', reads: 'both',
      means: 'cursor of a consumer that may be lapped; of variable records, bit 0: where a push has put it',
    },
    pushCursor: {
      at: 136, type: 'i32', count: 2, writes: 'producer', reads: 'consumer',
      means: 'where a push went to',
    },
    pushCount: {
      at: 144, type: 'i32', count: 2, writes: 'producer', reads: 'consumer',
      means: 'records lost by the pushes since the consumer moved its cursor',
    },
    droppedOldest: {
      at: 152, type: 'f64', writes: 'producer', reads: 'inspect',
      means: 'records overwritten unread, by its own choice',
    },
    droppedEvicted: {
      at: 160, type: 'f64', writes: 'producer', reads: 'inspect',
      means: 'records overwritten unread, after it was evicted',
    },
  },
} as const satisfies Structure;

/** One ring: a producer, one place or more. The other places and then the records follow the header. */
export const queueLayout = {
  name: 'Queue',
  bytes: 768,
  fields: {
    magic: {
      at: 0, type: 'i32', writes: 'creator, last', reads: 'all',
      means: 'QUEUE_MAGIC once the header is complete',
    },
    version: { at: 4, type: 'i32', writes: 'creator', reads: 'all', means: 'LAYOUT_VERSION' },
    capacity: {
      at: 8, type: 'i32', writes: 'creator', reads: 'all',
      means: 'records (fixed) or bytes (variable); a power of two',
    },
    recordBytes: {
      at: 12, type: 'i32', writes: 'creator', reads: 'all',
      means: 'bytes of one record; 0 when records vary',
    },
    startSequence: { at: 16, type: 'i32', writes: 'creator', reads: 'all', means: 'where both cursors began' },
    places: { at: 20, type: 'i32', writes: 'creator', reads: 'all', means: 'consumers it has room for' },
    kept: {
      at: 24, type: 'i32', writes: 'creator', reads: 'all',
      means: 'bit p: place p is declared and holds its records while nobody has it',
    },
    producerCursor: {
      at: 128, type: 'i32', writes: 'producer', reads: 'consumers',
      means: 'sequence after the last published record',
    },
    phase: {
      at: 132, type: 'i32', writes: 'producer', reads: 'both',
      means: 'exchanged once, by the producer or by a consumer at the end: OPEN 0, SEALED 1: no record will'
        + ' follow, ABANDONED 2: nobody reads any more, 16 + p: ended where place p says',
    },
    producerThread: {
      at: 136, type: 'i32', writes: 'producer', reads: 'recover',
      means: 'threadId of the producer, plus 1; 0 for nobody',
    },
    highWater: {
      at: 140, type: 'i32', writes: 'producer', reads: 'inspect',
      means: 'most units it has seen unread: the capacity once the ring was full',
    },
    publishedNs: {
      at: 144, type: 'f64', writes: 'producer', reads: 'consumer',
      means: 'of a lane, where figures are taken: when its records were published last, as its party knew the time',
    },
    sampledNs: {
      at: 152, type: 'f64', writes: 'producer', reads: 'consumer',
      means: 'of a lane: when the record before sampledAt was published; beside the cursor, which its consumer reads'
        + ' anyway',
    },
    sampledAt: {
      at: 160, type: 'i32', writes: 'producer', reads: 'consumer',
      means: 'of a lane: sequence behind the record whose way is measured',
    },
    published: { at: 192, type: 'f64', writes: 'producer', reads: 'inspect', means: 'records published' },
    refused: {
      at: 200, type: 'f64', writes: 'producer', reads: 'inspect',
      means: 'claims and offers answered BACK_PRESSURED',
    },
    droppedNewest: {
      at: 208, type: 'f64', writes: 'producer', reads: 'inspect',
      means: 'records not taken, by a consumer\'s choice',
    },
    droppedClosed: {
      at: 216, type: 'f64', writes: 'producer', reads: 'inspect',
      means: 'records committed that the close came before',
    },
    committed: {
      at: 224, type: 'i32', writes: 'producer', reads: 'runtime, after its death',
      means: 'of a lane: sequence up to which its party has counted what it sent',
    },
    attention: {
      at: 256, type: 'i32', writes: 'all, bit by bit', reads: 'all',
      means: 'CONSUMER_WAITS 1, PRODUCER_WAITS 2, FOLLOWER_WAITS 4, CLOSING 8',
    },
    recordsBell: {
      at: 384, type: 'i32', writes: 'who moves a cursor adds', reads: 'who waits for records',
      means: 'grows when somebody who waits should look again',
    },
    roomBell: {
      at: 388, type: 'i32', writes: 'who moves a cursor adds', reads: 'who waits for room',
      means: 'grows when somebody who waits should look again',
    },
    consumerCursor: {
      at: 512 + placeLayout.fields.cursor.at, type: 'i32', writes: 'consumer', reads: 'producer',
      means: 'cursor of the first place',
    },
    consumerState: {
      at: 512 + placeLayout.fields.state.at, type: 'i32', writes: 'consumer', reads: 'producer',
      means: 'state of the first place',
    },
  },
} as const satisfies Structure;

/** Where the first place begins; the next ones follow it. */
export const FIRST_PLACE_BYTES: number = queueLayout.bytes - placeLayout.bytes;

/**
 * What a queue of chunks adds to its Queue, behind it: the chunks' table and the chunks follow. Offsets count from its
 * own beginning.
 */
export const linkedLayout = {
  name: 'Linked',
  bytes: 256,
  fields: {
    magic: {
      at: 0, type: 'i32', writes: 'creator, last', reads: 'all',
      means: 'LINKED_MAGIC once the header is complete',
    },
    version: { at: 4, type: 'i32', writes: 'creator', reads: 'all', means: 'LAYOUT_VERSION' },
    chunkBytes: { at: 8, type: 'i32', writes: 'creator', reads: 'all', means: 'bytes of each chunk; a power of two' },
    mostChunks: {
      at: 12, type: 'i32', writes: 'creator', reads: 'all',
      means: 'chunks up to the cap; the table has the next power of two of words',
    },
    growthsRefused: {
      at: 128, type: 'f64', writes: 'producer', reads: 'inspect',
      means: 'times the system gave no memory for a chunk below the cap',
    },
  },
} as const satisfies Structure;

/** Several rings as one queue: the lanes of MPSC, the bands of a banded queue. The rings follow the header. */
export const groupLayout = {
  name: 'Group',
  bytes: 9216,
  fields: {
    magic: {
      at: 0, type: 'i32', writes: 'creator, last', reads: 'all',
      means: 'GROUP_MAGIC once the header is complete',
    },
    version: { at: 4, type: 'i32', writes: 'creator', reads: 'all', means: 'LAYOUT_VERSION' },
    rings: { at: 8, type: 'i32', writes: 'creator', reads: 'all', means: 'lanes or bands' },
    places: { at: 12, type: 'i32', writes: 'creator', reads: 'all', means: 'consumers it has room for' },
    isClosing: {
      at: 128, type: 'i32', writes: 'who closes', reads: 'who joins',
      means: '1: no producer may join any more',
    },
    lanesVersion: {
      at: 256, type: 'i32', writes: 'who joins, leaves or hands over adds', reads: 'consumers',
      means: 'grows when the lanes have a new owner or a first producer',
    },
    recordsBell: {
      at: 384, type: 'i32', writes: 'who publishes adds', reads: 'who waits for records',
      means: 'as in a ring, for all rings together',
    },
    ready: {
      at: 512, type: 'i32', writes: 'producer sets, consumer clears', reads: 'both',
      means: 'bit b: band b may hold records',
    },
    used: {
      at: 640, type: 'i32', writes: 'who joins raises', reads: 'consumers',
      means: 'lanes that ever had a producer',
    },
    placeThread: {
      at: 768, type: 'i32', count: 32, writes: 'consumer exchanges; recover', reads: 'recover',
      means: 'threadId of the consumer of each place, plus 1',
    },
    lane: {
      at: 1024, type: 'i32', count: 2048, writes: 'consumer exchanges; recover', reads: 'all',
      means: '32 words a lane, the first says its owner: place + 1, or 0 for nobody',
    },
  },
} as const satisfies Structure;

/** What the threads of one process know of a pipe: who has which end, and counts. The records are the kernel's. */
export const pipeLayout = {
  name: 'Pipe',
  bytes: 512,
  fields: {
    magic: {
      at: 0, type: 'i32', writes: 'creator, last', reads: 'all',
      means: 'PIPE_MAGIC once the block is complete',
    },
    version: { at: 4, type: 'i32', writes: 'creator', reads: 'all', means: 'LAYOUT_VERSION' },
    producerEnd: {
      at: 128, type: 'i32', writes: 'who takes or closes the end, by exchange', reads: 'all',
      means: 'PipeEndState: FREE 0, OPEN 1, CLOSED 2',
    },
    consumerEnd: {
      at: 132, type: 'i32', writes: 'who takes or closes the end, by exchange', reads: 'all',
      means: 'PipeEndState',
    },
    producerFd: {
      at: 256, type: 'i32', writes: 'creator, then producer', reads: 'all',
      means: 'descriptor of the writing end; -1: none yet',
    },
    isBroken: {
      at: 260, type: 'i32', writes: 'creator, then producer', reads: 'all',
      means: '1: the producer has seen that nobody reads',
    },
    producerInode: {
      at: 264, type: 'f64', writes: 'creator, then producer', reads: 'all',
      means: 'inode behind producerFd, to tell it from a number used again',
    },
    published: { at: 272, type: 'f64', writes: 'creator, then producer', reads: 'all', means: 'records accepted' },
    refused: {
      at: 280, type: 'f64', writes: 'creator, then producer', reads: 'all',
      means: 'offers answered BACK_PRESSURED',
    },
    droppedNewest: {
      at: 288, type: 'f64', writes: 'creator, then producer', reads: 'all',
      means: 'offers answered DROPPED',
    },
    droppedUnsent: {
      at: 296, type: 'f64', writes: 'creator, then producer', reads: 'all',
      means: 'records accepted and not handed to the kernel before the end',
    },
    producerHighWater: {
      at: 304, type: 'f64', writes: 'creator, then producer', reads: 'all',
      means: 'most bytes in the pipe that the producer has met',
    },
    consumerFd: {
      at: 384, type: 'i32', writes: 'creator, then consumer', reads: 'all',
      means: 'descriptor of the reading end; -1: none yet',
    },
    isEnded: {
      at: 388, type: 'i32', writes: 'creator, then consumer', reads: 'all',
      means: '1: the consumer has seen the end',
    },
    consumerInode: {
      at: 392, type: 'f64', writes: 'creator, then consumer', reads: 'all',
      means: 'inode behind consumerFd',
    },
    consumed: { at: 400, type: 'f64', writes: 'creator, then consumer', reads: 'all', means: 'records delivered' },
    droppedUnread: {
      at: 408, type: 'f64', writes: 'creator, then consumer', reads: 'all',
      means: 'records cut off by the end, and whole ones left when the consumer closed',
    },
    droppedTooLarge: {
      at: 416, type: 'f64', writes: 'creator, then consumer', reads: 'all',
      means: 'records longer than this reader takes',
    },
    consumerHighWater: {
      at: 424, type: 'f64', writes: 'creator, then consumer', reads: 'all',
      means: 'most bytes in the pipe that the consumer has met',
    },
  },
} as const satisfies Structure;
