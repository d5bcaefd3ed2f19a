/** The tables of who subscribes to which topics: see layout.ts. */
import type { Structure } from './layout-fields.js';

/** Bytes of the patterns that one party can subscribe to: a word for each pattern, and two for each letter. */
export const PATTERNS_BYTES = 65_536;
export const TOPICS_MAGIC = 0x50435431;

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

const MEMBER_BYTES = topicMemberLayout.bytes + 2 * PATTERNS_BYTES;
/** Where the member of a party begins. */
export const topicMemberOffset = (party: number): number => topicsLayout.bytes + party * MEMBER_BYTES;
/** Bytes of the whole block. What is not used costs address space alone. */
export const topicsBytes = (parties: number): number => topicMemberOffset(parties);
