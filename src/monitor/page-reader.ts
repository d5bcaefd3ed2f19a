/** Reads counters pages: finds them, reads one of them, and removes those that dead processes have left. */
import { accessSync, closeSync, constants, fstatSync, readSync, readdirSync, unlinkSync } from 'node:fs';
import { PercoreError } from '../errors.js';
import { readFigures, type FiguresOf } from '../figures.js';
import {
  PAGE_MAGIC, PAGE_VERSION, ioCountersLayout, pageClassLayout, pageCursorLayout, pageLaneLayout, pageLayout,
  pageQueueLayout, pageRateLayout, pageReactorLayout, pageTaskLayout, pageWayLayout, partyLayout, timerCountersLayout,
  topicRowLayout, type Structure,
} from '../layout.js';
import {
  byFigure, type BoundedFigure, type ClassMetrics, type FigureSummary, type LaneMetrics, type TaskMetrics,
} from './metrics.js';
import { isOfProcess, openPageFile, readHead } from './page-file.js';
import { unpackRow } from './page-rows.js';
import { startTicksOf } from '../process-start.js';
import { topicFigures, type CursorFigures, type LaneFigures, type TopicFigures } from './sources.js';

/** A page as it was at one moment. */
export interface PageSnapshot {
  readonly path: string;
  readonly pid: number;
  /** Nanoseconds of CLOCK_MONOTONIC. */
  readonly publishedNs: number;
  readonly everyMs: number;
  /** The runtime has closed, or its process has ended, even if it was killed. */
  readonly isClosed: boolean;
  /** Rows of any kind for which there was no room. */
  readonly leftOut: number;
  /** The main thread comes last. */
  readonly parties: readonly PagePartyFigures[];
  readonly reactors: readonly PageReactorFigures[];
  /** Those that are declared, then every other band in which something has run. */
  readonly classes: readonly (ClassMetrics & { readonly stepNs: number; readonly collectedNs: number })[];
  readonly tasks: readonly (TaskMetrics & {
    readonly cause: string;
    /**
     * How many responses took how long: below 2^10 ns, from there below 2^12, and so on; the last class has the rest.
     */
    readonly responses: readonly number[];
  })[];
  /** Those that were ever used. */
  readonly lanes: readonly LaneFigures[];
  /** How long messages were under way. */
  readonly ways: readonly LaneMetrics[];
  readonly queues: readonly PageQueueFigures[];
  readonly topics: readonly TopicFigures[];
  readonly rates: readonly PageRateFigures[];
}
/** A reactor as the main thread knows it. */
export interface PageReactorFigures {
  readonly id: number;
  readonly state: string;
  readonly generation: number;
  readonly restarts: number;
  readonly tid: number;
  readonly cpu: number | undefined;
  readonly policy: string;
  readonly idle: string;
  readonly spinNs: number;
  readonly source: string;
  readonly timerSlackNs: number;
  readonly refusals: number;
}
/** A queue that the program shows by `showQueue`. */
export interface PageQueueFigures {
  readonly name: string;
  /** Its kind and backend: 'spsc fixed'. */
  readonly kind: string;
  readonly isClosed: boolean;
  readonly capacity: number;
  readonly depth: number;
  readonly highWater: number;
  readonly published: number;
  readonly consumed: number;
  readonly refused: number;
  readonly dropped: Readonly<Record<'newest' | 'oldest' | 'evicted' | 'closed' | 'tooLarge', number>>;
  readonly consumers: readonly Omit<CursorFigures, 'queue'>[];
}
export interface PageRateFigures {
  readonly name: string;
  readonly rateHz: number;
  readonly lastEmissionNs: number;
  readonly nextEmissionNs: number;
  readonly p99JitterNs: number;
  readonly maxJitterNs: number;
}
export type PagePartyFigures =
  & FiguresOf<typeof partyLayout.fields> & FiguresOf<typeof ioCountersLayout.fields>
  & FiguresOf<typeof timerCountersLayout.fields>;

export interface FoundPage {
  readonly path: string;
  readonly pid: number;
  /** When the runtime began: two pages of one process may show the same one. */
  readonly originNs: number;
}

export const PAGE_FOLDER = '/dev/shm';
const NAME = /^percore-\d+(?:-\d+)?$/;
const header = pageLayout.fields;
/** Writing a page takes microseconds, unless its thread has no CPU. */
const WRITING_MS = 250;
const TRIES_WITHOUT_SLEEP = 10;

/** The pages of living processes in a folder. */
export function findPages(folder: string = PAGE_FOLDER): FoundPage[] {
  return readdirSync(folder).filter((name) => NAME.test(name)).sort().flatMap((name) => {
    const path = `${folder}/${name}`;
    const found = headOf(path);
    return found !== undefined && isAlive(found) ? [{ path, pid: found.pid, originNs: found.originNs }] : [];
  });
}

