/** Plain numbers of the shared memory that several tables need, and most that something may have: see layout.ts. */

/** Bytes between two words that different threads write. */
export const LINE_BYTES = 128;
/** Bands, 0 low to 7 high. */
export const BANDS = 8;
/**
 * Lanes of each ordered pair of parties: eight forward, one a band, and eight for returns (answers, results), so that
 * what comes back never waits behind what goes out. Work may wait for room in a return lane; who reads a return lane
 * waits for nothing: no cycle.
 */
export const LANES_PER_PEER = 16;
/** Return lane of band b: RETURN_LANES + b. */
export const RETURN_LANES = 8;
/** Keys that hash together; each bucket has one owner at a time. */
export const BUCKETS = 1024;
/** Stages of work whose messages move apart from each other: see src/balance/. */
export const STAGES = 8;
/** A stage of a bucket each. */
export const SLOTS: number = STAGES * BUCKETS;
/** Most reactors of one runtime; the main thread is one party more. */
export const MAX_REACTORS = 255;
export const MAX_PARTIES = 256;
/** Most consumers of one queue: they fit the bits of a word. */
export const MAX_CONSUMERS = 32;
/** Most producers of one MPSC queue: lanes that its group has words for. */
export const MAX_PRODUCERS = 64;
/** Words of each lane in a group. */
export const LANE_WORDS: number = LINE_BYTES >> 2;

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
