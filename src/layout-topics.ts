/** The tables that say who subscribes to which topics: see layout.ts. */
import type { Structure } from './layout-fields.js';

/** Bytes for the patterns that one party subscribes to: 4 for each pattern and 2 for each letter. */
export const PATTERNS_BYTES = 65_536;
export const TOPICS_MAGIC = 0x50435431;

/** How many topics and subscriptions of one party have figures that others can read. */
export const TOPIC_ROWS = 128;
/** Bytes for the name of such a topic; longer names are cut. */
export const TOPIC_NAME_BYTES = 96;

/** The block that all parties share; the members follow it. */
export const topicsLayout = {
  name: 'Topics',
  bytes: 256,
  fields: {
    magic: { at: 0, type: 'i32', writes: 'runtime', reads: 'all', means: 'TOPICS_MAGIC' },
    version: { at: 4, type: 'i32', writes: 'runtime', reads: 'all', means: 'LAYOUT_VERSION' },
    changes: {
      at: 128, type: 'i32', writes: 'any party adds', reads: 'all',
      means: 'grows after each change of any member',
    },
  },
} as const satisfies Structure;

/**
 * What one party subscribes to. Two halves with its patterns follow: one is valid, the other is the next to be written.
 */
export const topicMemberLayout = {
  name: 'TopicMember',
  bytes: 128,
  fields: {
    state: {
      at: 0, type: 'i32', writes: 'owner; runtime after its death', reads: 'all',
      means: 'counts the changes of the patterns; its lowest bit says which half is valid',
    },
    generation: {
      at: 4, type: 'i32', writes: 'owner; runtime after its death', reads: 'all',
      means: 'counts the threads that have been this party; a new thread knows of no topic yet',
    },
    retaining: {
      at: 8, type: 'i32', writes: 'owner; runtime after its death', reads: 'all',
      means: 'how many topics here keep their last value for late subscribers',
    },
  },
} as const satisfies Structure;

/** The head of the rows of a party's topics and subscriptions, which follow it. */
export const topicRowsLayout = {
  name: 'TopicRows',
  bytes: 128,
  fields: {
    used: {
      at: 0, type: 'i32', writes: 'owner', reads: 'all', means: 'rows whose name is complete; grows by one at a time',
    },
    leftOut: {
      at: 8, type: 'f64', writes: 'owner', reads: 'all',
      means: 'topics and subscriptions for which there was no row',
    },
  },
} as const satisfies Structure;

/** What one party has done with a topic, as its publisher or as a subscriber. */
export const topicRowLayout = {
  name: 'TopicRow',
  bytes: 256,
  fields: {
    party: { at: 0, type: 'i32', writes: 'owner', reads: 'all', means: 'the party' },
    role: { at: 4, type: 'i32', writes: 'owner', reads: 'all', means: '1: it publishes; 2: it subscribes' },
    band: { at: 8, type: 'i32', writes: 'owner', reads: 'all', means: '0 to 7; -1: the band of each message' },
    isOver: { at: 12, type: 'i32', writes: 'owner', reads: 'all', means: '1: it has ended' },
    nameBytes: { at: 16, type: 'i32', writes: 'owner', reads: 'all', means: 'bytes of the name' },
    name: {
      at: 20, type: 'i32', count: TOPIC_NAME_BYTES >> 2, writes: 'owner', reads: 'all',
      means: 'the topic, or the pattern that it subscribes to, in UTF-8',
    },
    messages: {
      at: 120, type: 'f64', writes: 'owner', reads: 'all',
      means: 'messages that publish has accepted, or that the handler was given',
    },
    refused: { at: 128, type: 'f64', writes: 'owner', reads: 'all', means: 'messages that publish has refused' },
    lag: { at: 136, type: 'f64', writes: 'owner', reads: 'all', means: 'messages that wait for the handler' },
    capacity: { at: 144, type: 'f64', writes: 'owner', reads: 'all', means: 'how many may wait' },
    droppedNewest: {
      at: 152, type: 'f64', writes: 'owner', reads: 'all', means: 'messages for which there was no room',
    },
    droppedOldest: {
      at: 160, type: 'f64', writes: 'owner', reads: 'all', means: 'messages dropped to make room for newer ones',
    },
    droppedEvicted: {
      at: 168, type: 'f64', writes: 'owner', reads: 'all', means: 'messages that were waiting when it was evicted',
    },
    droppedLeft: {
      at: 176, type: 'f64', writes: 'owner', reads: 'all',
      means: 'messages that were waiting when it left',
    },
  },
} as const satisfies Structure;

const ROWS_BYTES = topicRowsLayout.bytes + TOPIC_ROWS * topicRowLayout.bytes;
const MEMBER_BYTES = topicMemberLayout.bytes + 2 * PATTERNS_BYTES + ROWS_BYTES;
/** The offset of a party's TopicMember. */
export const topicMemberOffset = (party: number): number => topicsLayout.bytes + party * MEMBER_BYTES;
/** The offset of a party's TopicRows, which follow its patterns. */
export const topicRowsOffset = (party: number): number => topicMemberOffset(party + 1) - ROWS_BYTES;
/** The size of the whole block in bytes. Parts that are never used cost address space but no memory. */
export const topicsBytes = (parties: number): number => topicMemberOffset(parties);
