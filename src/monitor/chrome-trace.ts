/**
 * What ran in the last seconds, in the trace format of Chrome, which Perfetto and the browser's own viewer can open: a
 * track for each reactor, a slice for each run of a task, and an arrow from the sender of a message to the run that
 * took it. Collections have a track of their own, since Node tells their times by another clock, and slices of one
 * track must lie within each other.
 *
 *      reactor 0  [ gateway ]--\            [ gateway ]
 *      reactor 1                \-->[ orders ]
 *      collections of reactor 1      [scavenge]
 *
 * Source of the format: "Trace Event Format", the Chromium project.
 */
import { checkBoolean, checkInteger, checkOptions } from '../errors.js';
import { COLLECTION, OUTSIDE, OUTSIDE_TURNS, type FigureTable, type TraceSpan } from '../observe/internal.js';
import type { Runtime } from '../reactor/index.js';
import { controllerOf } from '../reactor/internal.js';
import { COLLECTION_NAMES } from '../scheduling/internal.js';
import { tablesOf } from './metrics.js';

/** One event; times are in microseconds. */
export interface ChromeTraceEvent {
  /** 'X' is a slice, 's' and 'f' are the two ends of an arrow, 'i' is a moment, 'M' is a name. */
  readonly ph: 'X' | 's' | 'f' | 'i' | 'M';
  /** The name of the task, or of the track. */
  readonly name: string;
  /** Its category, by which viewers filter. */
  readonly cat?: string;
  /** When it began, in microseconds. */
  readonly ts?: number;
  /** How long it took, in microseconds. */
  readonly dur?: number;
  /** The process. */
  readonly pid: number;
  /** The track: the number of the reactor and 1, or that of its collections. */
  readonly tid: number;
  /** For an arrow: both of its ends have the same id. */
  readonly id?: number;
  /** 'e': the arrow ends at the slice that lies around it. */
  readonly bp?: 'e';
  /** How far a moment reaches: 't' means its thread. */
  readonly s?: 't';
  /** What a viewer shows of it besides. */
  readonly args?: Readonly<Record<string, string | number>>;
}
export interface ChromeTrace {
  /** How viewers show times. */
  readonly displayTimeUnit: 'ns';
  /** The slices, arrows and names of tracks. */
  readonly traceEvents: readonly ChromeTraceEvent[];
}

/**
 * Lets all threads of a runtime keep their last 16,384 runs, or ends that. The runtime must have been made with
 * `metrics`. A thread follows within a millisecond of work; while it keeps its runs, each costs some nanoseconds more.
 * Throws ERR_PERCORE_INVALID_ARGUMENT.
 *
 *     traceTasks(runtime);
 *     setTimeout(() => writeFileSync('trace.json', JSON.stringify(chromeTrace(runtime))), 3000);
 */
export function traceTasks(runtime: Runtime, isOn = true): void {
  const { main } = controllerOf(runtime);
  checkBoolean('isOn', isOn);
  for (const { table } of tablesOf(main, runtime)) table.setTracing(isOn);
}

/**
 * What ran in the last `lastMs` (1 to 600,000, default 5,000), as far as it was kept since `traceTasks`, and the last
 * events of the main thread. Runs of one task that follow each other within 2 µs are merged, unless each has a sender.
 * Reads shared memory and blocks nobody; allocates. Throws ERR_PERCORE_INVALID_ARGUMENT.
 */
export function chromeTrace(runtime: Runtime, options: { readonly lastMs?: number } = {}): ChromeTrace {
  const { main, members } = controllerOf(runtime);
  const { lastMs = 5000 } = checkOptions('options', options, ['lastMs']);
  checkInteger('options.lastMs', lastMs, 1, 600_000);
  const sinceNs = main.nowNs() - lastMs * 1e6;
  const { pid } = process;
  const tracks = tablesOf(main, runtime).map(({ id, table }) => {
    const all = table.trace().since(sinceNs);
    return {
      id, table, spans: all.filter(({ what }) => what > COLLECTION),
      collections: all.filter(({ what }) => what <= COLLECTION).sort((a, b) => a.fromNs - b.fromNs),
    };
  });
  const events: ChromeTraceEvent[] = [{ ph: 'M', name: 'process_name', pid, tid: 0, args: { name: `percore ${pid}` } }];
  let arrows = 0;
  for (const { id, table, spans, collections } of tracks) {
    if (id !== main.id && members[id] === undefined) continue;
    const tid = id + 1;
    const name = id === main.id ? 'main thread' : `reactor ${id}`;
    events.push(
      { ph: 'M', name: 'thread_name', pid, tid, args: { name } },
      { ph: 'M', name: 'thread_sort_index', pid, tid, args: { sort_index: id } },
    );
    for (const span of spans) {
      const { fromNs, toNs, readyNs, sender } = span;
      const waitedUs = (fromNs - readyNs) / 1e3;
      events.push({
        ph: 'X', name: nameOf(span, table), cat: span.what >= 0 ? 'task' : 'other', pid, tid, ts: fromNs / 1e3,
        dur: (toNs - fromNs) / 1e3, args: { waitedUs: Math.max(0, waitedUs), sender },
      });
      if (sender < 0 || sender === id) continue;
      const source = runBefore(tracks[sender]?.spans ?? [], readyNs);
      if (source === undefined) continue;
      const arrow = { name: 'message', cat: 'message', pid, id: ++arrows };
      events.push(
        { ...arrow, ph: 's', tid: sender + 1, ts: Math.min(readyNs, source.toNs, fromNs) / 1e3 },
        { ...arrow, ph: 'f', bp: 'e', tid, ts: fromNs / 1e3 },
      );
    }
    events.push(...collectionTrack(collections, name, { pid, tid: tracks.length + tid, id }));
  }
  for (const { ns, what, detail } of main.flight.events()) {
    if (ns < sinceNs) continue;
    events.push({ ph: 'i', s: 't', name: what, cat: 'flight', pid, tid: main.id + 1, ts: ns / 1e3, args: { detail } });
  }
  return { displayTimeUnit: 'ns', traceEvents: events };
}

/** Collections of one party; no track if there were none. */
function collectionTrack(
  collections: readonly TraceSpan[], of: string, { pid, tid, id }: { pid: number; tid: number; id: number },
): ChromeTraceEvent[] {
  if (collections.length === 0) return [];
  return [
    { ph: 'M', name: 'thread_name', pid, tid, args: { name: `collections of ${of}` } },
    { ph: 'M', name: 'thread_sort_index', pid, tid, args: { sort_index: id } },
    ...collections.map(({ what, fromNs, toNs }): ChromeTraceEvent => ({
      ph: 'X', name: COLLECTION_NAMES[COLLECTION - what]!, cat: 'collection', pid, tid, ts: fromNs / 1e3,
      dur: (toNs - fromNs) / 1e3,
    })),
  ];
}

/** The last run that began before `ns`. */
function runBefore(spans: readonly TraceSpan[], ns: number): TraceSpan | undefined {
  let low = 0;
  let high = spans.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (spans[middle]!.fromNs <= ns) low = middle + 1;
    else high = middle;
  }
  return spans[low - 1];
}

function nameOf({ what }: TraceSpan, table: FigureTable): string {
  if (what === OUTSIDE_TURNS) return OUTSIDE;
  return what < 0 ? `timers and handlers of band ${-1 - what}` : (table.slots()[what]?.name ?? `task ${what}`);
}
