/**
 * Which source a thread's I/O is to have where the user leaves it to `auto`: decided by what is measured, and never a
 * refusal, since nothing was asked for that could be refused.
 *
 *     asked 'auto' ──> an old kernel, a system call that costs little, a refusal ──> epoll
 *                 └──> else ──> io_uring
 *
 * io_uring replaces the two system calls that a request takes by a share of one, and pays for that by completions that
 * the kernel has to make, and by an eventfd where the thread sleeps. So it gains what system calls cost, which depends
 * on the machine (mitigations of the processor's faults, filters of a container) and not on the program. Measured:
 * docs/decisions/2026-11-29-io-auto.md.
 */
import { release } from 'node:os';
import { checkOneOf } from '../errors.js';
import { native, type Native } from '../native.js';

export type IoSource = 'epoll' | 'io_uring';

/** What may be asked for. */
export type AskedIoSource = IoSource | 'auto';

/** What was asked for, what is to be opened, and, of `auto`, why. */
export interface SourceChoice {
  readonly asked: AskedIoSource;
  readonly wanted: IoSource;
  readonly decision: string | undefined;
}

/** What `auto` looks at. */
export interface SourceFacts {
  /** As `uname -r` says it. */
  readonly kernel: string;
  /** What a system call takes; undefined where the backend cannot tell. */
  readonly callNs: number | undefined;
  /** Whether io_uring is refused: the errno's name, or undefined. Asked only when it would be taken. */
  readonly refusal: () => string | undefined;
}

/** From here on io_uring is worth it: see the decision page. */
const LEAST_CALL_NS = 250;
/** Completions that are made when they are asked for (IORING_SETUP_DEFER_TASKRUN). */
const LEAST_KERNEL = [6, 1] as const;

export const SOURCES: readonly AskedIoSource[] = ['auto', 'epoll', 'io_uring'];

/** What `auto` means here. */
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

/** The choice of this thread, measured once. */
let automatic: Omit<SourceChoice, 'asked'> | undefined;

/** Throws ERR_PERCORE_INVALID_ARGUMENT. The first `auto` of a thread measures, which takes 30 to 300 µs. */
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
