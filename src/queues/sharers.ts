/**
 * The threads that share a queue's file, and what happens when one of them dies. Each thread has one `SharedFile` for
 * each file.
 *
 *   a thread that joins                         the others
 *   1. takes the file's lock                    sleep at `sharersVersion`, see who is new,
 *   2. writes itself into a free Sharer         and watch its process (pidfd)
 *   3. sharersVersion + 1, wakes them    --->
 *   4. takes places in the ring by its number
 *      dies                              --->   the kernel says so; under the lock, one of them recovers its places,
 *                                               as a supervisor does for a worker, and frees its Sharer
 *
 * The kernel proves that a thread is dead: the lock that it has held since it joined is free. That is a lock on one
 * byte by an open file description of its own, so it ends with the thread, with its process, and by exec(2), in other
 * containers too. Nobody is told when it becomes free, but a pidfd tells when a process ends. So the lock is looked at
 * when somebody wants a place, while a thread is blocked, and every 10 ms where there is no pidfd. A child that was
 * forked keeps the lock of its parent; so a process of this namespace is also dead when its pidfd is readable or no
 * process has its number. Where the kernel has refused the lock, it is a proof too if the process with that number
 * began at another time. A pause proves nothing.
 *
 * The lock of the whole file is flock(2), on a descriptor that is closed with it, so the dead hold none. A thread that
 * has no end of a file any more gives its Sharer back when it opens other files.
 *
 * | pair          | write side                    | read side    | carries                         | needs   |
 * |---------------|-------------------------------|--------------|---------------------------------|---------|
 * | sharers.seen  | `enter`, `clear`              | `watch`      | the Sharer's words              | rel/acq |
 * | ring.bell     | `ringBell`                    | `sleep`      | see ring.ts                     | seq_cst |
 *
 * Source: robust futexes and pidfd_open(2) of Linux, for the proof of death; Aeron's driver, which keeps such a table
 * of its clients.
 */
import { closeSync, statSync } from 'node:fs';
import { threadId } from 'node:worker_threads';
import { EAGAIN, ESRCH } from '../errno.js';
import { PercoreError } from '../errors.js';
import { MAX_SHARERS, queueFileLayout, sharerAt } from '../layout.js';
import { native } from '../native.js';
import { startTicksOf } from '../process-start.js';
import { expect, expectNoMore } from './expected.js';
import { setFarBells, type FarBells } from './far-bells.js';
import { addRecovered, noneRecovered, type Recovered } from './place-recovery.js';
import { cut, mappings, openMapped, type Mapped } from './queue-file.js';
import { isSame, self, SharerTable, type Sharer } from './sharer-table.js';

const VERSION = queueFileLayout.fields.sharersVersion.at >> 2;
/**
 * How long a blocked thread sleeps at a time: `terminate()` of a worker waits for that. Deaths that no pidfd tells of
 * are looked for as often; of all others the thread is told at once.
 */
const SLICE_MS = 10;
/** How long a thread that joins waits for the lock of the file, which others hold for some microseconds. */
const LOCK_MS = 5000;

const files = new WeakMap<ArrayBufferLike, SharedFile>();

/** A queue's file as one thread sees it: the thread's entry in the table, the lock, deaths, and bells. */
export class SharedFile implements FarBells {
  readonly words: Int32Array;
  readonly table: SharerTable;
  private readonly native = mappings();
  /** The index of this thread's Sharer plus 1, or 0 before it has one. */
  private own = 0;
  /** The number of the lock that its entry holds, or a negative one. */
  private lockOfOwn = -1;
  /** Sharers whose process is watched, by their index, and the token under which its end is told. */
  private readonly watched = new Map<number, { readonly sharer: Sharer; readonly token: number }>();
  private isPolling = false;
  /** Sharers that are dead, by their index, and are freed as soon as another thread has given back the lock. */
  private readonly dueToBeFreed = new Map<number, Sharer>();
  /** sharersVersion as of before the last look. */
  private lookedAt = 0;
  private isReleased = false;

