/**
 * Chooses the source of a thread's I/O where the user leaves it to `auto`. The choice rests on a measurement. It never
 * counts as a refusal, because the user has asked for nothing that could be refused.
 *
 *     asked 'auto' ──> an old kernel, a system call that costs little, a refusal ──> epoll
 *                 └──> otherwise ──> io_uring
 *
 * With io_uring a request costs a share of one system call and not two calls of its own. In exchange the kernel has to
 * make completions, and an eventfd where the thread sleeps. So the gain depends on what a system call costs, which is a
 * property of the machine (mitigations of processor faults, filters of a container) and not of the program. The figures
 * are in docs/decisions/2026-11-29-io-auto.md.
 */
import { release } from 'node:os';
import { checkOneOf } from '../errors.js';
import { native, type Native } from '../native.js';

/** What tells a thread of its I/O: epoll, or io_uring, which needs Linux 6.1. */
export type IoSource = 'epoll' | 'io_uring';

/** What a user may ask for. */
export type AskedIoSource = IoSource | 'auto';

/** What was asked for and what is to be opened; for `auto` also why. */
export interface SourceChoice {
  readonly asked: AskedIoSource;
  readonly wanted: IoSource;
  readonly decision: string | undefined;
}

/** The facts that `auto` looks at. */
export interface SourceFacts {
  /** The kernel's version, as `uname -r` prints it. */
  readonly kernel: string;
  /** Nanoseconds that a system call takes; undefined where the backend cannot tell. */
  readonly callNs: number | undefined;
  /** The name of the errno with which io_uring is refused, or undefined. Called only when io_uring would be taken. */
  readonly refusal: () => string | undefined;
}

/** From this cost on io_uring is worth it; the decision page has the figures. */
const LEAST_CALL_NS = 250;
/** The first kernel that makes completions only when asked (IORING_SETUP_DEFER_TASKRUN). */
const LEAST_KERNEL = [6, 1] as const;

export const SOURCES: readonly AskedIoSource[] = ['auto', 'epoll', 'io_uring'];

/** What `auto` chooses, given these facts. */
export function decideSource({ kernel, callNs, refusal }: SourceFacts): Omit<SourceChoice, 'asked'> {
  const epoll = (why: string): Omit<SourceChoice, 'asked'> => ({
    wanted: 'epoll', decision: `io 'auto': epoll, ${why}`,
  });
  if (callNs === undefined) return epoll('the only source of this backend');
  const [major = 0, minor = 0] = kernel.split('.').map((part) => Number.parseInt(part, 10));
  if (major < LEAST_KERNEL[0] || (major === LEAST_KERNEL[0] && minor < LEAST_KERNEL[1])) {
    return epoll(`since io_uring needs Linux ${LEAST_KERNEL.join('.')} and this is ${kernel}`);
  }
  const cost = `a system call takes ${(callNs / 1000).toFixed(2)} us`;
  const least = `${(LEAST_CALL_NS / 1000).toFixed(2)} us`;
  if (callNs < LEAST_CALL_NS) return epoll(`since ${cost}, less than the ${least} from which io_uring gains`);
  const refused = refusal();
  if (refused !== undefined) return epoll(`since io_uring is refused here (${refused}), although ${cost}`);
  return { wanted: 'io_uring', decision: `io 'auto': io_uring, since ${cost}, and it gains from ${least} on` };
}

/** The choice of this thread, which is measured once. */
let automatic: Omit<SourceChoice, 'asked'> | undefined;

/**
 * Checks what was asked for and resolves `auto`. The first `auto` of a thread measures for 30 to 300 µs. Throws
 * ERR_PERCORE_INVALID_ARGUMENT.
 */
export function chooseSource(argument: string, given: AskedIoSource = 'auto'): SourceChoice {
  const asked = checkOneOf(argument, given, SOURCES);
  if (asked !== 'auto') return { asked, wanted: asked, decision: undefined };
  automatic ??= decideSource(factsOf(native()));
  return { asked, ...automatic };
}

function factsOf({ system, sources }: Native): SourceFacts {
  return {
    kernel: release(),
    callNs: system.callNs?.(),
    refusal: () => {
      const error = -(sources.probe?.() ?? 0);
      return error === 0 ? undefined : system.errorName(error);
    },
  };
}
