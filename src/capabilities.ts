/**
 * What this process can use of the platform. With the addon, everything is as it is documented elsewhere. Where the
 * portable backend stands in for it, this says what is different and why. What the system refused to the addon is not
 * listed here but where it was asked for, in the refusals of `runtime.status()`.
 */
import { backendInForce } from './native.js';

/**
 * Whether one capability is there, and how.
 */
export interface Capability {
  /**
   * 'native': as it is documented everywhere else. 'standIn': it keeps the same promises, but costs more or has the
   * exception that `note` names. 'missing': calls that need it throw.
   */
  readonly state: 'native' | 'standIn' | 'missing';
  /** What is different, in a few words; empty if `state` is 'native'. */
  readonly note: string;
}

const STAND_INS = {
  turns: ['standIn', 'the turn is an immediate of Node, and promises run after each'],
  wakeUps: ['standIn', 'Atomics.waitAsync in place of an eventfd'],
  clock: ['standIn', 'performance.now; boottime is missing, and realtime moves in milliseconds'],
  timers: ['standIn', 'a heap over one timer of Node: 1 to 2 ms late, never early'],
  rateTimers: ['standIn', 'a timer of Node, and immediates for the last 1.5 ms if it may spin'],
  tcp: ['standIn', 'node:net'],
  unixStreams: ['standIn', 'node:net; a refused connect is told by the connection'],
  udp: ['standIn', 'node:dgram'],
  pipeStreams: ['standIn', 'node:net and node:fs; no terminals'],
  files: ['standIn', 'the thread pool of Node, and no direct I/O'],
  pinning: ['missing', 'threads run where the system puts them'],
  timerSlack: ['missing', 'sleeps end when the timers of Node do'],
  ioUring: ['missing', 'the source is the loop of Node'],
  sharedPorts: ['missing', 'reusePort and listenFd need the addon: one reactor listens'],
  handingOver: ['missing', 'a connection stays in the reactor that has accepted it'],
  unixDatagrams: ['missing', 'Node has none'],
  descriptors: ['missing', 'registerDescriptor and createPoller need the addon'],
  watchedPaths: ['missing', 'watchPath needs inotify; fs.watch is beside it'],
  pipeQueues: ['missing', 'queues over pipes need the addon'],
} as const satisfies Readonly<Record<string, readonly ['standIn' | 'missing', string]>>;

/** The names of all capabilities. */
export type CapabilityName = keyof typeof STAND_INS;

/** The backend of this thread, and what it can do. */
export interface Capabilities {
  /**
   * The backend in use. The environment variable `PERCORE_BACKEND` chooses it; if that is not set, the portable backend
   * is used wherever no addon can be loaded.
   */
  readonly backend: 'native' | 'portable';
  /** Why the portable backend is used; empty for the addon. */
  readonly reason: string;
  /** All capabilities by name. */
  readonly of: Readonly<Record<CapabilityName, Capability>>;
}

/**
 * The capabilities of the calling thread, which `runtime.status().capabilities` shows as well. If the backend is not
 * loaded yet, this loads it, and throws ERR_PERCORE_NATIVE_UNAVAILABLE or ERR_PERCORE_LAYOUT_MISMATCH if that fails.
 *
 *     if (capabilities().of.handingOver.state === 'missing') listenInOneReactor();
 */
export function capabilities(): Capabilities {
  return (told ??= tell());
}

/** The answer. It stays the same for as long as the thread lives. */
let told: Capabilities | undefined;

function tell(): Capabilities {
  const { backend, reason } = backendInForce();
  const entries = Object.entries(STAND_INS).map(([name, [state, note]]) =>
    [name, backend === 'native' ? { state: 'native', note: '' } : { state, note }]);
  return { backend, reason, of: Object.fromEntries(entries) as Capabilities['of'] };
}
