/**
 * What this process has of the platform: what the addon gives is there as it is described everywhere else; where the
 * portable backend stands in, this says what is different and why. What the system refused to the addon is told where
 * it was asked for, in the refusals of `runtime.status()`.
 */
import { backendInForce } from './native.js';

/**
 * 'native': as described everywhere else; 'standIn': the same promises, at another price or with the exception that
 * `note` names; 'missing': what asks for it is refused.
 */
export interface Capability {
  /** See above. */
  readonly state: 'native' | 'standIn' | 'missing';
  /** What is different, in a few words; of what is native, nothing. */
  readonly note: string;
}

const STAND_INS = {
  turns: ['standIn', 'the turn is an immediate of Node, and promises run after each'],
  wakeUps: ['standIn', 'Atomics.waitAsync in place of an eventfd'],
  clock: ['standIn', 'performance.now; boottime is missing, and realtime moves in milliseconds'],
  timers: ['standIn', 'a heap over one timer of Node: 1 to 2 ms late, never early'],
  rateTimers: ['standIn', 'a timer of Node, and immediates for the last 1.5 ms where it may spin'],
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

export type CapabilityName = keyof typeof STAND_INS;

export interface Capabilities {
  /** `PERCORE_BACKEND` chooses; left out, the portable one stands in where no addon can be loaded. */
  readonly backend: 'native' | 'portable';
  /** Why it is the portable one; empty for the addon. */
  readonly reason: string;
  /** Each capability by its name. */
  readonly of: Readonly<Record<CapabilityName, Capability>>;
}

/**
 * What the calling thread has. Loads the backend if that has not happened, and throws as that does. Also in
 * `runtime.status().capabilities`.
 *
 *     if (capabilities().of.handingOver.state === 'missing') listenInOneReactor();
 */
export function capabilities(): Capabilities {
  return (told ??= tell());
}

/** It stays as it is for as long as the thread lives. */
let told: Capabilities | undefined;

function tell(): Capabilities {
  const { backend, reason } = backendInForce();
  const entries = Object.entries(STAND_INS).map(([name, [state, note]]) =>
    [name, backend === 'native' ? { state: 'native', note: '' } : { state, note }]);
  return { backend, reason, of: Object.fromEntries(entries) as Capabilities['of'] };
}
