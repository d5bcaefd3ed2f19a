/**
 * The one table of every shared word: field, type, offset, who writes, who reads, what it means. Data, no logic.
 * `native/layout.h` is generated from it and carries the same hash, which `native.ts` compares at load, so the two
 * languages cannot drift. No offset is typed anywhere else.
 *
 * Words that different threads write lie 128 bytes apart, because processors fetch lines of 64 bytes in pairs.
 * Every structure starts with magic and version; every reserved byte is zero.
 *
 *   Queue   | header 0 | producer's line 128, its counts 192 | attention 256 | bells 384 | place 0 512 | (place 1 768 ...) | records 768 ...
 *   Place   | consumer's line 0, its counts 64 | producer's line 128
 *   Linked  | Queue | header 768 | producer's line 896 | chunks' table 1024 ... | chunk 0 | chunk 1 | ...   (the chunks come as they are needed)
 *   Group   | header 0 | closing 128 | lanes' version 256 | bell 384 | ready 512 | used 640 | places 768 | lanes 1024 | Queue | Queue | ...
 *   Party   | header 0 | attention 128 | yield 256 | stop 384 | lanes 512 | settings 640 | phase 768 | counters 896 ...
 *   Inbox   | Party | lanesMadeBy[parties], 128 bytes each | lane 0 | lane 1 | ...      (one a party; its lanes inward)
 *   Runtime | header 0 | deaths 128 | isDead[parties] 256 ... | bucketOwner[1024] ...
 *   Pipe    | header 0 | who has which end 128 | producer's line 256 | consumer's line 384 |
 *   UserReadiness | header 0 | bits 128 | closed 256 |
 */

export type WordType = 'i32' | 'f64';

export interface Field {
  readonly at: number;
  readonly type: WordType;
  /** How many of `type` lie here; 1 where it is missing. */
  readonly count?: number;
  readonly writes: string;
  readonly reads: string;
  readonly means: string;
  /** Where operators find it in `runtime.status()`, as 'turns' or 'io.receives': see figures.ts. Left out: nowhere. */
  readonly status?: string;
  /** Of a word with `status`. */
  readonly unit?: Unit;
  /** Of a word with `status`: it says how much there is now. Left out: it counts from 0 and only grows. */
  readonly isGauge?: true;
}

export type Unit = 'count' | 'bytes' | 'ns';

export interface Structure {
  readonly name: string;
  readonly bytes: number;
  readonly fields: Readonly<Record<string, Field>>;
}

/** Bytes between two words that different threads write. */
export const LINE_BYTES = 128;
/** Bands, 0 low to 7 high. */
export const BANDS = 8;
/**
 * Lanes of each ordered pair of parties: eight forward, one a band, and eight for returns (answers, results), so that what comes back
 * never waits behind what goes out. Work may wait for room in a return lane; who reads a return lane waits for nothing: no cycle.
 */
export const LANES_PER_PEER = 16;
/** Return lane of band b: RETURN_LANES + b. */
export const RETURN_LANES = 8;
/** Keys that hash together; each bucket has one owner at a time. */
export const BUCKETS = 1024;
/** Most reactors of one runtime; the main thread is one party more. */
export const MAX_REACTORS = 255;
export const MAX_PARTIES = 256;
/** Most consumers of one queue: they fit the bits of a word. */
export const MAX_CONSUMERS = 32;
/** Most producers of one MPSC queue: lanes that its group has words for. */
export const MAX_PRODUCERS = 64;
/** Words of each lane in a group. */
export const LANE_WORDS = LINE_BYTES >> 2;

/** Timer records in one piece of memory. */
export const TIMERS_PER_CHUNK = 16_384;

export const QUEUE_MAGIC = 0x50435131;
export const GROUP_MAGIC = 0x50434734;
export const LINKED_MAGIC = 0x50434c35;
export const PARTY_MAGIC = 0x50435032;
export const RUNTIME_MAGIC = 0x50435233;
export const PIPE_MAGIC = 0x50435033;
export const READINESS_MAGIC = 0x50435235;
export const LAYOUT_VERSION = 2;

/** Datagrams of one recvmmsg or sendmmsg. */
export const DATAGRAM_BATCH = 64;
/** Addresses that one datagram socket keeps by number. */
export const MOST_KEPT_PEERS = 65_536;

