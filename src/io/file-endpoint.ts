/**
 * What is behind readers and writers of files alike: opening in the background, what was asked for and granted, and
 * closing once.
 *
 *      opening --fs.open--> open --end, close(), error--> closing --last transfer is back--> closed (onClose)
 *
 * Opening and closing go through Node's pool, since both may wait for a disk. The descriptor is Node's own (fs.open),
 * so Node closes it when its thread dies. It is closed only when nothing is in flight any more, because a transfer must
 * not reach the next owner of its number.
 */
import { close, constants, fstatSync, open } from 'node:fs';
import { EINVAL, EIO, EISDIR } from '../errno.js';
import { PercoreError } from '../errors.js';
import type { Ready } from '../scheduling/internal.js';
import { Waiters, type WaitOptions } from '../waiting.js';
import type { Claimable } from './claims.js';
import type { IoCore } from './core.js';
import type { Endpoint } from './endpoint.js';
import type { FileBackend, Transferring, Transfers } from './file-transfers.js';
import { followResult, tell } from './report.js';

/** Options of `io.openFile`. */
export interface FileOptions {
  /** 'r' reads; 'w' makes or empties the file; 'a' makes it, or writes behind its end. Default 'r'. */
  flags?: 'r' | 'w' | 'a';
  /**
   * Goes past the page cache (O_DIRECT) where the file system grants that; see `status()`. Not with 'a'. Default false.
   */
  direct?: boolean;
  /** Bytes in one transfer: a multiple of 4,096 up to 2^24. Default 128 KiB. */
  chunkBytes?: number;
  /**
   * Transfers in flight: 1 to 16, and at least 2 for writing with `direct`. Default 4. An open file costs
   * `depth * chunkBytes` of memory.
   */
  depth?: number;
  /** The band in which its handlers run, 0 to 7. Default 3. */
  priority?: number;
  /** Who moves the bytes. Default 'io_uring'; where that is refused, Node's pool stands in. */
  backend?: FileBackend;
}

/** How a file is read or written: what was asked for, and what is granted. */
export interface FileStatus {
  /** What was asked for in the options. */
  readonly asked: { readonly backend: FileBackend; readonly direct: boolean };
  /** What is in force now. Until the file is open, it is what is hoped for. */
  readonly granted: { readonly backend: FileBackend; readonly direct: boolean };
  /** Why the two differ: one line for each reason, such as "io_uring_setup: EPERM" or "O_DIRECT: EINVAL". */
  readonly refusals: readonly string[];
}

export type FileSettings = Required<FileOptions> & { readonly path: string };

/** With O_DIRECT, addresses, positions and lengths must be multiples of this. Devices ask for 512 to 4,096. */
export const DIRECT_BORDER = 4096;

export abstract class FileEndpoint implements Ready, Endpoint, Transferring, Claimable {
  token = -1;
  isReady = false;
  fd = -1;
  /** The error that closed it, if one did. */
  error: PercoreError | undefined;
  handlersSet = 0;
  handlersClaimed = 0;
  claimedBy = '';
  closeHandler: ((error: PercoreError | undefined) => void) | undefined;
  /** True from `close`, the end, or an error on. The descriptor is closed a little later. */
  isClosed = false;
  readonly band: number;
  readonly path: string;
  readonly chunkBytes: number;
  buffer: Uint8Array = new Uint8Array(0);
  protected depth: number;
  /** Where slot 0 begins in `buffer`: at the first address that O_DIRECT accepts. */
  protected firstByte = 0;
  protected inFlight = 0;
  protected isDirect: boolean;
  /** For each slot: its transfer began with O_DIRECT, so that EINVAL may mean just that. */
  protected readonly wasDirect: boolean[] = [];
  /** False for a device or a pipe, which has no positions; its transfers therefore go one by one. */
  protected hasPositions = true;
  private readonly refusals: string[] = [];
  private number = -1;
  private isGone = false;
  /** Those who wait until the descriptor is closed. */
  private readonly closing = new Waiters<true>('the file was not closed');