/** The pages in a folder that this user may not read. */
export function closedPages(folder: string = PAGE_FOLDER): string[] {
  return readdirSync(folder).filter((name) => NAME.test(name)).map((name) => `${folder}/${name}`).filter((path) => {
    try {
      accessSync(path, constants.R_OK);
    } catch (error) {
      return (error as NodeJS.ErrnoException).code === 'EACCES';
    }
    return false;
  });
}

/** Removes the pages of processes that have died. Those of other users stay. */
export function removeStalePages(folder: string = PAGE_FOLDER): void {
  let names: string[] = [];
  try {
    names = readdirSync(folder).filter((name) => NAME.test(name));
  } catch {
    // No such folder: there is nothing to remove, and `publishCounters` says why it cannot make a page.
  }
  for (const name of names) {
    const path = `${folder}/${name}`;
    const found = headOf(path);
    if (found === undefined || isAlive(found)) continue;
    try {
      unlinkSync(path);
    } catch {
      // It belongs to another user, or has gone meanwhile.
    }
  }
}

/**
 * Reads one page. Throws ERR_PERCORE_SYSTEM if it is not a page, has another version, or is being written all the time:
 * with the errno EBUSY if its process lives, so that the page can be read later. Sleeps for at most a quarter of a
 * second.
 */
export function readPage(path: string): PageSnapshot {
  const fd = openPageFile(path, 'read');
  try {
    const again = Buffer.alloc(pageLayout.bytes);
    const endMs = performance.now() + WRITING_MS;
    for (let tries = 0; performance.now() < endMs; tries++) {
      if (tries >= TRIES_WITHOUT_SLEEP) Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 1);
      const bytes = readFileAgain(path, fd);
      const sequence = bytes.readInt32LE(header.sequence.at);
      // It must not have changed between before and after the bytes were read.
      if (sequence % 2 === 0 && readHead(fd, again)?.readInt32LE(header.sequence.at) === sequence)
        return parse(path, bytes);
    }
  } finally {
    closeSync(fd);
  }
  const head = headOf(path);
  if (head === undefined || !isAlive(head)) throw wrongPage(path, 'its process has ended while it wrote it');
  throw wrongPage(path, 'it is being written all the time', 'EBUSY');
}

/** All bytes of a page of this version. */
function readFileAgain(path: string, fd: number): Buffer {
  const bytes = Buffer.alloc(fstatSync(fd).size);
  if (readSync(fd, bytes, 0, bytes.length, 0) < pageLayout.bytes || bytes.readInt32LE(header.magic.at) !== PAGE_MAGIC)
    throw wrongPage(path, 'it is not a counters page');
  const version = bytes.readInt32LE(header.version.at);
  if (version !== PAGE_VERSION) throw wrongPage(path, `its version is ${version}; ${PAGE_VERSION} is needed`);
  return bytes;
}

function parse(path: string, bytes: Buffer): PageSnapshot {
  const head = unpackRow(pageLayout, bytes, 0) as Record<string, number>;
  /** Where each row of a kind begins. They must lie in the page: something else may have written to it. */
  const placesOf = ({ bytes: each }: Structure, name: string): number[] => {
    const [count, at] = [head[name]!, head[`${name}At`]!];
    if (!(count >= 0 && at >= 0 && at + count * each <= bytes.length)) throw wrongPage(path, 'it is damaged');
    return Array.from({ length: count }, (_, i) => at + i * each);
  };
  const rows = <T>(structure: Structure, name: string): T[] =>
    placesOf(structure, name).map((at) => unpackRow(structure, bytes, at) as T);
  const parties = placesOf(partyLayout, 'parties').map((at) => {
    const from = bytes.byteOffset + at;
    const numbers = new Float64Array(bytes.buffer.slice(from, from + partyLayout.bytes));
    return {
      ...readFigures(partyLayout.fields, numbers),
      ...readFigures(ioCountersLayout.fields, numbers, partyLayout.fields.io.at),
      ...readFigures(timerCountersLayout.fields, numbers, partyLayout.fields.timers.at),
    };
  });
  const cursors = rows<CursorFigures>(pageCursorLayout, 'cursors');
  return {
    path, pid: head['pid']!, publishedNs: head['publishedNs']!, everyMs: head['everyMs']!,
    isClosed: head['isClosed'] !== 0 || startTicksOf(head['pid']!) !== head['startTicks'],
    leftOut: head['leftOut']!, parties,
    reactors: rows<ReactorRow>(pageReactorLayout, 'reactors').map(({ party, cpu, ...reactor }) => (
      { id: party, cpu: cpu < 0 ? undefined : cpu, ...reactor })),
    classes: rows<ClassRow>(pageClassLayout, 'classes').map(({ name, band, tasks, steps, stepNs, ...row }) => ({
      name, priority: band, tasks, steps, stepNs, collectedNs: row.collectedNs,
      violations: row.violations.reduce((sum, each) => sum + each, 0), figures: byFigure((kind) => figureOf(row, kind)),
    })),
    tasks: rows<TaskRow>(pageTaskLayout, 'tasks').map((row) => {
      const { party, name, band, steps, messages, depth, refused, errors, again, restarts, responses, cause } = row;
      return {
        party, name, priority: band, steps, messages, depth, refused, errors, again, restarts,
        figures: byFigure((kind): BoundedFigure => ({
          ...figureOf(row, kind), boundNs: row.boundNs[kind]! || undefined, violations: row.violations[kind]!,
        })),
        responses, cause,
      };
    }),
    lanes: rows<LaneRow>(pageLaneLayout, 'lanes').map(({ from, to, band, isReturn, ...counted }) => (
      { from, to, priority: band, isReturn: isReturn !== 0, ...counted })),
    ways: rows<WayRow>(pageWayLayout, 'ways').map(({ party, band, isReturn, ...figure }) => (
      { party, priority: band, isReturn: isReturn !== 0, figure })),
    queues: rows<QueueRow>(pageQueueLayout, 'queues').map((row, number) => {
      const {
        isClosed, consumers: _count, droppedNewest, droppedOldest, droppedEvicted, droppedClosed, droppedTooLarge,
        ...counted
      } = row;
      return {
        ...counted, isClosed: isClosed !== 0,
        dropped: {
          newest: droppedNewest, oldest: droppedOldest, evicted: droppedEvicted, closed: droppedClosed,
          tooLarge: droppedTooLarge,
        },
        consumers: cursors.filter(({ queue }) => queue === number).map(({ queue: _queue, ...cursor }) => cursor),
      };
    }),
    topics: rows<Parameters<typeof topicFigures>[0]>(topicRowLayout, 'topics').map(topicFigures),
    rates: rows<PageRateFigures>(pageRateLayout, 'rates'),
  };
}