/** One consumer's place in a ring: its cursor, and what the producer does when it is slow. The first lies in the ring's header. */
export const placeLayout = {
  name: 'Place',
  bytes: 256,
  fields: {
    cursor: { at: 0, type: 'i32', writes: 'consumer', reads: 'producer', means: 'sequence after the last released record' },
    state: { at: 4, type: 'i32', writes: 'consumer; producer evicts; recover', reads: 'all', means: 'PlaceState' },
    policy: { at: 8, type: 'i32', writes: 'consumer, before state', reads: 'producer', means: 'Policy: what the producer does when this consumer is slow' },
    after: { at: 12, type: 'i32', writes: 'consumer, before state; who leaves clears its bit', reads: 'consumer', means: 'bit p: read only what place p has released' },
    thread: { at: 16, type: 'i32', writes: 'consumer, before state', reads: 'recover', means: 'threadId of the consumer, plus 1; 0 for nobody' },
    final: { at: 20, type: 'i32', writes: 'consumer, before phase', reads: 'all', means: 'where the ring ends, if this place has ended it' },
    evictAfterMs: { at: 28, type: 'i32', writes: 'consumer, before state', reads: 'producer', means: 'longest standstill of this consumer that a full ring puts up with' },
    taken: { at: 64, type: 'i32', writes: 'consumer', reads: 'recover', means: 'sequence after the last record given to a handler of drain' },
    highWater: { at: 68, type: 'i32', writes: 'consumer', reads: 'inspect', means: 'most units that it has found unread' },
    consumed: { at: 72, type: 'f64', writes: 'consumer', reads: 'inspect, producer', means: 'records released' },
    lossyCursor: { at: 128, type: 'i32', writes: 'consumer and producer exchange', reads: 'both', means: 'cursor of a consumer that may be lapped; of variable records, bit 0: where a push has put it' },
    pushCursor: { at: 136, type: 'i32', count: 2, writes: 'producer', reads: 'consumer', means: 'where a push went to' },
    pushCount: { at: 144, type: 'i32', count: 2, writes: 'producer', reads: 'consumer', means: 'records lost by the pushes since the consumer moved its cursor' },
    droppedOldest: { at: 152, type: 'f64', writes: 'producer', reads: 'inspect', means: 'records overwritten unread, by its own choice' },
    droppedEvicted: { at: 160, type: 'f64', writes: 'producer', reads: 'inspect', means: 'records overwritten unread, after it was evicted' },
  },
} as const satisfies Structure;

/** One ring: a producer, one place or more. The other places and then the records follow the header. */
export const queueLayout = {
  name: 'Queue',
  bytes: 768,
  fields: {
    magic: { at: 0, type: 'i32', writes: 'creator, last', reads: 'all', means: 'QUEUE_MAGIC once the header is complete' },
    version: { at: 4, type: 'i32', writes: 'creator', reads: 'all', means: 'LAYOUT_VERSION' },
    capacity: { at: 8, type: 'i32', writes: 'creator', reads: 'all', means: 'records (fixed) or bytes (variable); a power of two' },
    recordBytes: { at: 12, type: 'i32', writes: 'creator', reads: 'all', means: 'bytes of one record; 0 when records vary' },
    startSequence: { at: 16, type: 'i32', writes: 'creator', reads: 'all', means: 'where both cursors began' },
    places: { at: 20, type: 'i32', writes: 'creator', reads: 'all', means: 'consumers it has room for' },
    kept: { at: 24, type: 'i32', writes: 'creator', reads: 'all', means: 'bit p: place p is declared and holds its records while nobody has it' },
    producerCursor: { at: 128, type: 'i32', writes: 'producer', reads: 'consumers', means: 'sequence after the last published record' },
    phase: { at: 132, type: 'i32', writes: 'producer', reads: 'both', means: 'exchanged once, by the producer or by a consumer at the end: OPEN 0, SEALED 1: no record will follow, ABANDONED 2: nobody reads any more, 16 + p: ended where place p says' },
    producerThread: { at: 136, type: 'i32', writes: 'producer', reads: 'recover', means: 'threadId of the producer, plus 1; 0 for nobody' },
    highWater: { at: 140, type: 'i32', writes: 'producer', reads: 'inspect', means: 'most units it has seen unread: the capacity once the ring was full' },
    published: { at: 192, type: 'f64', writes: 'producer', reads: 'inspect', means: 'records published' },
    refused: { at: 200, type: 'f64', writes: 'producer', reads: 'inspect', means: 'claims and offers answered BACK_PRESSURED' },
    droppedNewest: { at: 208, type: 'f64', writes: 'producer', reads: 'inspect', means: 'records not taken, by a consumer\'s choice' },
    droppedClosed: { at: 216, type: 'f64', writes: 'producer', reads: 'inspect', means: 'records committed that the close came before' },
    attention: { at: 256, type: 'i32', writes: 'all, bit by bit', reads: 'all', means: 'CONSUMER_WAITS 1, PRODUCER_WAITS 2, FOLLOWER_WAITS 4, CLOSING 8' },
    recordsBell: { at: 384, type: 'i32', writes: 'who moves a cursor adds', reads: 'who waits for records', means: 'grows when somebody who waits should look again' },
    roomBell: { at: 388, type: 'i32', writes: 'who moves a cursor adds', reads: 'who waits for space', means: 'grows when somebody who waits should look again' },
    consumerCursor: { at: 512 + placeLayout.fields.cursor.at, type: 'i32', writes: 'consumer', reads: 'producer', means: 'cursor of the first place' },
    consumerState: { at: 512 + placeLayout.fields.state.at, type: 'i32', writes: 'consumer', reads: 'producer', means: 'state of the first place' },
  },
} as const satisfies Structure;
/** Where the first place begins; the next ones follow it. */
export const FIRST_PLACE_BYTES = queueLayout.bytes - placeLayout.bytes;

