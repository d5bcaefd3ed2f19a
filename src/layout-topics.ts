/** The tables of who subscribes to which topics: see layout.ts. */
import type { Structure } from './layout-fields.js';

/** Bytes of the patterns that one party can subscribe to: a word for each pattern, and two for each letter. */
export const PATTERNS_BYTES = 65_536;
export const TOPICS_MAGIC = 0x50435431;

/** Topics and subscriptions of one party whose figures others can read. */
export const TOPIC_ROWS = 128;
/** Bytes of a name there; of a longer one the rest is left out. */
export const TOPIC_NAME_BYTES = 96;

/** The block that concerns all parties; the members follow. */
export const topicsLayout = {
  name: 'Topics',
  bytes: 256,
  fields: {
    magic: { at: 0, type: 'i32', writes: 'runtime', reads: 'all', means: 'TOPICS_MAGIC' },
    version: { at: 4, type: 'i32', writes: 'runtime', reads: 'all', means: 'LAYOUT_VERSION' },
    changes: {
      at: 128, type: 'i32', writes: 'any party adds', reads: 'all',
      means: 'grows with each change of any member, after it',
    },
  },
} as const satisfies Structure;

/** What one party subscribes to. Two halves for its patterns follow, of which one is valid and the other is written. */
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
      means: 'counts the threads that have been this party: a new one has heard of no topic',
    },
    retaining: {
      at: 8, type: 'i32', writes: 'owner; runtime after its death', reads: 'all',
      means: 'topics here whose last value late subscribers may ask for',
    },
  },
} as const satisfies Structure;

/** Before the rows of a party's topics and subscriptions. */
export const topicRowsLayout = {
  name: 'TopicRows',
  bytes: 128,
  fields: {
    used: {
      at: 0, type: 'i32', writes: 'owner', reads: 'all', means: 'rows whose name is complete; grows by one at a time',
    },
    leftOut: { at: 8, type: 'f64', writes: 'owner', reads: 'all', means: 'for how many there was no row' },
  },
} as const satisfies Structure;

/** What one party has done for a topic, as its publisher or as a subscriber. */
export const topicRowLayout = {
  name: 'TopicRow',
  bytes: 256,
  fields: {
    party: { at: 0, type: 'i32', writes: 'owner', reads: 'all', means: 'whose it is' },
    role: { at: 4, type: 'i32', writes: 'owner', reads: 'all', means: '1: it publishes; 2: it subscribes' },
    band: { at: 8, type: 'i32', writes: 'owner', reads: 'all', means: '0 to 7; -1: that of each message' },
    isOver: { at: 12, type: 'i32', writes: 'owner', reads: 'all', means: '1: it has ended' },
    nameBytes: { at: 16, type: 'i32', writes: 'owner', reads: 'all', means: 'bytes of the name' },
    name: {
      at: 20, type: 'i32', count: TOPIC_NAME_BYTES >> 2, writes: 'owner', reads: 'all',
      means: 'the topic, or what it subscribes to, in UTF-8',
    },
    messages: {
      at: 120, type: 'f64', writes: 'owner', reads: 'all',
      means: 'messages that publish has taken, or that the handler has',
    },
    refused: { at: 128, type: 'f64', writes: 'owner', reads: 'all', means: 'messages that publish has refused' },
    lag: { at: 136, type: 'f64', writes: 'owner', reads: 'all', means: 'messages that wait for the handler' },
    capacity: { at: 144, type: 'f64', writes: 'owner', reads: 'all', means: 'how many may wait' },
    droppedNewest: {
      at: 152, type: 'f64', writes: 'owner', reads: 'all', means: 'messages for which there was no room',
    },
    droppedOldest: {
      at: 160, type: 'f64', writes: 'owner', reads: 'all', means: 'messages that gave their room to newer ones',
    },
    droppedEvicted: {
      at: 168, type: 'f64', writes: 'owner', reads: 'all', means: 'messages that waited when it was evicted',
    },
    droppedLeft: { at: 176, type: 'f64', writes: 'owner', reads: 'all', means: 'messages that waited when it left' },
  },
} as const satisfies Structure;

const ROWS_BYTES = topicRowsLayout.bytes + TOPIC_ROWS * topicRowLayout.bytes;
const MEMBER_BYTES = topicMemberLayout.bytes + 2 * PATTERNS_BYTES + ROWS_BYTES;
/** Where the member of a party begins. */
export const topicMemberOffset = (party: number): number => topicsLayout.bytes + party * MEMBER_BYTES;
/** Where the rows of a party begin: behind its patterns. */
export const topicRowsOffset = (party: number): number => topicMemberOffset(party + 1) - ROWS_BYTES;
/** Bytes of the whole block. What is not used costs address space alone. */
export const topicsBytes = (parties: number): number => topicMemberOffset(parties);
