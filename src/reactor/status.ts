/** What `runtime.status()` tells: asked, granted, why not, and the counters of each reactor, read from shared memory without a message. */
import { threadId } from 'node:worker_threads';
import { partyLayout, words } from '../layout.js';
import type { CpuBudget } from '../realtime/cpus.js';
import type { Grants } from '../realtime/grants.js';
import { idleName, type IdleStrategy } from './idle-strategy.js';
import { partyCounters, partyWords, type SharedRuntime } from './shared.js';

export interface ReactorStatus {
  readonly id: number;
  /** 'left': it ended when the runtime was closed; 'dead': it ended in any other way. */
  readonly state: 'starting' | 'ready' | 'draining' | 'quiet' | 'left' | 'dead';
  readonly cpuAsked: number | undefined;
  readonly cpuGranted: readonly number[];
  readonly timerSlackNs: number | undefined;
  /** Node's number of its thread, as `inspect` and `recover` of queues know it; also after its death. */
  readonly threadId: number;
  /** The kernel's number of its thread, for /proc, `taskset` and `chrt`. */
  readonly tid: number | undefined;
  /** Source of I/O: 'epoll' or 'io_uring'. */
  readonly io: { readonly asked: string; readonly granted: string } | undefined;
  /** Why something asked was not granted. */
  readonly refusals: readonly string[];
  /** As it idles now: 'park' where it may not spin, whatever was asked. */
  readonly idle: { readonly strategy: IdleStrategy; readonly spinNs: number; readonly ioIntervalNs: number };
  /** Calls into JavaScript, sleeps, eventfd wake-ups, passes of libuv, nanoseconds inside turns. */
  readonly turns: number;
  readonly parks: number;
  readonly wakes: number;
  readonly libuvTurns: number;
  readonly busyNs: number;
  /** Steps run in bands 0 to 7. */
  readonly steps: readonly number[];
  readonly stepErrors: number;
  readonly sent: number;
  readonly received: number;
  /** Sends answered with BACK_PRESSURED, TOO_LARGE or CLOSED. */
  readonly rejected: number;
  /** What reached nobody, in all and by reason. */
  readonly dropped: number;
  readonly droppedByReason: DropReasons;
  readonly callsInFlight: number;
  /** Bytes of calls and answers that wait for room in a lane. */
  readonly waitingBytes: number;
  /** What code in this reactor has posted by parentPort: the runtime's event 'message'. */
  readonly messages: number;
}

/** Why something that was sent has reached nobody. */
export interface DropReasons {
  /** Messages for a name that no task has. */
  readonly noTask: number;
  /** Values for a task of bytes. */
  readonly notBytes: number;
  /** Calls that nobody waited for any more when their turn came. */
  readonly lateCalls: number;
  /** Answers to calls that had been given up. */
  readonly lateAnswers: number;
}

/** What the main thread has sent, received and dropped as a party of its own. */
export type MainStatus = Pick<ReactorStatus, 'sent' | 'received' | 'rejected' | 'dropped' | 'droppedByReason' | 'callsInFlight' | 'waitingBytes' | 'stepErrors'>;

export interface RuntimeStatus {
  readonly cpus: CpuBudget;
  readonly reactorsAsked: number | 'auto';
  readonly reactors: readonly ReactorStatus[];
  readonly main: MainStatus;
  /** Bytes of shared address space; lanes that were never used take no memory. */
  readonly sharedBytes: number;
  readonly node: string;
}

const PHASES = Object.entries(words.phase).map(([name]) => name.toLowerCase()) as ReactorStatus['state'][];

/** What the main thread knows of a reactor besides its shared words. */
export interface KnownOfReactor {
  readonly isDead: boolean;
  readonly grants: Grants | undefined;
  readonly messages: number;
  readonly threadId: number;
  readonly whyNoSpin: string | undefined;
}

export function reactorStatus(shared: SharedRuntime, id: number, { isDead, grants, messages, threadId, whyNoSpin }: KnownOfReactor): ReactorStatus {
  const party = partyWords(shared.inboxes[id]!);
  const counters = partyCounters(shared.inboxes[id]!);
  const { phase: phaseField, idleStrategy, spinNs, ioIntervalNs, ...fields } = partyLayout.fields;
  // Pairs with setPhase(); the settings below pair with setIdleStrategy(). Any recent value is right.
  const word = (at: number) => Atomics.load(party, at >> 2);
  // Statistics: written plainly by their owner, so a value may be a moment old.
  const count = (name: keyof typeof fields) => counters[fields[name].at >> 3]!;
  const phase = word(phaseField.at);
  const asked = idleName(word(idleStrategy.at));
  // Its last word says whether it went as it was told.
  const hasDied = isDead && phase !== words.phase.LEFT;
  const isHeldBack = whyNoSpin !== undefined && asked !== 'park';
  return {
    id,
    state: hasDied ? 'dead' : PHASES[phase]!,
    cpuAsked: grants?.cpuAsked,
    cpuGranted: grants?.cpuGranted ?? [],
    timerSlackNs: grants?.timerSlackNs,
    threadId,
    tid: grants?.tid,
    io: grants?.io,
    refusals: [...(grants?.refusals ?? []), ...(isHeldBack ? [`idle '${asked}': ${whyNoSpin}, where a spin would only delay what it waits for; it parks`] : [])],
    idle: { strategy: isHeldBack ? 'park' : asked, spinNs: word(spinNs.at), ioIntervalNs: word(ioIntervalNs.at) },
    turns: count('turns'),
    parks: count('parks'),
    wakes: count('wakes'),
    libuvTurns: count('libuvTurns'),
    busyNs: count('busyNs'),
    steps: [...counters.subarray(fields.steps.at >> 3, (fields.steps.at >> 3) + fields.steps.count)],
    stepErrors: count('stepErrors'),
    sent: count('sent'),
    received: count('received'),
    rejected: count('rejected'),
    dropped: count('dropped'),
    droppedByReason: {
      noTask: count('droppedNoTask'),
      notBytes: count('droppedNotBytes'),
      lateCalls: count('droppedLateCalls'),
      lateAnswers: count('droppedLateAnswers'),
    },
    callsInFlight: count('callsInFlight'),
    waitingBytes: count('waitingBytes'),
    messages,
  };
}

/** The main thread's party comes after the last reactor. */
export function mainStatus(shared: SharedRuntime): MainStatus {
  const { sent, received, rejected, dropped, droppedByReason, callsInFlight, waitingBytes, stepErrors } = reactorStatus(shared, shared.reactors, { isDead: false, grants: undefined, messages: 0, threadId, whyNoSpin: undefined });
  return { sent, received, rejected, dropped, droppedByReason, callsInFlight, waitingBytes, stepErrors };
}