/** What a queue of chunks adds to its Queue, behind it: the chunks' table and the chunks follow. Offsets count from its own beginning. */
export const linkedLayout = {
  name: 'Linked',
  bytes: 256,
  fields: {
    magic: { at: 0, type: 'i32', writes: 'creator, last', reads: 'all', means: 'LINKED_MAGIC once the header is complete' },
    version: { at: 4, type: 'i32', writes: 'creator', reads: 'all', means: 'LAYOUT_VERSION' },
    chunkBytes: { at: 8, type: 'i32', writes: 'creator', reads: 'all', means: 'bytes of each chunk; a power of two' },
    mostChunks: { at: 12, type: 'i32', writes: 'creator', reads: 'all', means: 'chunks up to the cap; the table has the next power of two of words' },
    growthsRefused: { at: 128, type: 'f64', writes: 'producer', reads: 'inspect', means: 'times the system gave no memory for a chunk below the cap' },
  },
} as const satisfies Structure;

/** Several rings as one queue: the lanes of MPSC, the bands of a banded queue. The rings follow the header. */
export const groupLayout = {
  name: 'Group',
  bytes: 9216,
  fields: {
    magic: { at: 0, type: 'i32', writes: 'creator, last', reads: 'all', means: 'GROUP_MAGIC once the header is complete' },
    version: { at: 4, type: 'i32', writes: 'creator', reads: 'all', means: 'LAYOUT_VERSION' },
    rings: { at: 8, type: 'i32', writes: 'creator', reads: 'all', means: 'lanes or bands' },
    places: { at: 12, type: 'i32', writes: 'creator', reads: 'all', means: 'consumers it has room for' },
    isClosing: { at: 128, type: 'i32', writes: 'who closes', reads: 'who joins', means: '1: no producer may join any more' },
    lanesVersion: { at: 256, type: 'i32', writes: 'who joins, leaves or hands over adds', reads: 'consumers', means: 'grows when the lanes have a new owner or a first producer' },
    recordsBell: { at: 384, type: 'i32', writes: 'who publishes adds', reads: 'who waits for records', means: 'as in a ring, for all rings together' },
    ready: { at: 512, type: 'i32', writes: 'producer sets, consumer clears', reads: 'both', means: 'bit b: band b may hold records' },
    used: { at: 640, type: 'i32', writes: 'who joins raises', reads: 'consumers', means: 'lanes that ever had a producer' },
    placeThread: { at: 768, type: 'i32', count: 32, writes: 'consumer exchanges; recover', reads: 'recover', means: 'threadId of the consumer of each place, plus 1' },
    lane: { at: 1024, type: 'i32', count: 2048, writes: 'consumer exchanges; recover', reads: 'all', means: '32 words a lane, the first says its owner: place + 1, or 0 for nobody' },
  },
} as const satisfies Structure;

