/** The bytes of a stream: they repeat after 64 KiB and look like nothing else, so a byte at the wrong place is seen. As in epoll_server.c. */
export const STREAM_BYTES = 65_536;

/** The byte at a position of the stream. */
export const streamByte = (position: number): number => ((position % STREAM_BYTES) * 31 + ((position % STREAM_BYTES) >> 8)) & 255;

/** One period of it. */
export const streamBytes = (): Uint8Array => Uint8Array.from({ length: STREAM_BYTES }, (_, at) => streamByte(at));
