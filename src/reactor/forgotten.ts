/**
 * A forgotten close(). A runtime keeps its program running, so if nobody closes it, the program has done its work and
 * still does not end, silently. This looks now and then, and says so once.
 *
 * It is a guess only about time. Nothing is said unless the main thread has nothing left that could ever call it (its
 * loop would end if the runtime did not hold it), every reactor says the same about its own thread, and nothing was
 * sent or run for some seconds. A program that listens, waits for a timer, a step or a signal, or has called `unref`,
 * never gets the warning.
 */
import { native } from '../native.js';

export interface ForgottenHost {
  /**
   * Changes with everything that is sent, received or run; undefined while something is ready, waiting or under way.
   */
  activity(): string | undefined;
  /** Holds the thread's loop, or not. */
  hold(isHeld: boolean): void;
  /** Whether each reactor's thread has nothing of its own left either. */
  areReactorsIdle(): Promise<boolean>;
}

/** Seldom, since a look wakes a thread that may have nothing else to do for hours. */
const LOOK_MS = 1250;
/** How many looks in a row must have found the same. */
const LOOKS = 4;

export class ForgottenWatch {
  private readonly timer: NodeJS.Timeout;
  private before: string | undefined;
  private quietLooks = 0;

  constructor(private readonly host: ForgottenHost) {
    this.timer = setInterval(() => void setImmediate(() => this.look()).unref(), LOOK_MS).unref();
  }

  stop(): void {
    clearInterval(this.timer);
    this.quietLooks = -Infinity;
  }

  private look(): void {
    // The immediate was under way: nobody's hold is touched any more.
    if (this.quietLooks === -Infinity) return;
    const now = this.host.activity();
    const isQuiet = now !== undefined && now === this.before;
    this.before = now;
    this.quietLooks = isQuiet ? this.quietLooks + 1 : 0;
    if (this.quietLooks !== LOOKS) return;
    // The dearer questions last: for who else would keep the loop alive, it must be let go of for a moment.
    if (isWatchedFor() || isHeldByOthers((isHeld) => this.host.hold(isHeld))) this.quietLooks = 0;
    else void this.ask();
  }

  private async ask(): Promise<void> {
    const isIdle = await this.host.areReactorsIdle();
    if (this.quietLooks < LOOKS) return;
    this.quietLooks = 0;
    if (!isIdle) return;
    this.stop();
    process.emitWarning(
      'the program has nothing left to do and does not end, since its runtime is open. End it with '
        + '`await runtime.close()`, declare it with `await using runtime = …`, or call `runtime.unref()` if the '
        + 'program may end in the middle of what reactors do',
      { code: 'PERCORE_NOT_CLOSED' },
    );
  }
}

/** A signal is handled: it may be what the program waits for. */
function isWatchedFor(): boolean {
  return ['SIGINT', 'SIGTERM', 'SIGHUP', 'SIGUSR2'].some((signal) => process.listenerCount(signal) !== 0);
}

/**
 * True when something other than what `hold` releases keeps this thread's loop alive. Call it from an immediate: within
 * a timer's callback the other timers are not in the loop.
 */
export function isHeldByOthers(hold: (isHeld: boolean) => void): boolean {
  hold(false);
  try {
    return native().threads.isLoopAlive();
  } finally {
    hold(true);
  }
}
