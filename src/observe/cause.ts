/**
 * Why something was late: of all that may have held it up, whatever took the largest part of its time, if that is at
 * least half. If it is less, nothing is named: "not known" is better than wrong.
 *
 *      ready ---- others run, the collector, callbacks of Node, sleep ----> starts ---- its own step ----> done
 *                 \______ the kernel runs something else, or the process is stopped: anywhere in between _/
 */

/** A time in which something held the thread. */
export interface Span {
  /** The task, or the kind of a collection. */
  readonly what: string;
  /** Its beginning, by the clock of the runtime. */
  readonly fromNs: number;
  /** Its end. */
  readonly toNs: number;
}

export type CauseKind =
  | 'queuedBehind' | 'longStep' | 'collection' | 'outsideOfTurns' | 'notScheduled' | 'stopped' | 'asleep'
  | 'notKnown';

/** What was to blame, and for how much of the time. */
export interface Cause {
  /** What took the largest part of the time, and at least half of it. */
  readonly kind: CauseKind;
  /** The task that ran, or the kind of collection; '' if there is no name to give. */
  readonly what: string;
  /** How long that was. */
  readonly ns: number;
}

/** What is known about one value. */
export interface Evidence {
  readonly task: string;
  readonly readyNs: number;
  readonly startNs: number;
  readonly endNs: number;
  /** What ran on the thread, including `outside`. */
  readonly ran: readonly Span[];
  readonly collections: readonly Span[];
  /** For how long the kernel let the thread wait for a CPU in this time. */
  readonly runDelayNs: number;
  /** For how long the whole process stood still in this time. */
  readonly stoppedNs: number;
  /** When somebody woke the thread, and when it was awake; 0 if nobody did. */
  readonly wokenNs: number;
  readonly awakeNs: number;
}

/** What the time of Node's own callbacks is called in `ran`. */
export const OUTSIDE = 'callbacks of Node between turns';

/** The cause, and how much of the time each kind took. */
export function causeOf(evidence: Evidence): { readonly cause: Cause; readonly shares: Record<CauseKind, number> } {
  const { task, readyNs, startNs, endNs, ran, collections, runDelayNs, stoppedNs, wokenNs, awakeNs } = evidence;
  const within = ({ fromNs, toNs }: Span, from: number, to: number): number =>
    Math.max(0, Math.min(toNs, to) - Math.max(fromNs, from));
  const whole = endNs - readyNs;
  let outside = 0;
  let others = 0;
  const byName = new Map<string, number>();
  for (const span of ran) {
    const ns = within(span, readyNs, startNs);
    if (span.what === OUTSIDE) outside += ns;
    else if (ns > 0) {
      others += ns;
      byName.set(span.what, (byName.get(span.what) ?? 0) + ns);
    }
  }
  let collected = 0;
  let collector = '';
  let longest = 0;
  for (const span of collections) {
    const ns = within(span, readyNs, endNs);
    collected += ns;
    if (ns > longest) [longest, collector] = [ns, span.what];
  }
  const asleep = wokenNs >= readyNs && awakeNs > wokenNs ? Math.min(awakeNs, startNs) - wokenNs : 0;
  const first = [...byName].sort(([, a], [, b]) => b - a)[0];
  const shares: Record<CauseKind, number> = {
    queuedBehind: others, longStep: endNs - startNs, collection: collected, outsideOfTurns: outside,
    notScheduled: Math.min(whole, runDelayNs), stopped: Math.max(0, Math.min(whole, stoppedNs)),
    asleep: Math.max(0, asleep), notKnown: 0,
  };
  const named = (kind: CauseKind, what = ''): { cause: Cause; shares: typeof shares } =>
    ({ cause: { kind, what, ns: shares[kind] }, shares });
  // These lie within the time of the others, so they come first. What stops the process stops whatever it is about, and
  // a collection that the kernel stops goes on afterwards, so that its time contains that of the kernel.
  if (shares.stopped >= whole / 2) return named('stopped');
  if (shares.notScheduled >= whole / 2) return named('notScheduled');
  if (shares.collection >= whole / 2) return named('collection', collector);
  const kinds = ['queuedBehind', 'longStep', 'outsideOfTurns', 'asleep'] as const;
  const largest = kinds.reduce((best, kind) => (shares[kind] > shares[best] ? kind : best));
  if (shares[largest] < whole / 2) {
    shares.notKnown = whole;
    return named('notKnown');
  }
  return named(largest, largest === 'queuedBehind' ? first![0] : largest === 'longStep' ? task : '');
}
