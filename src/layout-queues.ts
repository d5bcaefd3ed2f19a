/** The tables of queues: rings, groups of rings, queues made of chunks, and pipes. See layout.ts. */
import type { Structure } from './layout-fields.js';

/**
 * One consumer's place in a ring: its cursor, and what the producer does when the consumer is slow. The first place
 * lies in the ring's header.
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
      at: 12, type: 'i32', writes: 'consumer, before state; a place that is left clears its bit', reads: 'consumer',
      means: 'bit p: read only what place p has already released',
    },
    thread: {
      at: 16, type: 'i32', writes: 'consumer, before state', reads: 'recover',
      means: 'threadId of the consumer, plus 1; 0 for nobody',
    },
    final: {
      at: 20, type: 'i32', writes: 'consumer, before phase', reads: 'all',
      means: 'where the ring ends, if this place ended it',
    },
    evictAfterMs: {
      at: 28, type: 'i32', writes: 'consumer, before state', reads: 'producer',
      means: 'how long a full ring waits for this consumer to move before it evicts it',
    },
    taken: {
      at: 64, type: 'i32', writes: 'consumer', reads: 'recover',
      means: 'sequence after the last record that drain gave to a handler',
    },
    highWater: {
      at: 68, type: 'i32', writes: 'consumer', reads: 'inspect',
      means: 'the most units that it has found unread',
    },
    consumed: { at: 72, type: 'f64', writes: 'consumer', reads: 'inspect, producer', means: 'records released' },
    counted: {
      at: 80, type: 'i32', writes: 'consumer', reads: 'runtime, after its death',
      means: 'lanes only: sequence up to which the party has counted what it received',
    },
    lossyCursor: {
      at: 128, type: 'i32', writes: 'consumer and producer exchange', reads: 'both',
      means: 'cursor of a consumer that may be lapped; with variable records, bit 0 says that a push moved it here',
    },
    pushCursor: {
      at: 136, type: 'i32', count: 2, writes: 'producer', reads: 'consumer',
      means: 'the cursor to which a push moved the consumer',
    },
    pushCount: {
      at: 144, type: 'i32', count: 2, writes: 'producer', reads: 'consumer',
      means: 'records lost to pushes since the consumer last moved its cursor',
    },
    droppedOldest: {
      at: 152, type: 'f64', writes: 'producer', reads: 'inspect',
      means: 'records overwritten unread because it chose drop-oldest',
    },
    droppedEvicted: {
      at: 160, type: 'f64', writes: 'producer', reads: 'inspect',
      means: 'records overwritten unread, after it was evicted',
    },
  },
} as const satisfies Structure;

/** One ring: a producer and one or more places. The other places follow the header, and then the records. */
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
      means: 'bit p: place p was declared, so records are kept for it while nobody has it',
    },
    producerCursor: {
      at: 128, type: 'i32', writes: 'producer', reads: 'consumers',
      means: 'sequence after the last published record; whoever waits for one, or closes, flips the top bit, so that'
        + ' the producer looks at attention when it publishes next (not in files, nor in lanes)',
    },
    phase: {
      at: 132, type: 'i32', writes: 'producer', reads: 'both',
      means: 'exchanged once, by the producer or by a consumer at the end. OPEN 0; SEALED 1: no record will'
        + ' follow; ABANDONED 2: nobody reads any longer; 16 + p: ended where place p says',
    },
    producerThread: {
      at: 136, type: 'i32', writes: 'producer', reads: 'recover',
      means: 'threadId of the producer, plus 1; 0 for nobody',
    },
    highWater: {
      at: 140, type: 'i32', writes: 'producer', reads: 'inspect',
      means: 'the most units that it has seen unread; the capacity once the ring was full',
    },
    publishedNs: {
      at: 144, type: 'f64', writes: 'producer', reads: 'consumer',
      means: 'lanes only, where figures are taken: when records were last published, by the clock of its party',
    },
    sampledNs: {
      at: 152, type: 'f64', writes: 'producer', reads: 'consumer',
      means: 'lanes only: when the record before sampledAt was published; it lies beside the cursor because the'
        + ' consumer reads that line anyway',
    },
    sampledAt: {
      at: 160, type: 'i32', writes: 'producer', reads: 'consumer',
      means: 'lanes only: sequence after the record whose transit time is measured',
    },
    published: { at: 192, type: 'f64', writes: 'producer', reads: 'inspect', means: 'records published' },
    refused: {
      at: 200, type: 'f64', writes: 'producer', reads: 'inspect',
      means: 'claims and offers answered BACK_PRESSURED',
    },
    droppedNewest: {
      at: 208, type: 'f64', writes: 'producer', reads: 'inspect',
      means: 'records not taken because a consumer chose drop-newest',
    },
    droppedClosed: {
      at: 216, type: 'f64', writes: 'producer', reads: 'inspect',
      means: 'records that were committed after the queue had been closed',
    },
    committed: {
      at: 224, type: 'i32', writes: 'producer', reads: 'runtime, after its death',
      means: 'lanes only: sequence up to which the party has counted what it sent',
    },
    attention: {
      at: 256, type: 'i32', writes: 'all, bit by bit', reads: 'all',
      means: 'CONSUMER_WAITS 1, PRODUCER_WAITS 2, FOLLOWER_WAITS 4, CLOSING 8',
    },
    recordsBell: {
      at: 384, type: 'i32', writes: 'whoever moves a cursor adds', reads: 'whoever waits for records',
      means: 'grows when those who wait should look again',
    },
    roomBell: {
      at: 388, type: 'i32', writes: 'whoever moves a cursor adds', reads: 'whoever waits for room',
      means: 'grows when those who wait should look again',
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

/** The offset of the first place; the others follow it. */
export const FIRST_PLACE_BYTES: number = queueLayout.bytes - placeLayout.bytes;

/**
 * What a queue made of chunks adds to its Queue. This structure follows the Queue; the table of chunks and the chunks
 * themselves follow this structure. Offsets count from its own beginning.
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
      means: 'the most chunks that it may have; the table has so many words, rounded up to a power of two',
    },
    growthsRefused: {
      at: 128, type: 'f64', writes: 'producer', reads: 'inspect',
      means: 'how often the system gave no memory for another chunk',
    },
  },
} as const satisfies Structure;

/** Several rings that make one queue: the lanes of MPSC, or the bands of a banded queue. They follow the header. */
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
      at: 128, type: 'i32', writes: 'whoever closes', reads: 'whoever joins',
      means: '1: no producer may join any longer',
    },
    lanesVersion: {
      at: 256, type: 'i32', writes: 'whoever joins, leaves or hands over adds', reads: 'consumers',
      means: 'grows when a lane gets a new owner or its first producer',
    },
    recordsBell: {
      at: 384, type: 'i32', writes: 'whoever publishes adds', reads: 'whoever waits for records',
      means: 'as in a ring, but for all rings together',
    },
    ready: {
      at: 512, type: 'i32', writes: 'producer sets, consumer clears', reads: 'both',
      means: 'bit b: band b may hold records',
    },
    used: {
      at: 640, type: 'i32', writes: 'whoever joins raises', reads: 'consumers',
      means: 'how many lanes have ever had a producer',
    },
    placeThread: {
      at: 768, type: 'i32', count: 32, writes: 'consumer exchanges; recover', reads: 'recover',
      means: 'threadId of the consumer of each place, plus 1',
    },
    lane: {
      at: 1024, type: 'i32', count: 2048, writes: 'consumer exchanges; recover', reads: 'all',
      means: '32 words for each lane; the first is its owner: place + 1, or 0 for nobody',
    },
  },
} as const satisfies Structure;