type Kinds = Readonly<Record<
  'count' | 'minNs' | 'meanNs' | 'p50Ns' | 'p99Ns' | 'p999Ns' | 'maxNs' | 'violations', readonly number[]
>>;
type Named = { readonly name: string; readonly band: number; readonly steps: number };
type TaskRow = Kinds & Named & Readonly<Record<
  'party' | 'messages' | 'depth' | 'refused' | 'errors' | 'again' | 'restarts', number
>> & { readonly boundNs: readonly number[]; readonly responses: readonly number[]; readonly cause: string };
type ClassRow = Kinds & Named & Readonly<Record<'tasks' | 'stepNs' | 'collectedNs', number>>;
type ReactorRow = Omit<PageReactorFigures, 'id' | 'cpu'> & { readonly party: number; readonly cpu: number };
type LaneRow = Omit<LaneFigures, 'priority' | 'isReturn'> & { readonly band: number; readonly isReturn: number };
type WayRow = FigureSummary & { readonly party: number; readonly band: number; readonly isReturn: number };
type QueueRow = Omit<PageQueueFigures, 'isClosed' | 'consumers' | 'dropped'> & Readonly<Record<
  'isClosed' | 'consumers' | 'droppedNewest' | 'droppedOldest' | 'droppedEvicted' | 'droppedClosed' | 'droppedTooLarge',
  number
>>;

function figureOf(row: Kinds, kind: number): FigureSummary {
  const { count, minNs, meanNs, p50Ns, p99Ns, p999Ns, maxNs } = row;
  return {
    count: count[kind]!, minNs: minNs[kind]!, meanNs: meanNs[kind]!, p50Ns: p50Ns[kind]!, p99Ns: p99Ns[kind]!,
    p999Ns: p999Ns[kind]!, maxNs: maxNs[kind]!,
  };
}

interface PageHead { readonly pid: number; readonly startTicks: number; readonly originNs: number }

/** Undefined for what is no page of this version, cannot be read, or names a process that is another user's. */
function headOf(path: string): PageHead | undefined {
  let fd = -1;
  try {
    fd = openPageFile(path, 'read');
    const bytes = readHead(fd, Buffer.alloc(pageLayout.bytes));
    if (bytes === undefined || bytes.readInt32LE(header.magic.at) !== PAGE_MAGIC) return undefined;
    const pid = bytes.readInt32LE(header.pid.at);
    const startTicks = bytes.readDoubleLE(header.startTicks.at);
    const originNs = bytes.readDoubleLE(header.originNs.at);
    return startTicksOf(pid) !== startTicks || isOfProcess(fd, pid) ? { pid, startTicks, originNs } : undefined;
  } catch {
    // It belongs to another user, is no file, or has gone.
    return undefined;
  } finally {
    if (fd >= 0) closeSync(fd);
  }
}

const isAlive = ({ pid, startTicks }: PageHead): boolean => startTicksOf(pid) === startTicks;

function wrongPage(path: string, why: string, errno?: string): PercoreError {
  const message = `the counters page ${path} cannot be read: ${why}`;
  return new PercoreError('ERR_PERCORE_SYSTEM', message, { value: path, ...(errno === undefined ? {} : { errno }) });
}

/** Whether there will be more to read where `readPage` has thrown this. */
export const isBusy = (error: unknown): boolean => (error as { errno?: unknown }).errno === 'EBUSY';