  /**
   * `transfers` moves its bytes; `pool` stands in if that has no room. `refusal` says why `transfers` is not what was
   * asked for.
   */
  constructor(
    protected readonly core: IoCore, private readonly settings: FileSettings, private transfers: Transfers,
    private readonly pool: Transfers, refusal: string | undefined,
    private readonly onGone: (file: FileEndpoint) => void,
  ) {
    this.band = settings.priority;
    this.path = settings.path;
    this.chunkBytes = settings.chunkBytes;
    this.depth = settings.depth;
    this.isDirect = settings.direct;
    if (refusal !== undefined) this.refusals.push(refusal);
    if (this.isDirect && settings.flags === 'a') this.noDirect('O_DIRECT: not for a file that is appended to');
    // Where nothing tells at which address a buffer lies, O_DIRECT cannot be given one that it accepts.
    if (this.isDirect && toBorder(core, new Uint8Array(1)) < 0) this.noDirect('O_DIRECT: ENOSYS');
    core.enter(this);
    this.open();
  }

  onReadiness(): void {
    // Readiness means nothing to a file, which is always ready.
  }

  status(): FileStatus {
    const { backend, direct } = this.settings;
    const granted = { backend: this.transfers.backend, direct: this.isDirect };
    return { asked: { backend, direct }, granted, refusals: [...this.refusals] };
  }

  follow(result: unknown): void {
    followResult(this.core.schedule, this.band, result, () => `a handler of file ${this.path}`);
  }

  /** See `OpenFile.closed`. */
  async closed(options?: WaitOptions): Promise<void> {
    await this.closing.waitUnless(() => (this.isGone && this.fd < 0 ? true : undefined), options);
    if (this.error !== undefined) throw this.error;
  }

  close(): void {
    if (this.isClosed) return;
    this.isClosed = true;
    try {
      this.whenClosed();
    } finally {
      this.giveBack();
    }
  }

  abstract run(): boolean;
  /** The file is open. `sizeBytes` is the size that it had at that time. */
  protected abstract whenOpen(sizeBytes: number): void;
  protected abstract whenClosed(): void;
  /** How many bytes were taken and are lost without anybody having been told. */
  protected lostBytes(): number {
    return 0;
  }
  protected abstract whenComplete(slot: number, result: number): void;
  /** The same for a file that was closed in the meantime. */
  protected whenLate(_slot: number, _result: number): void {
    // What is read then is dropped.
  }

  /** Called by whoever transfers, once for each transfer. */
  complete(slot: number, result: number): void {
    this.inFlight--;
    if (!this.isClosed) return this.whenComplete(slot, result);
    this.whenLate(slot, result);
    this.giveBack();
  }

  protected transfer(slot: number, isWrite: boolean, from: number, length: number, position: number): void {
    this.inFlight++;
    this.wasDirect[slot] = this.isDirect;
    const at = this.firstByte + slot * this.chunkBytes + from;
    this.transfers.transfer(this.number, slot, isWrite, at, length, this.hasPositions ? position : -1);
  }

  protected submit(): void {
    this.transfers.submit();
  }

  /** From now on the file goes through the page cache. */
  protected noDirect(why: string): void {
    if (!this.isDirect) return;
    if (this.fd >= 0) this.core.native.files.clearDirect(this.fd);
    this.isDirect = false;
    this.refusals.push(why);
  }

  protected fail(errno: number, syscall: string): void {
    const name = this.core.native.system.errorName(errno);
    const details = { errno: name, syscall };
    this.failWith(new PercoreError('ERR_PERCORE_SYSTEM', `${syscall}: ${name} on file ${this.path}`, details));
  }

  protected failWith(error: PercoreError): void {
    this.error ??= error;
    this.close();
  }

