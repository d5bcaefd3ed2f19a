/** Limits, and numbers that several tables of the shared memory need: see layout.ts. */

/** The distance in bytes between two words that different threads write. */
export const LINE_BYTES = 128;
/** The number of bands: 0 is the lowest and 7 the highest. */
export const BANDS = 8;
/**
 * The lanes of each ordered pair of parties: eight forward lanes, one for each band, and eight return lanes for answers
 * and results, so that what comes back never waits behind what goes out. Work may wait for room in a return lane, but
 * whoever reads a return lane waits for nothing, so no circle of waits can form.
 */
export const LANES_PER_PEER = 16;
/** The return lane of band b is lane RETURN_LANES + b. */
export const RETURN_LANES = 8;
/** The number of buckets: keys are hashed into them, and each bucket has one owner at a time. */
export const BUCKETS = 1024;
/** Stages of keyed work. The messages of one bucket move separately for each stage: see src/balance/. */
export const STAGES = 8;
/** The number of slots: there is one for each stage of each bucket. */
export const SLOTS: number = STAGES * BUCKETS;
/** The most reactors that one runtime may have; the main thread is one more party. */
export const MAX_REACTORS = 255;
export const MAX_PARTIES = 256;
/** The most consumers of one queue: each is a bit of one word. */
export const MAX_CONSUMERS = 32;
/** The most producers of one MPSC queue: its group has words for so many lanes. */
export const MAX_PRODUCERS = 64;
/** The words that each lane has in a group. */
export const LANE_WORDS: number = LINE_BYTES >> 2;

/** The number of timer records in one chunk of memory. */
export const TIMERS_PER_CHUNK = 16_384;

export const QUEUE_MAGIC = 0x50435131;
export const GROUP_MAGIC = 0x50434734;
export const LINKED_MAGIC = 0x50434c35;
export const PARTY_MAGIC = 0x50435032;
export const RUNTIME_MAGIC = 0x50435233;
export const PIPE_MAGIC = 0x50435033;
export const READINESS_MAGIC = 0x50435235;
export const LAYOUT_VERSION = 2;

/** The most datagrams that one call of recvmmsg or sendmmsg moves. */
export const DATAGRAM_BATCH = 64;
/** The most addresses that one datagram socket keeps by number. */
export const MOST_KEPT_PEERS = 65_536;
