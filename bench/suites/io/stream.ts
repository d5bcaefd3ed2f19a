/** What servers and clients of suite `io` agree on, as client.h and epoll_server.c do. */
export const MESSAGE_BYTES = 64;
/**
 * The bytes of a stream repeat after this many and follow no simpler pattern, so that a byte at a wrong place is found.
 */
export const STREAM_BYTES = 65_536;

/** The byte at a position of the stream. */
export const streamByte = (position: number): number =>
  ((position % STREAM_BYTES) * 31 + ((position % STREAM_BYTES) >> 8)) & 255;

/** One period of it. */
export const streamBytes = (): Uint8Array => Uint8Array.from({ length: STREAM_BYTES }, (_, at) => streamByte(at));
