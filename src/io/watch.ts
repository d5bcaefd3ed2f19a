/**
 * Changes of files and folders, as inotify reports them. One descriptor serves all watches of a thread, since a user
 * may have only 128 of them.
 *
 *      kernel's queue -> read (16 KiB a step) -> watch number -> the paths that were given that number -> handlers
 *
 * Two paths that lead to the same file share a number; each is told what it asked for. When the kernel's queue
 * overflows, events are lost, and every watch is told `overflow`: read the folder again. Subfolders of a folder are not
 * watched. Source: inotify(7).
 */
import { EAGAIN } from '../errno.js';
import {
  checkBoolean, checkFunction, checkInteger, checkOneOf, checkOptions, invalidArgument, PercoreError,
} from '../errors.js';
import { BANDS, words } from '../layout.js';
import { DEFAULT_BAND, type Ready } from '../scheduling/internal.js';
import { checkPath } from './file-path.js';
import type { IoCore } from './core.js';
import type { Endpoint } from './endpoint.js';
import { tell } from './report.js';

/** The kinds of events that can be asked for, with the kernel's bits. */
const EVENTS = {
  accessed: 0x1, modified: 0x2, attributes: 0x4, closedAfterWrite: 0x8, closed: 0x10, opened: 0x20,
  movedFrom: 0x40, movedTo: 0x80,
  created: 0x100, deleted: 0x200, deletedItself: 0x400, movedItself: 0x800,
} as const;
/** What is reported without being asked for. */
const UNMOUNTED = 0x2000, OVERFLOW = 0x4000, IGNORED = 0x8000, IS_DIRECTORY = 0x4000_0000;
const ONLY_DIRECTORY = 0x100_0000, DO_NOT_FOLLOW = 0x200_0000, MASK_ADD = 0x2000_0000;
const BUFFER_BYTES = 16_384;
/** The head of an inotify_event: wd, mask, cookie, and the length of the name that follows. */
const HEAD_BYTES = 16;

/** A kind of change that can be asked for. */
export type WatchKind = keyof typeof EVENTS;
const KINDS = Object.keys(EVENTS) as WatchKind[];
const DEFAULT_KINDS: readonly WatchKind[] = [
  'created', 'deleted', 'closedAfterWrite', 'movedFrom', 'movedTo', 'deletedItself', 'movedItself',
];

/** One change of a watched path. */
export interface WatchEvent {
  /**
   * What has happened. `overflow` means that events were lost. `gone` means that the file was deleted or unmounted; it
   * is the last event, and the watch is closed.
   */
  readonly kind: WatchKind | 'overflow' | 'unmounted' | 'gone';
  /**
   * The name of the entry inside a watched folder; '' when the event concerns the watched path itself. If the name is
   * not UTF-8, it contains U+FFFD: see `nameBytes`.
   */
  readonly name: string;
  /** The name as the file system has it, which need not be UTF-8. */
  readonly nameBytes: Uint8Array;
  /** In `movedFrom` and `movedTo` of one rename the same number; otherwise 0. */
  readonly cookie: number;
  /** True when the event is about a folder. */
  readonly isDirectory: boolean;
}

/** Options of `io.watchPath`. */
export interface WatchOptions {
  /** What to report. Default: everything except accessed, opened, closed, modified and attributes. */
  events?: readonly WatchKind[];
  /** Refuses anything that is not a folder. Default false. */
  onlyDirectory?: boolean;
  /** Watches a symbolic link itself and not its target. Default false. */
  doNotFollow?: boolean;
  /** The band in which the handler runs, 0 to 7. The first watch of a thread decides it for all. Default 3. */
  priority?: number;
}

/**
 * One watched path. `io.watchPath` makes it; only the thread that made it may use it. If the handler throws, or its
 * promise is rejected, that is reported like the error of a step, and the next events are told all the same.
 *
 *     const watch = io.watchPath('/etc/app', { events: ['closedAfterWrite'] }, ({ name }) => reload(name));
 *     watch.close();
 */
export class PathWatch {
  readonly #entry: WatchEntry;

