/**
 * The watch for steps that do not end, as the main thread sees it: made with the runtime, joined by each party, its
 * threshold changed while it runs. native/stall_watch.h is the thread that watches.
 */
import { channel } from 'node:diagnostics_channel';
import { checkInteger, checkOptions } from '../errors.js';
import { native } from '../native.js';
import type { StallReport } from '../observe/index.js';

export interface StallOptions {
  /** A step that lasts longer is a stall: 1 to 60,000 ms, default 10; 0 to watch for none at present. */
  readonly thresholdMs?: number;
  /** How many stalls are reported a minute, with their stacks: 0 to 1,000, default 5. All are counted. */
  readonly reportsPerMinute?: number;
}
/** What `status()` says about it. */
export interface StallStatus extends Required<StallOptions> {
  /** Why nobody is watched though it was asked for. */
  readonly refusal: string | undefined;
}

/** For those who listen to all runtimes of the process. */
const stalls = channel('percore:stall');
const KEPT = 16;
const MS = 1_000_000;

/** Undefined for none. Throws ERR_PERCORE_INVALID_ARGUMENT. */
export function checkStall(stall: boolean | StallOptions = false): Required<StallOptions> | undefined {
  return stall === false ? undefined : withDefaults(stall === true ? {} : stall, 'stall', DEFAULTS);
}

const DEFAULTS: Required<StallOptions> = { thresholdMs: 10, reportsPerMinute: 5 };

function withDefaults(
  given: StallOptions, argument: string, defaults: Required<StallOptions>,
): Required<StallOptions> {
  const {
    thresholdMs = defaults.thresholdMs, reportsPerMinute = defaults.reportsPerMinute,
  } = checkOptions(argument, given, ['thresholdMs', 'reportsPerMinute']);
  return {
    thresholdMs: checkInteger(`${argument}.thresholdMs`, thresholdMs, 0, 60_000),
    reportsPerMinute: checkInteger(`${argument}.reportsPerMinute`, reportsPerMinute, 0, 1000),
  };
}

/** One of a runtime. */
export class Stalls {
  /** The handle with which threads of the process join it; undefined if nobody is watched. */
  readonly number: number | undefined;
  private readonly recent: StallReport[] = [];
  private refusal: string | undefined;
  private hasBegun = false;

  constructor(
    private asked: Required<StallOptions>, main: number, originNs: number, tell: (report: StallReport) => void,
  ) {
    const { stalls: group } = native();
    const number = group?.create(main, (reactorId, ns, atNs, collectedNs, hasAnswered, isContinued, task, stack) => {
      const report = { reactorId, task, ns, atNs: atNs - originNs, collectedNs, stack, hasAnswered, isContinued };
      if (this.recent.push(report) > KEPT) this.recent.shift();
      if (stalls.hasSubscribers) stalls.publish(report);
      tell(report);
    });
    if (number !== undefined && number > 0) this.number = number;
    else this.refusal = group === undefined ? 'the portable backend cannot watch other threads' : 'this Node does not '
      + 'export what V8 needs to interrupt a thread (Isolate::RequestInterrupt)';
  }

  /** The runtime has started. */
  begin(): void {
    this.hasBegun = true;
    this.set({});
  }

  set(given: StallOptions): void {
    this.asked = withDefaults(given, 'options', this.asked);
    if (!this.hasBegun || this.number === undefined) return;
    const answer = native().stalls!.set(this.number, this.asked.thresholdMs * MS, this.asked.reportsPerMinute);
    if (answer < 0) this.refusal = `the system gives no thread to watch others (${native().system.errorName(-answer)})`;
  }

  status(): StallStatus {
    return { ...this.asked, refusal: this.refusal };
  }

  /** One of the last reported stalls that held this party's thread in this time. */
  during(reactorId: number, fromNs: number, toNs: number): StallReport | undefined {
    return this.recent.findLast((each) => (
      each.reactorId === reactorId && each.atNs > fromNs && each.atNs - each.ns < toNs
    ));
  }

  close(): void {
    if (this.number !== undefined) native().stalls!.close(this.number);
  }
}