/** What the streams and listeners of one Io count. In a reactor it is a part of its Party; elsewhere, memory of its own. */
export const ioCountersLayout = {
  name: 'IoCounters',
  bytes: 72,
  fields: {
    receives: { at: 0, type: 'f64', writes: 'native', reads: 'all', means: 'arrivals delivered from streams', status: 'io.receives', unit: 'count' },
    sends: { at: 8, type: 'f64', writes: 'native', reads: 'all', means: 'sends on streams asked of the kernel', status: 'io.sends', unit: 'count' },
    accepts: { at: 16, type: 'f64', writes: 'native', reads: 'all', means: 'connections accepted', status: 'io.accepts', unit: 'count' },
    poolWaits: { at: 24, type: 'f64', writes: 'native', reads: 'all', means: 'times that an arrival waited, since no buffer was free', status: 'io.poolWaits', unit: 'count' },
    bytesReceived: { at: 32, type: 'f64', writes: 'native', reads: 'all', means: 'bytes received from streams', status: 'io.bytesReceived', unit: 'bytes' },
    bytesSent: { at: 40, type: 'f64', writes: 'native', reads: 'all', means: 'bytes of streams that the kernel has taken', status: 'io.bytesSent', unit: 'bytes' },
    connections: { at: 48, type: 'f64', writes: 'native', reads: 'all', means: 'streams that are open', status: 'io.connections', unit: 'count', isGauge: true },
    shed: { at: 56, type: 'f64', writes: 'native', reads: 'all', means: 'connections that listeners closed at once, since there was no descriptor for them', status: 'io.shed', unit: 'count' },
    refused: { at: 64, type: 'f64', writes: 'io', reads: 'all', means: 'offers that streams, pipes and sockets answered with BACK_PRESSURED', status: 'io.refused', unit: 'count' },
  },
} as const satisfies Structure;

/** What the timers of one thread count. In a reactor it is a part of its Party; elsewhere, memory of its own. */
export const timerCountersLayout = {
  name: 'TimerCounters',
  bytes: 24,
  fields: {
    live: { at: 0, type: 'f64', writes: 'timers', reads: 'all', means: 'timers that have not fired for the last time', status: 'timers.live', unit: 'count', isGauge: true },
    fired: { at: 8, type: 'f64', writes: 'timers', reads: 'all', means: 'callbacks run', status: 'timers.fired', unit: 'count' },
    late: { at: 16, type: 'f64', writes: 'timers', reads: 'all', means: 'callbacks run a millisecond or more after their deadline', status: 'timers.late', unit: 'count' },
  },
} as const satisfies Structure;

