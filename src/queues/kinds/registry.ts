/**
 * All kinds of queues, by the backend and the kind that a handle names. This is the only place that knows all of them.
 */
import { checkOneOf, invalidArgument } from '../../errors.js';
import type { Queue } from '../handles.js';
import type { QueueBackend } from '../queue-ends.js';
import { banded } from './banded.js';
import { withFiles } from './in-files.js';
import { deque, window } from './in-thread.js';
import { linked } from './linked.js';
import { mpsc } from './mpsc.js';
import { pipe } from './pipe.js';
import type { QueueKind } from './queue-kind.js';
import { spmc } from './spmc.js';
import { spsc } from './spsc.js';
import { withCodecs } from './values.js';

/** A kind whose handles and options were recognized as its own by the names in them. */
type AnyKind = QueueKind<object, object>;
type Kinds = Readonly<Record<string, AnyKind>>;

const backends: Readonly<Record<QueueBackend, Kinds>> = {
  fixed: {
    spsc: withFiles(withCodecs(spsc)), mpsc: withFiles(withCodecs(mpsc)), spmc: withFiles(withCodecs(spmc)),
    banded: withFiles(withCodecs(banded)),
  },
  linked: { spsc: withCodecs(linked) },
  deque: { mpmc: deque },
  window: { mpmc: window },
  pipe: { spsc: pipe },
};

const kindsOf = (backend: unknown): Kinds | undefined =>
  typeof backend === 'string' && Object.hasOwn(backends, backend) ? backends[backend as QueueBackend] : undefined;
const oneOf = (kinds: Kinds, kind: unknown): AnyKind | undefined =>
  typeof kind === 'string' && Object.hasOwn(kinds, kind) ? kinds[kind] : undefined;

/** The kind that options ask for. `kind` may be left out where a backend has only one. */
export function kindToMake(options: { readonly kind?: unknown; readonly backend?: unknown }): AnyKind {
  const { kind, backend = 'fixed' } = options ?? {};
  const kinds = kindsOf(backend);
  if (kinds === undefined) return checkOneOf('backend', backend, Object.keys(backends)) as never;
  const found = oneOf(kinds, kind);
  if (found !== undefined) return found;
  const [first, second] = Object.values(kinds);
  if (kind === undefined && second === undefined) return first!;
  if (backend === 'fixed') return checkOneOf('kind', kind, Object.keys(kinds)) as never;
  const names = Object.keys(kinds).map((name) => `'${name}'`).join(' or ');
  throw invalidArgument('kind', kind, `${names} for the backend '${String(backend)}'`);
}

/** The kind of a handle. Throws for anything but a handle; whoever opens it checks what its memory says. */
export function kindOfQueue(queue: unknown): AnyKind {
  const { kind, backend } = (typeof queue === 'object' && queue !== null ? queue : {}) as {
    kind?: unknown;
    backend?: unknown;
  };
  const found = oneOf(kindsOf(backend) ?? {}, kind);
  if (found !== undefined) return found;
  throw invalidArgument('queue', queue, 'what create() returned, or its structured clone');
}

/**
 * True while the thread has a place in the queue that others may want. In a closed queue, a place counts only while
 * there are records left.
 */
export const hasPlace = (queue: Queue, threadId: number): boolean => kindOfQueue(queue).hasPlace(queue, threadId);
