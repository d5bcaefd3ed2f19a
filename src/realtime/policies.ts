/**
 * The policies by which the system's scheduler selects a thread. They are plain objects, so that they can be passed to
 * threads; mistakes in them are reported before the system is asked. Source: sched(7).
 *
 *      deadline     before all others, `runtimeNs` in each period, and no more       ^ takes the core from those below
 *      fifo, roundRobin  by priority, 99 before 1, until it sleeps
 *      other        what every program has, shared out by `nice`
 */
import { checkInteger, checkOneOf, checkOptions, invalidArgument } from '../errors.js';

/** The usual policy. `nice`: -20 (most of the CPU) to 19; default 0. */
export interface OtherPolicy {
  readonly kind: 'other';
  /** -20, which is most, to 19; left out it stays as it is. */
  readonly nice?: number;
}

/** Runs until it sleeps or something above it is ready; `roundRobin` takes turns with its equals. */
export interface FixedPriorityPolicy {
  readonly kind: 'fifo' | 'roundRobin';
  /** 1 (lowest) to 99. Threads of the kernel that handle interrupts have 50. */
  readonly priority: number;
}

/**
 * The kernel gives it `runtimeNs` of CPU time within `deadlineNs` of the beginning of each `periodNs`, and holds it
 * back when it wants more. 1,024 ≤ runtime ≤ deadline ≤ period ≤ 2^53 - 1.
 */
export interface DeadlinePolicy {
  readonly kind: 'deadline';
  /** CPU time that it has in each period, in nanoseconds. */
  readonly runtimeNs: number;
  /** It has that within so long of the beginning of the period. */
  readonly deadlineNs: number;
  /** Length of a period. */
  readonly periodNs: number;
}

export type Policy = OtherPolicy | FixedPriorityPolicy | DeadlinePolicy;

/**
 * The usual policy, with a nice value from -20 (most of the CPU) to 19. Values below the present one need CAP_SYS_NICE
 * or `ulimit -e`. Throws ERR_PERCORE_INVALID_ARGUMENT; any thread.
 */
export function other(options?: { readonly nice?: number }): OtherPolicy {
  const { nice = 0 } = checkOptions('options', options, ['nice']);
  return { kind: 'other', nice: checkInteger('nice', nice, -20, 19) };
}

/**
 * SCHED_FIFO: the thread has its core until it sleeps or something of a higher priority is ready. 1 (lowest) to 99.
 * Throws ERR_PERCORE_INVALID_ARGUMENT; any thread.
 *
 *     await createRuntime({ entry, reactors: 2, policy: [fifo(60), other()] });
 */
export function fifo(priority: number): FixedPriorityPolicy {
  return { kind: 'fifo', priority: checkInteger('priority', priority, 1, 99) };
}

/** SCHED_RR: as `fifo`, and threads of the same priority take turns. */
export function roundRobin(priority: number): FixedPriorityPolicy {
  return { kind: 'roundRobin', priority: checkInteger('priority', priority, 1, 99) };
}

/**
 * SCHED_DEADLINE, in nanoseconds: 1,024 ≤ runtime ≤ deadline ≤ period, which is checked here. The kernel admits it if
 * the CPUs have that much time left, and refuses threads that are pinned: such a reactor is not pinned unless a list of
 * CPUs asks for it. Throws ERR_PERCORE_INVALID_ARGUMENT; any thread may call it.
 */
export function deadline(times: Omit<DeadlinePolicy, 'kind'>): DeadlinePolicy {
  if (typeof times !== 'object' || times === null) {
    throw invalidArgument('times', times, 'an object with runtimeNs, deadlineNs and periodNs');
  }
  const { runtimeNs, deadlineNs, periodNs } = checkOptions('times', times, TIMES);
  return checkTimes('', { kind: 'deadline', runtimeNs, deadlineNs, periodNs });
}

const TIMES = ['runtimeNs', 'deadlineNs', 'periodNs'];
/** The kernel cannot account for less than this: 2^10 ns (kernel/sched/deadline.c). */
const LEAST_RUNTIME_NS = 1024;
const MOST_NS = Number.MAX_SAFE_INTEGER;

