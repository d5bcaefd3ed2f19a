/** The tables of I/O: see layout.ts. */
import type { Structure } from './layout-fields.js';

/**
 * How a thread's I/O source and its JavaScript exchange events and requests. Both run in one thread, so no word needs
 * an atomic. The source writes events of four words each: token, kind, value, place. JavaScript writes requests of four
 * words each: kind, token, and two words whose meaning depends on the kind.
 */
export const ioBlockLayout = {
  name: 'IoBlock',
  bytes: 43072,
  fields: {
    events: { at: 0, type: 'i32', writes: 'both', reads: 'both', means: 'events that follow' },
    requests: { at: 4, type: 'i32', writes: 'both', reads: 'both', means: 'requests that follow' },
    released: { at: 8, type: 'i32', writes: 'both', reads: 'both', means: 'buffers given back that follow' },
    unsent: {
      at: 12, type: 'i32', writes: 'both', reads: 'both',
      means: 'events UNSENT that JavaScript has not seen yet; while there are any, no request is looked at',
    },
    drains: {
      at: 16, type: 'i32', writes: 'native', reads: 'io',
      means: 'how often requests were taken; the lowest bit says which half of the outbox is free',
    },
    bufferBits: {
      at: 20, type: 'i32', writes: 'native', reads: 'io',
      means: 'a buffer of the pool is 2^bufferBits bytes',
    },
    hasMore: {
      at: 24, type: 'i32', writes: 'io', reads: 'native',
      means: '1: tasks are ready, come back without sleeping; used where no reactor drives the I/O',
    },
    event: { at: 64, type: 'i32', count: 8192, writes: 'native', reads: 'io', means: 'token, IoEvent, value, place' },
    request: {
      at: 32832, type: 'i32', count: 2048, writes: 'io', reads: 'native',
      means: 'IoRequest, token, and two words of its own',
    },
    releasedBuffer: {
      at: 41024, type: 'i32', count: 256, writes: 'io', reads: 'native',
      means: 'numbers of buffers that are no longer in use',
    },
    bufferUsers: {
      at: 42048, type: 'i32', count: 256, writes: 'both', reads: 'both',
      means: 'arrivals that lie in each buffer',
    },
  },
} as const satisfies Structure;

/**
 * The counters of the streams and listeners of one Io. In a reactor they are a part of its Party; elsewhere they have
 * memory of their own.
 */
export const ioCountersLayout = {
  name: 'IoCounters',
  bytes: 72,
  fields: {
    receives: {
      at: 0, type: 'f64', writes: 'native', reads: 'all', status: 'io.receives', unit: 'count',
      means: 'arrivals delivered from streams',
    },
    sends: {
      at: 8, type: 'f64', writes: 'native', reads: 'all', status: 'io.sends', unit: 'count',
      means: 'sends on streams that the kernel was asked for',
    },
    accepts: {
      at: 16, type: 'f64', writes: 'native', reads: 'all', status: 'io.accepts', unit: 'count',
      means: 'connections accepted',
    },
    poolWaits: {
      at: 24, type: 'f64', writes: 'native', reads: 'all', status: 'io.poolWaits', unit: 'count',
      means: 'how often an arrival had to wait because no buffer was free',
    },
    bytesReceived: {
      at: 32, type: 'f64', writes: 'native', reads: 'all', status: 'io.bytesReceived', unit: 'bytes',
      means: 'bytes received from streams',
    },
    bytesSent: {
      at: 40, type: 'f64', writes: 'native', reads: 'all', status: 'io.bytesSent', unit: 'bytes',
      means: 'bytes of streams that the kernel has taken',
    },
    connections: {
      at: 48, type: 'f64', writes: 'native', reads: 'all', status: 'io.connections', unit: 'count', isGauge: true,
      means: 'streams that are open',
    },
    shed: {
      at: 56, type: 'f64', writes: 'io', reads: 'all', status: 'io.shed', unit: 'count',
      means: 'connections that listeners closed at once because there was no descriptor for them',
    },
    refused: {
      at: 64, type: 'f64', writes: 'io', reads: 'all', status: 'io.refused', unit: 'count',
      means: 'offers that streams, pipes and sockets answered with BACK_PRESSURED',
    },
  },
} as const satisfies Structure;

/** One datagram of a batch. Only one thread uses it. */
export const datagramEntryLayout = {
  name: 'DatagramEntry',
  bytes: 16,
  fields: {
    offset: {
      at: 0, type: 'i32', writes: 'native when receiving, socket when sending', reads: 'the other',
      means: 'first byte in the region',
    },
    length: {
      at: 4, type: 'i32', writes: 'native when receiving, socket when sending', reads: 'the other',
      means: 'bytes',
    },
    peer: { at: 8, type: 'i32', writes: 'both', reads: 'both', means: 'slot of the batch 0 to 63, or DatagramPeer' },
    cutBytes: {
      at: 12, type: 'i32', writes: 'native', reads: 'socket',
      means: 'bytes of the datagram that did not fit into its slot',
    },
  },
} as const satisfies Structure;

/** Readiness that comes from user space: any thread sets bits, and one thread takes them. */
export const readinessLayout = {
  name: 'UserReadiness',
  bytes: 384,
  fields: {
    magic: {
      at: 0, type: 'i32', writes: 'creator, last', reads: 'all',
      means: 'READINESS_MAGIC once the block is complete',
    },
    version: { at: 4, type: 'i32', writes: 'creator', reads: 'all', means: 'LAYOUT_VERSION' },
    bits: {
      at: 128, type: 'i32', writes: 'setters or, the receiver exchanges 0', reads: 'both',
      means: 'what was set and has not been taken yet',
    },
    isClosed: {
      at: 256, type: 'i32', writes: 'creator', reads: 'all',
      means: '1: the eventfd is closed, and set() answers CLOSED',
    },
  },
} as const satisfies Structure;
