/** What other rooms of Percore may import from here besides index.ts. Users see none of it. */
export { describe, makeCodec } from './codecs.js';
export { copyBytes } from './copy-bytes.js';
export { ASK_FOR_ROOM, LENGTHEN, ON_ROOM, ROOM_BEHIND, SERVE_LANE } from './doors.js';
export { setLazyHost, type LazyHost } from './lazy.js';
export { addRecovered, noneRecovered } from './place-recovery.js';
export { actAs } from './places.js';
export { PADDING, framedBytes } from './record.js';
export { ValueChain } from './value-chain.js';
export { ValueCodec } from './value-codec.js';
export { kindOf, memberPath } from './value-path.js';
export { hasPlace } from './kinds/registry.js';
export { spsc } from './kinds/spsc.js';
export { isPowerOfTwo } from './memory.js';
export { fillShell, headOf, isError, makeShell, packError, type ErrorHead } from './value-errors.js';
