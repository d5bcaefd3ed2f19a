/**
 * The counters page: a file in memory that shows other processes what this one counts. `percore top` reads it, and so
 * can any language that maps files; examples/observe/ has readers in Python and in C.
 *
 *      parties' shared words, histograms, lanes, queues --copied by a thread, each `everyMs`--> /dev/shm/percore-<pid>
 *
 * Why a copy, and not the words themselves: the words lie in memory that belongs to isolates and cannot be mapped by
 * others, and mapping a file into each thread instead would turn every counter into a call of native code. A copy costs
 * the reactors nothing. Why a thread of its own: the page must go on while the main thread is blocked, since that is
 * when people look at it. A thread in the addon would have to do all this again in C++, and would be missing without
 * the addon.
 *
 * A reader sees one moment: `sequence` is odd while the page is written, and has changed if it was written in between
 * (a sequence lock; source: the kernel's seqlock). The text of the page names every field, so no reader needs this
 * table.
 */
import { closeSync, fstatSync, lstatSync, openSync, unlinkSync } from 'node:fs';
import { resolve } from 'node:path';
import { checkInteger, checkOptions, invalidArgument, PercoreError } from '../errors.js';
import type { Runtime } from '../reactor/index.js';
import { checkOpen, controllerOf } from '../reactor/internal.js';
import { checkRateState } from '../timers/internal.js';
import { PagePublisher } from './page-publisher.js';
import { ReactorRows } from './page-reactors.js';
import { removeStalePages } from './page-reader.js';
import { shownOf } from './shown.js';
import { untilClosed } from './until-closed.js';

export interface PageOptions {
  /** Where the file is made; it must not exist yet. Default /dev/shm/percore-<pid>, with -2 for a second one. */
  readonly path?: string;
  /** How often it is written: 10 to 60,000, default 250. */
  readonly everyMs?: number;
  /**
   * States of rate controllers by name: each was made by `createRateState` of percore/timers and passed to a
   * controller.
   */
  readonly rates?: Readonly<Record<string, Float64Array>>;
}
/** A page that is being written. */
export interface CountersPage {
  /** Where the file lies, for whoever maps it. */
  readonly path: string;
  /**
   * Writes it now. Blocks until it is written: for some ten microseconds, at most a second. Throws ERR_PERCORE_SYSTEM
   * where this thread is the writer and its file system takes no more.
   */
  publish(): void;
  /** Removes it, as the end of the runtime and that of the process do. A second call does nothing. */
  close(): void;
}

const FOLDER = '/dev/shm';
const MOST_PAGES = 64;
/**
 * Shows the counters of a runtime to other processes of the same user (mode 0600). First removes pages of processes
 * that have died. The page has figures of tasks if the runtime was made with `metrics`, and the queues that `showQueue`
 * names. A thread of its own writes it, so it goes on while the main thread is blocked; if none can be started, the
 * main thread writes it. Does not keep the program running. Throws ERR_PERCORE_SYSTEM if the file cannot be made,
 * ERR_PERCORE_CLOSED, or ERR_PERCORE_INVALID_ARGUMENT.
 *
 *     const page = publishCounters(runtime, { everyMs: 100 });     // $ percore top --once --json
 */
export function publishCounters(runtime: Runtime, options: PageOptions = {}): CountersPage {
  const controller = controllerOf(runtime);
  const { path, everyMs = 250, rates = {} } = checkOptions('options', options, ['path', 'everyMs', 'rates']);
  checkInteger('everyMs', everyMs, 10, 60_000);
  if (path !== undefined && (typeof path !== 'string' || path === '')) throw invalidArgument('path', path, 'a path');
  if (typeof rates !== 'object' || rates === null || Array.isArray(rates)) {
    throw invalidArgument('rates', rates, 'an object with states of rate controllers by name');
  }
  for (const [name, state] of Object.entries(rates)) checkRateState(`rates.${name}`, state);
  checkOpen(controller, 'publishCounters');
  removeStalePages(FOLDER);
  const opened = path === undefined ? openFree() : openAt(resolve(path));
  const { pages, queues } = shownOf(controller);
  const { reactors, laneBytes, inboxes, figures, topics, originNs } = controller.shared;
  const rows = new ReactorRows(controller);
  let publisher: PagePublisher;
  try {
    publisher = new PagePublisher(opened.fd, opened.path, {
      shared: { reactors, laneBytes, inboxes, figures, topics, originNs }, reactors: rows.memory, rates, everyMs,
      classes: controller.settings.classes.map(({ name, priority }) => ({ name, priority })),
    });
  } catch (cause) {
    // The folder has no room for it.
    rows.close();
    remove(opened);
    throw failed(opened.path, 'made', 'write', cause as NodeJS.ErrnoException);
  }
  for (const [name, queue] of queues) publisher.setQueue(name, queue);
  publisher.start();
  pages.add(publisher);
  let isClosed = false;
  const close = untilClosed(controller, () => {
    isClosed = true;
    pages.delete(publisher);
    rows.close();
    openPages.delete(close);
    if (openPages.size === 0) process.off('exit', closeAll);
    try {
      // Whoever has mapped it still sees that it is closed.
      publisher.end();
    } catch {
      // There is no room to say so: somebody has made the file shorter.
    }
    remove(opened);
  });
  if (openPages.size === 0) process.on('exit', closeAll);
  openPages.add(close);
  const publish = (): void => {
    if (isClosed) return;
    rows.look();
    try {
      publisher.publish();
    } catch (cause) {
      throw failed(opened.path, 'written', 'write', cause as NodeJS.ErrnoException);
    }
  };
  return { path: opened.path, publish, close };
}

interface OpenPage {
  readonly path: string;
  readonly fd: number;
}

/** Those of all runtimes, closed by one listener, since Node takes many of them for a leak. */
const openPages = new Set<() => void>();
const closeAll = (): void => openPages.forEach((close) => close());

/** Closes the file and removes it, unless another one has taken its name. */
function remove({ path, fd }: OpenPage): void {
  try {
    if (fstatSync(fd).ino === lstatSync(path).ino) unlinkSync(path);
  } catch {
    // Somebody has already removed it, or the file system is gone: there is nothing left to remove.
  }
  closeSync(fd);
}

/** The first name of this process that is free. */
function openFree(): OpenPage {
  for (let i = 1; ; i++) {
    const path = `${FOLDER}/percore-${process.pid}${i === 1 ? '' : `-${i}`}`;
    try {
      return openAt(path);
    } catch (error) {
      if ((error as { errno?: string }).errno !== 'EEXIST' || i === MOST_PAGES) throw error;
    }
  }
}

function openAt(path: string): OpenPage {
  try {
    return { path, fd: openSync(path, 'wx+', 0o600) };
  } catch (cause) {
    throw failed(path, 'made', 'open', cause as NodeJS.ErrnoException);
  }
}

function failed(path: string, what: 'made' | 'written', syscall: string, cause: NodeJS.ErrnoException): PercoreError {
  const { code = 'UNKNOWN', message } = cause;
  const hint = code === 'EEXIST' ? 'it already exists: name another path, or remove it' : message;
  return new PercoreError(
    'ERR_PERCORE_SYSTEM', `the counters page ${path} cannot be ${what}: ${hint}`,
    { argument: 'path', value: path, errno: code, syscall, cause },
  );
}