  private open(): void {
    const { flags } = this.settings;
    const writing = constants.O_WRONLY | constants.O_CREAT | (flags === 'w' ? constants.O_TRUNC : constants.O_APPEND);
    const bits = flags === 'r' ? constants.O_RDONLY : writing;
    this.inFlight++;
    open(this.path, bits | (this.isDirect ? constants.O_DIRECT : 0), 0o666, (error, fd) => {
      this.inFlight--;
      if (error !== null) {
        if (this.isClosed) return this.giveBack();
        if (this.isDirect && error.errno === -EINVAL) {
          this.noDirect('O_DIRECT: EINVAL');
          return this.open();
        }
        return this.fail(-(error.errno ?? -EIO), 'open');
      }
      this.fd = fd;
      if (this.isClosed) this.giveBack();
      else this.tryToBegin();
    });
  }

  /** In a callback of Node's, where an error that is thrown would end the process. */
  private tryToBegin(): void {
    try {
      this.begin();
    } catch (error) {
      // The system refuses fstat, or there is no memory for `depth * chunkBytes`.
      const { code: errno = 'ENOMEM', syscall = 'mmap', message } = error as NodeJS.ErrnoException;
      const details = { errno, syscall, cause: error };
      this.failWith(new PercoreError('ERR_PERCORE_SYSTEM', `cannot open file ${this.path}: ${message}`, details));
    }
  }

  private begin(): void {
    // This waits for no disk: what `open` has found is in memory.
    const stat = fstatSync(this.fd);
    if (stat.isDirectory()) return this.fail(EISDIR, 'read');
    this.hasPositions = (stat.isFile() || stat.isBlockDevice()) && this.settings.flags !== 'a';
    // A file of /proc says that it is empty, and its contents are made while it is read: once more from the beginning
    // for each place that is not where the last read stopped. So it is read piece by piece, like a file without
    // positions.
    const isMadeOnRead = stat.isFile() && stat.size === 0;
    if ((!this.hasPositions || isMadeOnRead) && this.settings.flags === 'r') this.depth = 1;
    if (this.isDirect && !stat.isFile() && !stat.isBlockDevice()) this.noDirect('O_DIRECT: not a file');
    this.buffer = new Uint8Array(this.depth * this.chunkBytes + DIRECT_BORDER);
    this.firstByte = Math.max(0, toBorder(this.core, this.buffer));
    this.number = this.transfers.hold(this);
    if (this.number < 0) {
      this.refusals.push(`io_uring: ${this.core.native.system.errorName(-this.number)}, too many files`);
      this.transfers = this.pool;
      this.number = this.transfers.hold(this);
    }
    this.whenOpen(stat.isFile() ? stat.size : 0);
    this.core.schedule(this);
  }

  /** Gives everything back, once it is closed and nothing is in flight. */
  protected giveBack(): void {
    if (this.inFlight !== 0 || this.isGone) return;
    this.isGone = true;
    if (this.number >= 0) this.transfers.release(this.number);
    this.core.leave(this);
    this.buffer = new Uint8Array(0);
    if (this.fd < 0) return this.tellGone();
    close(this.fd, (error) => {
      // Only here may a file system tell that it could not keep what it had taken.
      if (error !== null && this.settings.flags !== 'r') {
        const errno = error.code ?? 'EIO';
        const details = { errno, syscall: 'close' };
        this.error ??= new PercoreError('ERR_PERCORE_SYSTEM', `close: ${errno} on file ${this.path}`, details);
      }
      this.fd = -1;
      this.tellGone();
    });
  }

  private tellGone(): void {
    this.onGone(this);
    // Nobody will ask any more, so bytes that were taken with OK would be lost silently.
    const isTold = this.closeHandler !== undefined || this.closing.count > 0;
    const lost = this.error === undefined || isTold ? 0 : this.lostBytes();
    if (lost > 0) this.core.report(this.error, `file ${this.path}, which lost ${lost} bytes`);
    this.closing.settle(true);
    // This runs in a callback of Node's, where an error that is thrown would end the process.
    tell(this.core, this.closeHandler, this.error, 'handler onClose of a file');
  }
}

/** How many bytes lie before the first address that O_DIRECT accepts, or -errno where that is not known. */
function toBorder(core: IoCore, bytes: Uint8Array): number {
  return core.native.files.bytesToBorder(bytes, DIRECT_BORDER);
}
