/**
 * The contents of streams, on which servers and clients of suite `io` agree; client.h and epoll_server.c have the same.
 */
export const MESSAGE_BYTES = 64;
/**
 * The bytes of a stream repeat after so many bytes and have no simpler pattern, so that a byte in a wrong place is
 * noticed.
 */
export const STREAM_BYTES = 65_536;

/** The byte at a position of the stream. */
export const streamByte = (position: number): number =>
  ((position % STREAM_BYTES) * 31 + ((position % STREAM_BYTES) >> 8)) & 255;

/** One period of the stream. */
export const streamBytes = (): Uint8Array => Uint8Array.from({ length: STREAM_BYTES }, (_, at) => streamByte(at));