  /**
   * `recover` frees the places of a sharer, by its number in the ring; `hasPlace` says whether it has any, by its
   * index.
   */
  constructor(
    readonly mapped: Mapped, private readonly recover: (sharer: number) => Recovered,
    private readonly hasPlace: (index: number) => boolean,
  ) {
    this.words = new Int32Array(mapped.buffer);
    this.table = new SharerTable(mapped.buffer);
    files.set(mapped.buffer, this);
    setFarBells((words) => files.get(words.buffer));
  }

  /**
   * This thread's number in the ring. The first call joins and then watches the other sharers; it may block for the
   * lock.
   */
  sharer(): number {
    if (this.own === 0) {
      this.own = this.locked(() => this.enter(), LOCK_MS);
      void this.watch();
    }
    return this.own;
  }

  /**
   * Runs `then` under the file's lock, which one thread of all processes holds at a time. May not be called from
   * `then`.
   */
  locked<T>(then: () => T, waitMs = LOCK_MS): T {
    // A descriptor of its own, since threads that share one share its lock.
    const { fd } = openMapped(this.words, this.mapped.file.path);
    try {
      this.checkWhole();
      this.lock(fd, waitMs);
      return then();
    } finally {
      closeSync(fd);
    }
  }

  /** Takes the lock. Throws ERR_PERCORE_TIMEOUT after `waitMs`. */
  private lock(fd: number, waitMs: number): void {
    const deadlineMs = performance.now() + waitMs;
    for (;;) {
      const code = this.native.lock(fd);
      if (code === 0) return;
      if (code !== -EAGAIN)
        throw new PercoreError(
          'ERR_PERCORE_SYSTEM', `cannot lock ${this.mapped.file.path}: ${native().system.errorName(-code)}, flock`,
        );
      if (performance.now() >= deadlineMs)
        throw new PercoreError(
          'ERR_PERCORE_TIMEOUT',
          `the lock of ${this.mapped.file.path} could not be taken within ${waitMs} ms: a process that holds it stands `
            + `still. Look for one that is stopped (SIGSTOP, a debugger)`,
          { argument: 'queue' },
        );
      // Others hold the lock for some microseconds.
      Atomics.wait(PAUSE, 0, 0, 1);
    }
  }

  /** Writes this thread into a free Sharer and returns its number. Only under the lock. */
  private enter(): number {
    this.look(true);
    const index = this.table.enter((at) => {
      this.lockOfOwn = this.native.hold(this.words, at);
      return this.lockOfOwn >= 0;
    });
    if (index >= 0) {
      this.announce();
      return index + 1;
    }
    throw new PercoreError(
      'ERR_PERCORE_NO_PLACE',
      `${MAX_SHARERS} threads share ${this.mapped.file.path} already. Let fewer threads open its ends, or make a queue `
        + `for each group of them; a process that ends frees what it had`,
      { argument: 'queue' },
    );
  }

  /** Tells all who share the file that somebody has joined or gone. */
  private announce(): void {
    // sharers.seen: whoever watches looks again.
    Atomics.add(this.words, VERSION, 1);
    this.wake(this.words, VERSION);
  }

  /**
   * Gives this thread's Sharer back, and stops watching the file, if the thread has no end of the queue any more.
   * Returns whether it did. A damaged file is kept; so is one whose lock another thread has, until next time.
   */
  release(): boolean {
    const index = this.own - 1;
    try {
      if (this.own !== 0) {
        if (this.hasPlace(index)) return false;
        this.locked(() => {
          this.native.letGo(this.lockOfOwn);
          if (this.table.ofThread(threadId).includes(index)) this.free(index, this.table.at(index));
        }, 0);
      }
    } catch (error) {
      if (!(error instanceof PercoreError)) throw error;
      return false;
    }
    this.isReleased = true;
    for (const other of this.watched.keys()) this.unwatch(other);
    files.delete(this.mapped.buffer);
    // Ends the sleep of watch().
    this.announce();
    return true;
  }

