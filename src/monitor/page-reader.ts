/** Reads counters pages: those that there are, one of them, and which are left of processes that have died. */
import { closeSync, constants, openSync, readFileSync, readSync, readdirSync, unlinkSync } from 'node:fs';
import { PercoreError } from '../errors.js';
import { readFigures, type FiguresOf } from '../figures.js';
import {
  PAGE_MAGIC, PAGE_RESPONSES, PAGE_VERSION, ioCountersLayout, pageLayout, pageTaskLayout, partyLayout,
  timerCountersLayout,
} from '../layout.js';
import type { BoundedFigure, TaskMetrics } from './metrics.js';
import { byFigure } from './metrics.js';
import { startTicksOf } from '../process-start.js';

/** A page as it was at one moment. */
export interface PageSnapshot {
  readonly path: string;
  readonly pid: number;
  /** Nanoseconds of CLOCK_MONOTONIC. */
  readonly publishedNs: number;
  readonly everyMs: number;
  readonly isClosed: boolean;
  /** The main thread comes last. */
  readonly parties: readonly PagePartyFigures[];
  readonly tasks: readonly (TaskMetrics & {
    readonly cause: string;
    /** How many responses took how long: below 2^10 ns, from there below 2^12, and so on; the last are the rest. */
    readonly responses: readonly number[];
  })[];
}
export type PagePartyFigures =
  & FiguresOf<typeof partyLayout.fields> & FiguresOf<typeof ioCountersLayout.fields>
  & FiguresOf<typeof timerCountersLayout.fields>;

export const PAGE_FOLDER = '/dev/shm';
const NAME = /^percore-\d+(?:-\d+)?$/;
const header = pageLayout.fields;
const task = pageTaskLayout.fields;
/** A page is being written for microseconds. */
const MOST_TRIES = 1000;

/** The pages of living processes in a folder. */
export function findPages(folder: string = PAGE_FOLDER): { readonly path: string; readonly pid: number }[] {
  return readdirSync(folder).filter((name) => NAME.test(name)).flatMap((name) => {
    const path = `${folder}/${name}`;
    const found = headOf(path);
    return found !== undefined && isAlive(found) ? [{ path, pid: found.pid }] : [];
  });
}

/** Removes the pages of processes that have died. Those of other users stay. */
export function removeStalePages(folder: string = PAGE_FOLDER): void {
  let names: string[] = [];
  try {
    names = readdirSync(folder).filter((name) => NAME.test(name));
  } catch {
    // No such folder: there is nothing to remove, and who makes a page is told why it cannot.
  }
  for (const name of names) {
    const path = `${folder}/${name}`;
    const found = headOf(path);
    if (found === undefined || isAlive(found)) continue;
    try {
      unlinkSync(path);
    } catch {
      // Another's, or gone meanwhile.
    }
  }
}

/** Reads one page. Throws ERR_PERCORE_SYSTEM for what is none, or of another version, or is never left alone. */
export function readPage(path: string): PageSnapshot {
  for (let tries = 0; tries < MOST_TRIES; tries++) {
    const bytes = readFileSync(path);
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
    if (bytes.length < pageLayout.bytes || view.getInt32(header.magic.at, true) !== PAGE_MAGIC) {
      throw wrongPage(path, 'it is no counters page');
    }
    const version = view.getInt32(header.version.at, true);
    if (version !== PAGE_VERSION) throw wrongPage(path, `its version is ${version}, and ${PAGE_VERSION} is read here`);
    const sequence = view.getInt32(header.sequence.at, true);
    // It must have stood still from before the bytes were read to after that.
    if (sequence % 2 === 0 && sequenceOf(path) === sequence) return parse(path, bytes, view);
  }
  throw wrongPage(path, 'it is being written all the time');
}

function parse(path: string, bytes: Buffer, view: DataView): PageSnapshot {
  const int = (at: number): number => view.getInt32(at, true);
  const real = (at: number): number => view.getFloat64(at, true);
  const partiesAt = int(header.partiesAt.at);
  const parties = Array.from({ length: int(header.parties.at) }, (_, id) => {
    const at = partiesAt + id * partyLayout.bytes;
    const from = bytes.byteOffset + at;
    const numbers = new Float64Array(bytes.buffer.slice(from, from + partyLayout.bytes));
    return {
      ...readFigures(partyLayout.fields, numbers),
      ...readFigures(ioCountersLayout.fields, numbers, partyLayout.fields.io.at),
      ...readFigures(timerCountersLayout.fields, numbers, partyLayout.fields.timers.at),
    };
  });
  const tasks = Array.from({ length: int(header.tasks.at) }, (_, place) => {
    const at = int(header.tasksAt.at) + place * pageTaskLayout.bytes;
    const text = (field: { readonly at: number }, length: number): string =>
      bytes.toString('utf8', at + field.at, at + field.at + length);
    const figure = (kind: number): BoundedFigure => {
      const of = (field: { readonly at: number }): number => real(at + field.at + kind * 8);
      return {
        count: of(task.count), minNs: of(task.minNs), meanNs: of(task.meanNs), p50Ns: of(task.p50Ns),
        p99Ns: of(task.p99Ns), p999Ns: of(task.p999Ns), maxNs: of(task.maxNs), boundNs: of(task.boundNs) || undefined,
        violations: of(task.violations),
      };
    };
    return {
      party: int(at + task.party.at), name: text(task.name, int(at + task.nameBytes.at)),
      priority: int(at + task.band.at), steps: real(at + task.steps.at), messages: real(at + task.messages.at),
      depth: real(at + task.depth.at), refused: real(at + task.refused.at), errors: real(at + task.errors.at),
      again: real(at + task.again.at), restarts: 0, figures: byFigure(figure),
      responses: Array.from({ length: PAGE_RESPONSES }, (_unused, i) => real(at + task.responses.at + i * 8)),
      cause: text(task.cause, int(at + task.causeBytes.at)),
    };
  });
  return {
    path, pid: int(header.pid.at), publishedNs: real(header.publishedNs.at), everyMs: int(header.everyMs.at),
    isClosed: int(header.isClosed.at) !== 0, parties, tasks,
  };
}

interface PageHead { readonly pid: number; readonly startTicks: number; readonly sequence: number }

/** Undefined for what is no page of this version, or cannot be read. */
function headOf(path: string): PageHead | undefined {
  let fd = -1;
  try {
    fd = openSync(path, constants.O_RDONLY | constants.O_NOFOLLOW);
    const bytes = Buffer.alloc(pageLayout.bytes);
    const count = readSync(fd, bytes, 0, bytes.length, 0);
    if (count < bytes.length || bytes.readInt32LE(header.magic.at) !== PAGE_MAGIC) return undefined;
    return {
      pid: bytes.readInt32LE(header.pid.at), startTicks: bytes.readDoubleLE(header.startTicks.at),
      sequence: bytes.readInt32LE(header.sequence.at),
    };
  } catch {
    // Another's, or gone.
    return undefined;
  } finally {
    if (fd >= 0) closeSync(fd);
  }
}

const sequenceOf = (path: string): number | undefined => headOf(path)?.sequence;
const isAlive = ({ pid, startTicks }: PageHead): boolean => startTicksOf(pid) === startTicks;

function wrongPage(path: string, why: string): PercoreError {
  return new PercoreError('ERR_PERCORE_SYSTEM', `the counters page ${path} cannot be read: ${why}`, { value: path });
}