/** What the threads of one process share about a pipe: who has which end, and counters. The kernel has the records. */
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
      at: 128, type: 'i32', writes: 'whoever takes or closes the end, by exchange', reads: 'all',
      means: 'PipeEndState: FREE 0, OPEN 1, CLOSED 2',
    },
    consumerEnd: {
      at: 132, type: 'i32', writes: 'whoever takes or closes the end, by exchange', reads: 'all',
      means: 'PipeEndState',
    },
    producerFd: {
      at: 256, type: 'i32', writes: 'creator, then producer', reads: 'all',
      means: 'descriptor of the writing end; -1: none yet',
    },
    isBroken: {
      at: 260, type: 'i32', writes: 'creator, then producer', reads: 'all',
      means: '1: the producer has found that nobody reads',
    },
    producerInode: {
      at: 264, type: 'f64', writes: 'creator, then producer', reads: 'all',
      means: 'inode behind producerFd, to notice that the number was reused',
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
      means: 'records accepted but not handed to the kernel before the end',
    },
    producerHighWater: {
      at: 304, type: 'f64', writes: 'creator, then producer', reads: 'all',
      means: 'the most bytes that the producer has found in the pipe',
    },
    consumerFd: {
      at: 384, type: 'i32', writes: 'creator, then consumer', reads: 'all',
      means: 'descriptor of the reading end; -1: none yet',
    },
    isEnded: {
      at: 388, type: 'i32', writes: 'creator, then consumer', reads: 'all',
      means: '1: the consumer has reached the end',
    },
    consumerInode: {
      at: 392, type: 'f64', writes: 'creator, then consumer', reads: 'all',
      means: 'inode behind consumerFd',
    },
    consumed: { at: 400, type: 'f64', writes: 'creator, then consumer', reads: 'all', means: 'records delivered' },
    droppedUnread: {
      at: 408, type: 'f64', writes: 'creator, then consumer', reads: 'all',
      means: 'records cut off by the end, and whole records left unread when the consumer closed',
    },
    droppedTooLarge: {
      at: 416, type: 'f64', writes: 'creator, then consumer', reads: 'all',
      means: 'records longer than this reader takes',
    },
    consumerHighWater: {
      at: 424, type: 'f64', writes: 'creator, then consumer', reads: 'all',
      means: 'the most bytes that the consumer has found in the pipe',
    },
  },
} as const satisfies Structure;