/** What one party (a reactor, or the main thread) shows to the others. Its inbox begins with it. */
export const partyLayout = {
  name: 'Party',
  bytes: 1280,
  fields: {
    magic: { at: 0, type: 'i32', writes: 'runtime, last', reads: 'all', means: 'PARTY_MAGIC once the block is complete' },
    version: { at: 4, type: 'i32', writes: 'runtime', reads: 'all', means: 'LAYOUT_VERSION' },
    id: { at: 8, type: 'i32', writes: 'runtime', reads: 'all', means: 'number of the party; the main thread comes last' },
    parties: { at: 12, type: 'i32', writes: 'runtime', reads: 'all', means: 'reactors and the main thread' },
    laneBytes: { at: 16, type: 'i32', writes: 'runtime', reads: 'all', means: 'bytes of records in each lane' },
    isCpuShared: { at: 20, type: 'i32', writes: 'runtime', reads: 'owner', means: '1: another working thread has this party\'s CPU, so it never spins' },
    attention: { at: 128, type: 'i32', writes: 'owner; a waker swaps PARKED for AWAKE', reads: 'all', means: 'PARKED -1, the band that is running 0 to 7, or AWAKE 8' },
    yieldRequested: { at: 256, type: 'i32', writes: 'all set, owner clears', reads: 'owner', means: '1: look at the sources before the next step' },
    stop: { at: 384, type: 'i32', writes: 'runtime', reads: 'owner', means: 'StopWord: RUN 0, DRAIN 1, LEAVE 2' },
    lanesVersion: { at: 512, type: 'i32', writes: 'any producer adds', reads: 'owner', means: 'grows with each lane made towards this party' },
    idleStrategy: { at: 640, type: 'i32', writes: 'runtime or owner', reads: 'owner', means: 'IdleStrategy code' },
    spinNs: { at: 644, type: 'i32', writes: 'runtime or owner', reads: 'owner', means: 'longest spin before parking, nanoseconds' },
    ioIntervalNs: { at: 648, type: 'i32', writes: 'runtime or owner', reads: 'owner', means: 'return to libuv at the latest after this, nanoseconds' },
    phase: { at: 768, type: 'i32', writes: 'owner', reads: 'runtime', means: 'Phase: STARTING 0, READY 1, DRAINING 2, QUIET 3, LEFT 4' },
    turns: { at: 896, type: 'f64', writes: 'owner', reads: 'runtime', means: 'calls into JavaScript', status: 'turns', unit: 'count' },
    parks: { at: 904, type: 'f64', writes: 'owner', reads: 'runtime', means: 'times it slept', status: 'parks', unit: 'count' },
    wakes: { at: 912, type: 'f64', writes: 'owner', reads: 'runtime', means: 'wake-ups by an eventfd that it has seen', status: 'wakes', unit: 'count' },
    busyNs: { at: 920, type: 'f64', writes: 'owner', reads: 'runtime', means: 'time inside turns', status: 'busyNs', unit: 'ns' },
    turnNs: { at: 928, type: 'f64', writes: 'owner', reads: 'owner', means: 'start of the present turn, nanoseconds since the runtime began' },
    steps: { at: 936, type: 'f64', count: 8, writes: 'owner', reads: 'runtime', means: 'steps run in each band, 0 to 7', status: 'steps', unit: 'count' },
    stepErrors: { at: 1000, type: 'f64', writes: 'owner', reads: 'runtime', means: 'steps that threw', status: 'stepErrors', unit: 'count' },
    sent: { at: 1008, type: 'f64', writes: 'owner', reads: 'runtime', means: 'records committed to lanes', status: 'sent', unit: 'count' },
    received: { at: 1016, type: 'f64', writes: 'owner', reads: 'runtime', means: 'records taken from lanes', status: 'received', unit: 'count' },
    refused: { at: 1024, type: 'f64', writes: 'owner', reads: 'runtime', means: 'sends and calls of it that a lane has not taken, for whatever reason', status: 'refused', unit: 'count' },
    dropped: { at: 1032, type: 'f64', writes: 'owner', reads: 'runtime', means: 'messages that reached nobody here, for whatever reason', status: 'dropped', unit: 'count' },
    callsInFlight: { at: 1040, type: 'f64', writes: 'owner', reads: 'runtime', means: 'calls of it without an answer yet', status: 'callsInFlight', unit: 'count', isGauge: true },
    libuvTurns: { at: 1048, type: 'f64', writes: 'owner', reads: 'runtime', means: 'passes of libuv', status: 'libuvTurns', unit: 'count' },
    droppedNoTask: { at: 1056, type: 'f64', writes: 'owner', reads: 'runtime', means: 'messages for a name that no task here has', status: 'droppedByReason.noTask', unit: 'count' },
    droppedNotBytes: { at: 1064, type: 'f64', writes: 'owner', reads: 'runtime', means: 'values for a task that takes bytes', status: 'droppedByReason.notBytes', unit: 'count' },
    droppedLateCalls: { at: 1072, type: 'f64', writes: 'owner', reads: 'runtime', means: 'calls that nobody waited for any more when their turn came', status: 'droppedByReason.lateCalls', unit: 'count' },
    droppedLateAnswers: { at: 1080, type: 'f64', writes: 'owner', reads: 'runtime', means: 'answers to calls that had been given up', status: 'droppedByReason.lateAnswers', unit: 'count' },
    waitingBytes: { at: 1088, type: 'f64', writes: 'owner', reads: 'runtime', means: 'calls and answers of it that wait for room in a lane', status: 'waitingBytes', unit: 'bytes', isGauge: true },
    refusedNoRoom: { at: 1096, type: 'f64', writes: 'owner', reads: 'runtime', means: 'refused with BACK_PRESSURED: the lane is full, or others wait for room in it', status: 'refusedByReason.noRoom', unit: 'count' },
    refusedClosed: { at: 1104, type: 'f64', writes: 'owner', reads: 'runtime', means: 'refused with CLOSED: the receiver has died', status: 'refusedByReason.closed', unit: 'count' },
    refusedTooLarge: { at: 1112, type: 'f64', writes: 'owner', reads: 'runtime', means: 'refused with TOO_LARGE: it would never fit into the lane', status: 'refusedByReason.tooLarge', unit: 'count' },
    taskDepth: { at: 1120, type: 'f64', writes: 'owner', reads: 'runtime', means: 'messages of its own thread that wait in the mailboxes of its tasks, as of a millisecond ago', status: 'taskDepth', unit: 'count', isGauge: true },
    timers: { at: 1128, type: 'f64', count: timerCountersLayout.bytes >> 3, writes: 'owner', reads: 'runtime', means: 'TimerCounters' },
    io: { at: 1152, type: 'f64', count: ioCountersLayout.bytes >> 3, writes: 'owner', reads: 'runtime', means: 'IoCounters' },
  },
} as const satisfies Structure;