  /** Called by `watchPath`. */
  constructor(entry: WatchEntry) {
    this.#entry = entry;
  }

  /** The path as it was given. */
  get path(): string {
    return this.#entry.path;
  }

  /** True when nothing more is told: after `close`, or when the path is gone. */
  get isClosed(): boolean {
    return this.#entry.isClosed;
  }

  /** Tells nothing more, not even what the kernel has queued. */
  close(): void {
    this.#entry.close();
  }
}

/** What is behind a `PathWatch`. `number` is the kernel's; several paths to one file share it. */
class WatchEntry {
  isClosed = false;

  constructor(
    private readonly watcher: Watcher, readonly path: string, readonly number: number, private readonly mask: number,
    private readonly handler: (event: WatchEvent) => void,
  ) {}

  close(): void {
    if (this.isClosed) return;
    this.isClosed = true;
    this.watcher.remove(this);
  }

  tell(core: IoCore, mask: number, event: WatchEvent): void {
    if (this.isClosed) return;
    const isToldToAll = event.kind === 'overflow' || event.kind === 'unmounted' || event.kind === 'gone';
    if ((mask & this.mask) !== 0 || isToldToAll) tell(core, this.handler, event, 'the handler of a watched path');
  }
}

class Watcher implements Endpoint, Ready {
  isReady = false;
  token = -1;
  isClosed = false;
  private readonly byNumber = new Map<number, WatchEntry[]>();
  private readonly buffer = new Uint8Array(BUFFER_BYTES);
  private readonly view = new DataView(this.buffer.buffer);
  /** The bytes of the buffer from `at` to `end` are not delivered yet. */
  private at = 0;
  private end = 0;

  constructor(private readonly core: IoCore, private readonly fd: number, readonly band: number) {
    try {
      core.register(this, fd, words.interest.READABLE);
    } catch (error) {
      core.native.descriptors.close(fd);
      throw error;
    }
  }

  add(path: string, mask: number, flags: number, handler: (event: WatchEvent) => void): WatchEntry {
    // MASK_ADD: it is added to what another path to the same file has asked for.
    const number = this.core.native.watches.add(this.fd, path, mask | flags | MASK_ADD);
    if (number < 0) {
      const errno = this.core.native.system.errorName(-number);
      if (this.byNumber.size === 0) this.close();
      const hint = errno === 'ENOSPC' ? '; fs.inotify.max_user_watches is reached' : '';
      const details = { errno, syscall: 'inotify_add_watch' };
      throw new PercoreError('ERR_PERCORE_SYSTEM', `cannot watch ${path}: ${errno}${hint}`, details);
    }
    const watch = new WatchEntry(this, path, number, mask, handler);
    const others = this.byNumber.get(number);
    if (others === undefined) this.byNumber.set(number, [watch]);
    else others.push(watch);
    return watch;
  }

  remove(watch: WatchEntry): void {
    const left = this.byNumber.get(watch.number)?.filter((other) => other !== watch);
    if (left === undefined) return;
    if (left.length !== 0) return void this.byNumber.set(watch.number, left);
    this.byNumber.delete(watch.number);
    // The kernel does not use a number again, so what is queued for this one finds nobody. EINVAL: the file has gone,
    // and the watch went with it.
    this.core.native.watches.remove(this.fd, watch.number);
    if (this.byNumber.size === 0) this.close();
  }

  close(): void {
    if (this.isClosed) return;
    this.isClosed = true;
    const watches = [...this.byNumber.values()].flat();
    // Emptied first, because a watch that is closed must not use the descriptor, whose number may be reused by then.
    this.byNumber.clear();
    this.core.releaseNow(this, this.fd);
    for (const watch of watches) watch.close();
  }

  onReadiness(): void {
    this.core.schedule(this);
  }