function checkTimes(prefix: string, policy: DeadlinePolicy): DeadlinePolicy {
  const { runtimeNs, deadlineNs, periodNs } = policy;
  checkInteger(`${prefix}runtimeNs`, runtimeNs, LEAST_RUNTIME_NS, MOST_NS);
  checkInteger(`${prefix}deadlineNs`, deadlineNs, LEAST_RUNTIME_NS, MOST_NS);
  checkInteger(`${prefix}periodNs`, periodNs, LEAST_RUNTIME_NS, MOST_NS);
  if (runtimeNs > deadlineNs) {
    throw invalidArgument(`${prefix}runtimeNs`, runtimeNs, `at most deadlineNs, which is ${deadlineNs}`);
  }
  if (deadlineNs > periodNs) {
    throw invalidArgument(`${prefix}deadlineNs`, deadlineNs, `at most periodNs, which is ${periodNs}`);
  }
  return policy;
}

const KINDS = ['other', 'fifo', 'roundRobin', 'deadline'] as const;

/** A fresh, complete policy from what a user has given. Throws ERR_PERCORE_INVALID_ARGUMENT. */
export function checkPolicy(argument: string, value: unknown): Policy {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw invalidArgument(argument, value, 'other(), fifo(1 to 99), roundRobin(1 to 99) or deadline({ … })');
  }
  const kind = checkOneOf(`${argument}.kind`, (value as { kind?: unknown }).kind, KINDS);
  if (kind === 'other') {
    const { nice = 0 } = checkOptions(argument, value as OtherPolicy, ['kind', 'nice']);
    return { kind, nice: checkInteger(`${argument}.nice`, nice, -20, 19) };
  }
  if (kind === 'deadline') {
    const { runtimeNs, deadlineNs, periodNs } = checkOptions(argument, value as DeadlinePolicy, ['kind', ...TIMES]);
    return checkTimes(`${argument}.`, { kind, runtimeNs, deadlineNs, periodNs });
  }
  const { priority } = checkOptions(argument, value as FixedPriorityPolicy, ['kind', 'priority']);
  return { kind, priority: checkInteger(`${argument}.priority`, priority, 1, 99) };
}

/** True for a policy that takes the core from ordinary threads. */
export const isRealtime = ({ kind }: Policy): boolean => kind !== 'other';

/** "fifo(50)", as a user would write it. */
export function showPolicy(policy: Policy): string {
  if (policy.kind === 'other') return (policy.nice ?? 0) === 0 ? 'other' : `other, nice ${policy.nice}`;
  if (policy.kind !== 'deadline') return `${policy.kind}(${policy.priority})`;
  return `deadline(${policy.runtimeNs} of ${policy.deadlineNs} in ${policy.periodNs} ns)`;
}

/** The kernel's numbers: SCHED_OTHER, SCHED_FIFO, SCHED_RR, SCHED_DEADLINE. */
const NUMBERS = { other: 0, fifo: 1, roundRobin: 2, deadline: 6 } as const;
/** How many numbers make up a policy: see NativeRealtime. */
export const POLICY_NUMBERS = 6;

/** As the addon takes it. */
export function writePolicy(policy: Policy): Float64Array {
  const numbers = new Float64Array(POLICY_NUMBERS);
  numbers[0] = NUMBERS[policy.kind];
  if (policy.kind === 'other') numbers[1] = policy.nice ?? 0;
  else if (policy.kind === 'deadline') numbers.set([policy.runtimeNs, policy.deadlineNs, policy.periodNs], 3);
  else numbers[2] = policy.priority;
  return numbers;
}

/**
 * Reads what the addon has written. SCHED_BATCH and SCHED_IDLE, which Percore never asks for, count as the usual one.
 */
export function readPolicy(numbers: Float64Array): Policy {
  const [number, nice, priority, runtimeNs, deadlineNs, periodNs] = numbers as unknown as [
    number, number, number, number, number, number,
  ];
  if (number === NUMBERS.fifo || number === NUMBERS.roundRobin) {
    return { kind: number === NUMBERS.fifo ? 'fifo' : 'roundRobin', priority };
  }
  if (number === NUMBERS.deadline) return { kind: 'deadline', runtimeNs, deadlineNs, periodNs };
  return { kind: 'other', nice };
}