/** What concerns all parties. */
export const runtimeLayout = {
  name: 'Runtime',
  bytes: 5504,
  fields: {
    magic: { at: 0, type: 'i32', writes: 'runtime, last', reads: 'all', means: 'RUNTIME_MAGIC once the block is complete' },
    version: { at: 4, type: 'i32', writes: 'runtime', reads: 'all', means: 'LAYOUT_VERSION' },
    parties: { at: 8, type: 'i32', writes: 'runtime', reads: 'all', means: 'reactors and the main thread' },
    deaths: { at: 128, type: 'i32', writes: 'runtime adds', reads: 'all', means: 'grows after each worker exit; then look at isDead' },
    isDead: { at: 256, type: 'i32', count: 256, writes: 'runtime', reads: 'all', means: '1 from the worker exit event on' },
    bucketOwner: { at: 1408, type: 'i32', count: 1024, writes: 'runtime', reads: 'all', means: 'the reactor that owns the bucket' },
  },
} as const satisfies Structure;

/** What native hands to JavaScript in one turn: one thread, so plain words. Lanes, then timers. */
export const deliveryLayout = {
  name: 'Delivery',
  bytes: 36928,
  fields: {
    lanes: { at: 0, type: 'i32', writes: 'native', reads: 'turn', means: 'ready lanes that follow' },
    timers: { at: 4, type: 'i32', writes: 'native', reads: 'turn', means: 'expired timers that follow' },
    stop: { at: 12, type: 'i32', writes: 'native', reads: 'turn', means: 'the stop word as seen' },
    hasMore: { at: 16, type: 'i32', writes: 'turn', reads: 'native', means: '1: tasks are ready, come back without sleeping' },
    timerRequests: { at: 20, type: 'i32', writes: 'both', reads: 'both', means: 'requests waiting in TimerRequests' },
    isSummoned: { at: 24, type: 'i32', writes: 'both', reads: 'turn', means: '1: yieldRequested was seen and cleared' },
    lane: { at: 64, type: 'i32', count: 4096, writes: 'native', reads: 'turn', means: 'lane numbers' },
    timer: { at: 16448, type: 'i32', count: 1024, writes: 'native', reads: 'turn', means: 'timer ids' },
    isMuted: { at: 20544, type: 'i32', count: 4096, writes: 'turn', reads: 'native', means: '1: records of this lane wait for room elsewhere, do not report it' },
  },
} as const satisfies Structure;

/**
 * What a thread's I/O source and its JavaScript tell each other: one thread, so plain words. Events go up, four words each: token, kind,
 * value, place. Requests go down, four words each: kind, token, and two of its own.
 */
export const ioBlockLayout = {
  name: 'IoBlock',
  bytes: 43072,
  fields: {
    events: { at: 0, type: 'i32', writes: 'both', reads: 'both', means: 'events that follow' },
    requests: { at: 4, type: 'i32', writes: 'both', reads: 'both', means: 'requests that follow' },
    released: { at: 8, type: 'i32', writes: 'both', reads: 'both', means: 'buffers given back that follow' },
    unsent: { at: 12, type: 'i32', writes: 'both', reads: 'both', means: 'events UNSENT that JavaScript has not seen; until then no request is looked at' },
    drains: { at: 16, type: 'i32', writes: 'native', reads: 'io', means: 'times that requests were taken; its lowest bit says which half of the outbox is free' },
    bufferBits: { at: 20, type: 'i32', writes: 'native', reads: 'io', means: 'a buffer of the pool is 2^bufferBits bytes' },
    hasMore: { at: 24, type: 'i32', writes: 'io', reads: 'native', means: '1: tasks are ready, come back without sleeping; of I/O that no reactor drives' },
    event: { at: 64, type: 'i32', count: 8192, writes: 'native', reads: 'io', means: 'token, IoEvent, value, place' },
    request: { at: 32832, type: 'i32', count: 2048, writes: 'io', reads: 'native', means: 'IoRequest, token, and two words of its own' },
    releasedBuffer: { at: 41024, type: 'i32', count: 256, writes: 'io', reads: 'native', means: 'numbers of buffers that nobody uses any more' },
    bufferUsers: { at: 42048, type: 'i32', count: 256, writes: 'both', reads: 'both', means: 'arrivals that lie in each buffer' },
  },
} as const satisfies Structure;