  // ---- Deaths

  /**
   * Looks at the others whenever somebody has joined or gone. Ends when the file is cut short or damaged, which the
   * ends of the queue report.
   */
  private async watch(): Promise<void> {
    try {
      while (!this.isReleased) {
        // sharers.seen: before the look, so that what changes during it ends the sleep.
        const seen = Atomics.load(this.words, VERSION);
        this.look(false);
        await this.sleepLater(this.words, VERSION, seen, 0x7fff_ffff);
      }
    } catch (error) {
      if (!(error instanceof PercoreError)) throw error;
    }
  }

  /**
   * Finds sharers that have died, recovers what they had, and watches those that are new. `isLocked` says that the
   * caller holds the lock, so that nothing has to be put off. `isThorough` asks the kernel about those too that are
   * watched already. Returns what was recovered.
   */
  look(isLocked: boolean, isThorough = isLocked): Recovered {
    // sharers.seen: before the look, so that what changes during it is looked at by the next.
    this.lookedAt = Atomics.load(this.words, VERSION);
    const done = noneRecovered();
    for (let index = 0; index < MAX_SHARERS; index++) {
      const known = this.watched.get(index);
      if (known === undefined && this.table.processAt(index) === 0) continue;
      const sharer = this.table.at(index);
      const isKnown = known !== undefined && isSame(known.sharer, sharer);
      if (!isKnown) this.unwatch(index);
      if (sharer.processId === 0 || (isKnown && !isThorough)) continue;
      if (!this.isDead(index, sharer, isKnown)) continue;
      addRecovered(done, isLocked ? this.free(index, sharer) : this.freeSoon(index, sharer));
    }
    return done;
  }

  /** True if the kernel says that this thread or process has ended. Otherwise watches it. */
  private isDead(index: number, sharer: Sharer, isKnown: boolean): boolean {
    const { processId, startTicks, pidNamespace } = sharer;
    const own = self();
    // A free lock is proof wherever the process is: the thread has ended, or its process runs another program now.
    const lock = sharer.isHeld ? this.native.isHeld(this.words, sharerAt(index)) : -1;
    if (lock === 0) return true;
    // Nothing else can be known here about another namespace (a container), and nobody tells.
    if (pidNamespace !== own.namespace) {
      if (lock === 1) this.pollSoon();
      return false;
    }
    if (processId === process.pid) return lock !== 1 && startTicks !== own.ticks;
    if (isKnown) return this.native.hasExited(processId) === 1;
    const token = expect(() => this.freeSoon(index, sharer));
    const code = this.native.watchProcess(processId, token);
    if (code < 0) expectNoMore(token);
    if (code === -ESRCH) return true;
    if (lock !== 1) {
      // Read after its pidfd was opened, so that both mean the process which has the number now. Where /proc hides the
      // processes of other users, the number alone must do.
      const ticks = startTicksOf(processId);
      if (ticks !== undefined && ticks !== startTicks) {
        if (code === 0) this.forget(token);
        return true;
      }
    }
    if (code === 0) this.watched.set(index, { sharer, token });
    else this.pollSoon();
    return this.native.hasExited(processId) === 1;
  }

  private unwatch(index: number): void {
    const known = this.watched.get(index);
    if (known === undefined) return;
    this.watched.delete(index);
    this.forget(known.token);
  }

  private forget(token: number): void {
    this.native.forgetProcess(token);
    expectNoMore(token);
  }

  /** Looks again soon, where there is no pidfd to wait for: in another namespace, or where a filter forbids it. */
  private pollSoon(): void {
    if (this.isPolling) return;
    this.isPolling = true;
    setTimeout(() => {
      this.isPolling = false;
      if (!this.isReleased) this.look(false);
    }, SLICE_MS).unref();
  }

