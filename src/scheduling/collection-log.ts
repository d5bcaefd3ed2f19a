/**
 * The last garbage collections of this thread, for whoever asks afterwards what held it. The backend writes them down
 * while they happen, which costs two readings of the clock each; where it cannot, Node reports them when the event loop
 * comes round (collections.ts), for 0.1 ms each.
 */
import type { NativeCollections } from '../native.js';
import { COLLECTION_KINDS, watchCollections } from './collections.js';

export interface Collection {
  /** Its kind, in words. */
  readonly what: string;
  readonly fromNs: number;
  readonly toNs: number;
}

export interface CollectionLog {
  /** Those of the last that overlap this time, the oldest first. Allocates. */
  between(fromNs: number, toNs: number): Collection[];
  /** Nothing is logged from now on. */
  close(): void;
}

const KEPT = 64;
/** As in native/collection_log.cc. */
const BEGAN_NS = 0;
const ENDED_NS = 1;
const KIND = 2;
const WORDS = 3;

/** Logs from now on; `nowNs` is a clock that counts from `originNs`; `collections` are the backend's, if it has any. */
export function logCollections(
  collections: NativeCollections | undefined, originNs: number, nowNs: () => number,
): CollectionLog {
  const numbers = new Float64Array(1 + KEPT * WORDS);
  const log = collections?.open(numbers, originNs);
  if (collections === undefined || log === undefined || typeof log === 'number') return reported(nowNs);
  return {
    between(fromNs, toNs) {
      const found: Collection[] = [];
      const count = numbers[0]!;
      for (let i = Math.max(0, count - KEPT); i < count; i++) {
        const at = 1 + (i % KEPT) * WORDS;
        const [beganNs, endedNs] = [numbers[at + BEGAN_NS]!, numbers[at + ENDED_NS]!];
        const what = COLLECTION_KINDS[numbers[at + KIND]!] ?? 'collection';
        if (endedNs > fromNs && beganNs < toNs) found.push({ what, fromNs: beganNs, toNs: endedNs });
      }
      return found;
    },
    close: () => collections.close(log),
  };
}

/** The same of what Node reports. */
function reported(nowNs: () => number): CollectionLog {
  const last: Collection[] = [];
  const close = watchCollections(nowNs, (beganNs, ns, what) => {
    if (last.push({ what, fromNs: beganNs, toNs: beganNs + ns }) > KEPT) last.shift();
  });
  return { between: (from, to) => last.filter(({ fromNs, toNs }) => toNs > from && fromNs < to), close };
}