  run(): boolean {
    if (this.isClosed) return false;
    if (this.at === this.end) {
      const count = this.core.native.descriptors.read(this.fd, this.buffer, 0, BUFFER_BYTES, words.descriptorWay.PLAIN);
      if (count === -EAGAIN) return false;
      if (count <= 0) {
        this.close();
        const errno = this.core.native.system.errorName(-count);
        const details = { errno, syscall: 'read' };
        const text = `read: ${errno} on inotify; all watches of this thread are closed`;
        throw new PercoreError('ERR_PERCORE_SYSTEM', text, details);
      }
      this.at = 0;
      this.end = count;
    }
    while (this.at < this.end && !this.isClosed) this.deliver();
    return !this.isClosed;
  }

  private deliver(): void {
    const { view, at } = this;
    const number = view.getInt32(at, LITTLE);
    const mask = view.getUint32(at + 4, LITTLE);
    const cookie = view.getUint32(at + 8, LITTLE);
    const length = view.getUint32(at + 12, LITTLE);
    const nameAt = at + HEAD_BYTES;
    this.at = nameAt + length;
    const nul = this.buffer.indexOf(0, nameAt);
    const nameBytes = this.buffer.slice(nameAt, length === 0 ? nameAt : Math.min(nul < 0 ? this.at : nul, this.at));
    const kind = kindOf(mask);
    const name = Buffer.from(nameBytes.buffer).toString();
    const event: WatchEvent = { kind, name, nameBytes, cookie, isDirectory: (mask & IS_DIRECTORY) !== 0 };
    const watches = kind === 'overflow' ? [...this.byNumber.values()].flat() : [...(this.byNumber.get(number) ?? [])];
    for (const watch of watches) {
      watch.tell(this.core, mask, event);
      if (kind === 'gone') watch.close();
    }
  }
}

const LITTLE = new Uint8Array(new Uint16Array([1]).buffer)[0] === 1;
const watchers = new WeakMap<IoCore, Watcher>();

/**
 * Watches a path. Throws ERR_PERCORE_SYSTEM: ENOENT, EACCES, ENOTDIR, ENOSPC (too many watches), or EMFILE (too many
 * descriptors or instances).
 */
export function watchPath(
  core: IoCore, path: string, given: WatchOptions | undefined, handler: (event: WatchEvent) => void,
): PathWatch {
  checkPath('path', path);
  const options = checkOptions('options', given, ['events', 'onlyDirectory', 'doNotFollow', 'priority']);
  checkFunction('handler', handler);
  const priority = checkInteger('priority', options.priority ?? DEFAULT_BAND, 0, BANDS - 1);
  const events = options.events ?? DEFAULT_KINDS;
  if (!Array.isArray(events) || events.length === 0) {
    throw invalidArgument('events', events, `an array with some of ${KINDS.join(', ')}`);
  }
  let mask = 0;
  for (const kind of events as readonly WatchKind[]) mask |= EVENTS[checkOneOf('events', kind, KINDS)];
  const onlyDirectory = checkBoolean('onlyDirectory', options.onlyDirectory ?? false);
  const doNotFollow = checkBoolean('doNotFollow', options.doNotFollow ?? false);
  const flags = (onlyDirectory ? ONLY_DIRECTORY : 0) | (doNotFollow ? DO_NOT_FOLLOW : 0);
  let watcher = watchers.get(core);
  if (watcher === undefined || watcher.isClosed) {
    const fd = core.native.watches.open();
    if (fd < 0) {
      const errno = core.native.system.errorName(-fd);
      const details = { errno, syscall: 'inotify_init1' };
      const hint = errno === 'EMFILE' ? '; descriptors or fs.inotify.max_user_instances are used up' : '';
      throw new PercoreError('ERR_PERCORE_SYSTEM', `inotify_init1: ${errno}${hint}`, details);
    }
    watcher = new Watcher(core, fd, priority);
    watchers.set(core, watcher);
  }
  return new PathWatch(watcher.add(path, mask, flags, handler));
}

function kindOf(mask: number): WatchEvent['kind'] {
  if ((mask & OVERFLOW) !== 0) return 'overflow';
  if ((mask & IGNORED) !== 0) return 'gone';
  if ((mask & UNMOUNTED) !== 0) return 'unmounted';
  return KINDS.find((kind) => (mask & EVENTS[kind]) !== 0)!;
}