  /** As `free`, but takes the lock for it; if another thread has the lock now, tries again later. */
  private freeSoon(index: number, sharer: Sharer): Recovered {
    try {
      return this.locked(() => this.free(index, sharer), 0);
    } catch (error) {
      if (!(error instanceof PercoreError)) throw error;
      // Whoever holds the lock may be doing just this; or there was no descriptor left. A file that is damaged or cut
      // short is reported by the ends of the queue.
      const againMs = { ERR_PERCORE_TIMEOUT: 1, ERR_PERCORE_SYSTEM: SLICE_MS }[error.code as string];
      if (againMs === undefined) return noneRecovered();
      // One timer for each: a blocked thread comes here a hundred times a second, and its timers wait for its loop.
      const isDue = this.dueToBeFreed.has(index);
      this.dueToBeFreed.set(index, sharer);
      if (isDue) return noneRecovered();
      setTimeout(() => {
        const due = this.dueToBeFreed.get(index)!;
        this.dueToBeFreed.delete(index);
        this.freeSoon(index, due);
      }, againMs).unref();
      return noneRecovered();
    }
  }

  /**
   * Recovers the places of a sharer that is dead, unless another thread has done so, and frees its Sharer. Only under
   * the lock.
   */
  private free(index: number, sharer: Sharer): Recovered {
    if (!isSame(this.table.at(index), sharer)) return noneRecovered();
    const recovered = this.recover(index + 1);
    this.unwatch(index);
    this.table.clear(index);
    this.announce();
    return recovered;
  }

  /** Recovers what a thread of this process had; the thread has ended. */
  recoverThread(thread: number): Recovered {
    const done = noneRecovered();
    this.locked(() => {
      for (const index of this.table.ofThread(thread)) addRecovered(done, this.free(index, this.table.at(index)));
    });
    return done;
  }

  // ---- Bells

  isThere(sharer: number): boolean {
    return sharer >= 1 && sharer <= MAX_SHARERS && this.table.processAt(sharer - 1) !== 0;
  }

  wake(words: Int32Array, at: number): void {
    this.native.wake(words, at);
  }

  sleep(words: Int32Array, at: number, seen: number, timeoutMs: number): void {
    const code = this.native.wait(words, at, seen, Math.min(timeoutMs, SLICE_MS));
    if (code !== 0 && code !== -EAGAIN) {
      this.checkWhole();
      this.look(false, true);
      // sharers.seen: a thread that is woken all the time would otherwise never see who is new.
    } else if (Atomics.load(this.words, VERSION) !== this.lookedAt) this.look(false);
  }

  sleepLater(words: Int32Array, at: number, seen: number, timeoutMs: number): Promise<void> {
    return new Promise((resolve, reject) => {
      const token = expect(() => {
        if (this.native.isWhole(this.words)) resolve();
        else reject(this.cut());
      });
      const code = this.native.waitLater(words, at, seen, Math.min(timeoutMs, 0x7fff_ffff), token);
      if (code === 0) return;
      expectNoMore(token);
      // The system gives no further thread to sleep for it (pids.max of a container, `ulimit -u`): so this one looks.
      if (code === -EAGAIN) setTimeout(resolve, Math.min(timeoutMs, SLICE_MS)).unref();
      else reject(this.cut());
    });
  }

  /** Throws when a part of the file is missing. */
  checkWhole(): void {
    if (!this.native.isWhole(this.words)) throw this.cut();
  }

  /** The error that says so. */
  private cut(): PercoreError {
    let size = 0;
    try {
      size = statSync(this.mapped.file.path).size;
    } catch {
      // The file has been removed as well; its pages are missing all the same.
    }
    return cut(this.mapped.file.path, size, this.mapped.buffer.byteLength);
  }
}

const PAUSE = new Int32Array(new SharedArrayBuffer(4));