/** Requests to the wheel, gathered by JavaScript and drained by the next poll. Pairs: id, deadline (negative: disarm). */
export const timerRequestsLayout = {
  name: 'TimerRequests',
  bytes: 16384,
  fields: {
    pair: { at: 0, type: 'f64', count: 2048, writes: 'turn', reads: 'native', means: 'id, deadline in nanoseconds; a negative deadline disarms' },
  },
} as const satisfies Structure;

/** What the threads of one process know of a pipe: who has which end, and counts. The records are the kernel's. */
export const pipeLayout = {
  name: 'Pipe',
  bytes: 512,
  fields: {
    magic: { at: 0, type: 'i32', writes: 'creator, last', reads: 'all', means: 'PIPE_MAGIC once the block is complete' },
    version: { at: 4, type: 'i32', writes: 'creator', reads: 'all', means: 'LAYOUT_VERSION' },
    producerEnd: { at: 128, type: 'i32', writes: 'who takes or closes the end, by exchange', reads: 'all', means: 'PipeEndState: FREE 0, OPEN 1, CLOSED 2' },
    consumerEnd: { at: 132, type: 'i32', writes: 'who takes or closes the end, by exchange', reads: 'all', means: 'PipeEndState' },
    producerFd: { at: 256, type: 'i32', writes: 'creator, then producer', reads: 'all', means: 'descriptor of the writing end; -1: none yet' },
    isBroken: { at: 260, type: 'i32', writes: 'creator, then producer', reads: 'all', means: '1: the producer has seen that nobody reads' },
    producerInode: { at: 264, type: 'f64', writes: 'creator, then producer', reads: 'all', means: 'inode behind producerFd, to tell it from a number used again' },
    published: { at: 272, type: 'f64', writes: 'creator, then producer', reads: 'all', means: 'records accepted' },
    refused: { at: 280, type: 'f64', writes: 'creator, then producer', reads: 'all', means: 'offers answered BACK_PRESSURED' },
    droppedNewest: { at: 288, type: 'f64', writes: 'creator, then producer', reads: 'all', means: 'offers answered DROPPED' },
    droppedUnsent: { at: 296, type: 'f64', writes: 'creator, then producer', reads: 'all', means: 'records accepted and not handed to the kernel before the end' },
    producerHighWater: { at: 304, type: 'f64', writes: 'creator, then producer', reads: 'all', means: 'most bytes in the pipe that the producer has met' },
    consumerFd: { at: 384, type: 'i32', writes: 'creator, then consumer', reads: 'all', means: 'descriptor of the reading end; -1: none yet' },
    isEnded: { at: 388, type: 'i32', writes: 'creator, then consumer', reads: 'all', means: '1: the consumer has seen the end' },
    consumerInode: { at: 392, type: 'f64', writes: 'creator, then consumer', reads: 'all', means: 'inode behind consumerFd' },
    consumed: { at: 400, type: 'f64', writes: 'creator, then consumer', reads: 'all', means: 'records delivered' },
    droppedUnread: { at: 408, type: 'f64', writes: 'creator, then consumer', reads: 'all', means: 'records cut off by the end, and whole ones left when the consumer closed' },
    droppedTooLarge: { at: 416, type: 'f64', writes: 'creator, then consumer', reads: 'all', means: 'records longer than this reader takes' },
    consumerHighWater: { at: 424, type: 'f64', writes: 'creator, then consumer', reads: 'all', means: 'most bytes in the pipe that the consumer has met' },
  },
} as const satisfies Structure;

/** One timer, two to a cache line: what the wheel keeps of it and what JavaScript keeps of it. One thread's. All zero: never used. */
export const timerRecordLayout = {
  name: 'TimerRecord',
  bytes: 32,
  fields: {
    wheel: { at: 0, type: 'i32', count: 5, writes: 'native', reads: 'native', means: 'the wheel\'s own: deadline, links, order' },
    meta: { at: 20, type: 'i32', writes: 'timers', reads: 'timers', means: 'generation, state and band: see timer-table.ts' },
    deadlineNs: { at: 24, type: 'f64', writes: 'timers', reads: 'timers', means: 'when it is due, as last asked for' },
  },
} as const satisfies Structure;

/** One datagram of a batch. One thread's. */
export const datagramEntryLayout = {
  name: 'DatagramEntry',
  bytes: 16,
  fields: {
    offset: { at: 0, type: 'i32', writes: 'native when receiving, socket when sending', reads: 'the other', means: 'first byte in the region' },
    length: { at: 4, type: 'i32', writes: 'native when receiving, socket when sending', reads: 'the other', means: 'bytes' },
    peer: { at: 8, type: 'i32', writes: 'both', reads: 'both', means: 'slot of the batch 0 to 63, or DatagramPeer' },
    cutBytes: { at: 12, type: 'i32', writes: 'native', reads: 'socket', means: 'bytes of the datagram that had no room in its slot' },
  },
} as const satisfies Structure;

/** Readiness of user space: bits that any thread sets and one takes. */
export const readinessLayout = {
  name: 'UserReadiness',
  bytes: 384,
  fields: {
    magic: { at: 0, type: 'i32', writes: 'creator, last', reads: 'all', means: 'READINESS_MAGIC once the block is complete' },
    version: { at: 4, type: 'i32', writes: 'creator', reads: 'all', means: 'LAYOUT_VERSION' },
    bits: { at: 128, type: 'i32', writes: 'setters or, the receiver exchanges 0', reads: 'both', means: 'what was set and is not taken yet' },
    isClosed: { at: 256, type: 'i32', writes: 'creator', reads: 'all', means: '1: the eventfd is closed, set answers CLOSED' },
  },
} as const satisfies Structure;

export const structures: readonly Structure[] = [placeLayout, queueLayout, linkedLayout, groupLayout, ioCountersLayout, timerCountersLayout, partyLayout, runtimeLayout, deliveryLayout, ioBlockLayout, timerRequestsLayout, timerRecordLayout, pipeLayout, datagramEntryLayout, readinessLayout];

/** Values of shared words that both languages name. */
export const words = {
  attention: { PARKED: -1, AWAKE: 8 },
  stop: { RUN: 0, DRAIN: 1, LEAVE: 2 },
  phase: { STARTING: 0, READY: 1, DRAINING: 2, QUIET: 3, LEFT: 4 },
  idleStrategy: { SPIN: 0, BACKOFF: 1, PARK: 2, ADAPTIVE: 3 },
  readiness: { READABLE: 1, WRITABLE: 2, READ_CLOSED: 4, HANG_UP: 8, ERROR: 16, PRIORITY: 32 },
  interest: { READABLE: 1, WRITABLE: 2, PRIORITY: 4, LEVEL: 8, ONESHOT: 16 },
  ioKind: { READINESS: 0, STREAM: 1, CONNECTING: 2, LISTENER: 3 },
  ioEvent: { READINESS: 0, RECEIVED: 1, ENDED: 2, FAILED: 3, ACCEPTED: 4, UNSENT: 5, SEND_FAILED: 6 },
  ioRequest: { SEND: 0, RECEIVE: 1, PAUSE: 2, END: 3, CLOSE: 4 },
  datagramPeer: { CONNECTED: -1, HELD: 64, KEPT: 128 },
  pipeEndState: { FREE: 0, OPEN: 1, CLOSED: 2 },
  descriptorWay: { PLAIN: 0, SOCKET: 1, ASK_FIRST: 2 },
} as const;

/** Plain numbers that both languages need. */
export const constants = {
  LINE_BYTES, BANDS, LANES_PER_PEER, RETURN_LANES, BUCKETS, MAX_PARTIES, QUEUE_MAGIC, PARTY_MAGIC, RUNTIME_MAGIC, PIPE_MAGIC, READINESS_MAGIC, LAYOUT_VERSION, TIMERS_PER_CHUNK, DATAGRAM_BATCH, MOST_KEPT_PEERS,
} as const;

/** Where lane `lane` of producer `from` begins in an inbox of `parties` parties whose lanes hold `laneBytes`. */
export const laneOffset = (parties: number, laneBytes: number, from: number, lane: number): number =>
  partyLayout.bytes + parties * LINE_BYTES + (from * LANES_PER_PEER + lane) * laneStride(laneBytes);
/** A lane's header and records, and one line more, since a DataView must reach past the last record. */
export const laneStride = (laneBytes: number): number => queueLayout.bytes + laneBytes + LINE_BYTES;
/** Bytes of a whole inbox. Untouched lanes cost address space and no memory. */
export const inboxBytes = (parties: number, laneBytes: number): number => laneOffset(parties, laneBytes, parties, 0);
