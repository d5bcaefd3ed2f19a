/**
 * Who shares a queue's file, and what becomes of those who die. One `SharedFile` for each file in each thread.
 *
 *   who joins                                   the others
 *   1. takes the file's lock                    sleep at `sharersVersion`, see who is new,
 *   2. writes itself into a free Sharer         and watch its process (pidfd)
 *   3. sharersVersion + 1, wakes them    --->
 *   4. takes places in the ring by its number
 *      dies                              --->   the kernel says so; under the lock, one of them recovers its places,
 *                                               as a supervisor does for a worker, and frees its Sharer
 *
 * That a process is dead is proven by the kernel: its pidfd is readable, or nothing has its number, or what has it
 * began at another time. A pause is no death. A thread of this process that has ended is told of by its supervisor,
 * with `recover(queue, worker)`. The lock is flock(2) on a descriptor that lives as long as it is held, so the dead
 * hold none.
 *
 * | pair          | write side                    | read side    | carries                         | needs   |
 * |---------------|-------------------------------|--------------|---------------------------------|---------|
 * | sharers.seen  | `enter`, `free`               | `watch`      | the Sharer's words              | rel/acq |
 * | ring.bell     | `ringBell`                    | `sleep`      | see ring.ts                     | seq_cst |
 *
 * Source: robust futexes and pidfd_open(2) of Linux for the proof; Aeron's driver keeps such a table of its clients.
 */
import { closeSync, statSync } from 'node:fs';
import { threadId } from 'node:worker_threads';
import { EAGAIN, ESRCH } from '../errno.js';
import { PercoreError, systemCall } from '../errors.js';
import { MAX_SHARERS, queueFileLayout, sharerAt, sharerLayout } from '../layout.js';
import { native } from '../native.js';
import { startTicksOf } from '../process-start.js';
import { setFarBells, type FarBells } from './far-bells.js';
import type { Recovered } from './place-recovery.js';
import { cut, mappings, openFile, type Mapped } from './queue-file.js';

const { fields } = sharerLayout;
const VERSION = queueFileLayout.fields.sharersVersion.at >> 2;
/**
 * How often a blocked thread looks whether somebody has died, and whether it is to end: a worker's end waits for it.
 */
const SLICE_MS = 10;
/** How long a joining thread waits for the lock, which others hold for some microseconds. */
const LOCK_MS = 5000;

/** A process as a Sharer names it. */
interface Sharer {
  readonly processId: number;
  readonly thread: number;
  readonly startTicks: number;
  readonly pidNamespace: number;
}

let ownTicks: number | undefined;
let ownNamespace: number | undefined;
/** This process, by what cannot come again. */
const self = (): { ticks: number; namespace: number } => ({
  ticks: (ownTicks ??= startTicksOf('self') ?? 0),
  namespace: (ownNamespace ??= systemCall('know the own process', () => statSync('/proc/self/ns/pid').ino)),
});

/** What native threads have been asked to tell of, by token. */
const expected = new Map<number, () => void>();
let lastToken = 0;
let isOpen = false;

function expect(then: () => void): number {
  if (!isOpen) {
    mappings().open((token) => {
      const told = expected.get(token);
      expected.delete(token);
      told?.();
    });
    isOpen = true;
  }
  do lastToken = (lastToken % 0x7fff_fffe) + 1;
  while (expected.has(lastToken));
  expected.set(lastToken, then);
  return lastToken;
}

const files = new WeakMap<ArrayBufferLike, SharedFile>();

export class SharedFile implements FarBells {
  readonly words: Int32Array;
  private readonly numbers: Float64Array;
  private readonly native = mappings();
  /** This thread's Sharer, plus 1; 0 before it has one. */
  private own = 0;
  /** Those whose process is watched, by their index. */
  private readonly watched = new Map<number, Sharer>();
  private isPolling = false;

  /** `recover` frees the places of a sharer, by its number in the ring. */
  constructor(readonly mapped: Mapped, private readonly recover: (sharer: number) => Recovered) {
    this.words = new Int32Array(mapped.buffer);
    this.numbers = new Float64Array(mapped.buffer, 0, sharerAt(MAX_SHARERS) >> 3);
    files.set(mapped.buffer, this);
    setFarBells((words) => files.get(words.buffer));
  }

  /** This thread's number in the ring: it joins with the first call, and watches the others from then on. */
  sharer(): number {
    if (this.own === 0) {
      this.own = this.locked(() => this.enter(), LOCK_MS);
      void this.watch();
    }
    return this.own;
  }

  /** Runs `then` under the file's lock, which is held by one thread of all processes. Not inside of itself. */
  locked<T>(then: () => T, waitMs = LOCK_MS): T {
    const { path, device, inode } = this.mapped.file;
    const { fd, stats } = openFile(path);
    try {
      if (stats.dev !== device || stats.ino !== inode)
        throw new PercoreError(
          'ERR_PERCORE_LAYOUT_MISMATCH',
          `${path} is another file than when this queue was made or opened. Open the queue that is there now by open()`,
          { argument: 'queue', value: path },
        );
      this.checkWhole();
      this.lock(fd, waitMs);
      return then();
    } finally {
      closeSync(fd);
    }
  }

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
      // Some microseconds are what it takes.
      Atomics.wait(PAUSE, 0, 0, 1);
    }
  }

  private enter(): number {
    this.look(true);
    for (let index = 0; index < MAX_SHARERS; index++) {
      if (this.at(index).processId !== 0) continue;
      const at = sharerAt(index);
      const { ticks, namespace } = self();
      this.numbers[(at + fields.startTicks.at) >> 3] = ticks;
      this.numbers[(at + fields.pidNamespace.at) >> 3] = namespace;
      this.words[(at + fields.thread.at) >> 2] = threadId;
      // sharers.seen: last, with what is above.
      Atomics.store(this.words, (at + fields.processId.at) >> 2, process.pid);
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

  private announce(): void {
    // sharers.seen: whoever watches looks again.
    Atomics.add(this.words, VERSION, 1);
    this.wake(this.words, VERSION);
  }

  /** What Sharer `index` says. */
  at(index: number): Sharer {
    const at = sharerAt(index);
    return {
      // sharers.seen: pairs with enter().
      processId: Atomics.load(this.words, (at + fields.processId.at) >> 2),
      thread: this.words[(at + fields.thread.at) >> 2]!,
      startTicks: this.numbers[(at + fields.startTicks.at) >> 3]!,
      pidNamespace: this.numbers[(at + fields.pidNamespace.at) >> 3]!,
    };
  }

  // ---- Deaths

  /** Looks at the others whenever there is one more or one less, until the file is cut or damaged: its ends say so. */
  private async watch(): Promise<void> {
    try {
      for (;;) {
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
   * Finds who has died, and recovers what it had: at once where `isLocked`, which is so for whoever holds the lock.
   * Otherwise watches new sharers. Returns what was recovered.
   */
  look(isLocked: boolean, isThorough = isLocked): Recovered {
    const done = { producers: 0, consumers: 0, taken: 0 };
    for (let index = 0; index < MAX_SHARERS; index++) {
      const sharer = this.at(index);
      const known = this.watched.get(index);
      const isKnown = known !== undefined && isSame(known, sharer);
      if (!isKnown) this.watched.delete(index);
      if (sharer.processId === 0 || (isKnown && !isThorough)) continue;
      if (!this.isDead(index, sharer, isKnown)) continue;
      const recovered = isLocked ? this.free(index, sharer) : this.freeSoon(index, sharer);
      done.producers += recovered.producers;
      done.consumers += recovered.consumers;
      done.taken += recovered.taken;
    }
    return done;
  }

  /** True if the kernel says that this process has gone. Otherwise watches it. */
  private isDead(index: number, sharer: Sharer, isKnown: boolean): boolean {
    const { processId, startTicks, pidNamespace } = sharer;
    const own = self();
    // Of another namespace (a container) nothing can be known here; those in it know.
    if (pidNamespace !== own.namespace) return false;
    if (processId === process.pid) return startTicks !== own.ticks;
    if (isKnown) return this.native.hasExited(processId) === 1;
    const token = expect(() => this.freeSoon(index, sharer));
    const code = this.native.watchProcess(processId, token);
    if (code < 0) expected.delete(token);
    if (code === -ESRCH) return true;
    // Looked at after its pidfd was opened: the two mean one process, or it is another that has the number now. Where
    // /proc hides other users' processes, the number alone must do.
    const ticks = startTicksOf(processId);
    if (ticks !== undefined && ticks !== startTicks) return true;
    if (code === 0) this.watched.set(index, sharer);
    else this.pollSoon();
    return this.native.hasExited(processId) === 1;
  }

  /** Where the kernel gives no pidfd to wait for, by old age or by a filter. */
  private pollSoon(): void {
    if (this.isPolling) return;
    this.isPolling = true;
    setTimeout(() => {
      this.isPolling = false;
      this.look(false);
    }, SLICE_MS).unref();
  }

  /** As `free`, under the lock; later, if somebody has that now. */
  private freeSoon(index: number, sharer: Sharer): Recovered {
    try {
      return this.locked(() => this.free(index, sharer), 0);
    } catch (error) {
      if (!(error instanceof PercoreError)) throw error;
      // Whoever holds it may be doing this very thing. Anything else is said by the ends of the queue.
      if (error.code === 'ERR_PERCORE_TIMEOUT') setTimeout(() => this.freeSoon(index, sharer), 1).unref();
      return { producers: 0, consumers: 0, taken: 0 };
    }
  }

  /** Under the lock: recovers the places of a sharer that is dead, unless somebody has, and lets others have it. */
  private free(index: number, sharer: Sharer): Recovered {
    if (!isSame(this.at(index), sharer)) return { producers: 0, consumers: 0, taken: 0 };
    const recovered = this.recover(index + 1);
    this.watched.delete(index);
    // sharers.seen: after its places are free.
    Atomics.store(this.words, (sharerAt(index) + fields.processId.at) >> 2, 0);
    this.announce();
    return recovered;
  }

  /** Recovers what a thread of this process had, which has ended. */
  recoverThread(thread: number): Recovered {
    const done = { producers: 0, consumers: 0, taken: 0 };
    this.locked(() => {
      for (const index of this.ofThread(thread)) {
        const { producers, consumers, taken } = this.free(index, this.at(index));
        done.producers += producers;
        done.consumers += consumers;
        done.taken += taken;
      }
    });
    return done;
  }

  /** Indexes of the sharers that are this thread of this process. */
  ofThread(thread: number): number[] {
    const { ticks, namespace } = self();
    return Array.from({ length: MAX_SHARERS }, (_, index) => index).filter((index) => {
      const sharer = this.at(index);
      return sharer.processId === process.pid && sharer.thread === thread && sharer.startTicks === ticks
        && sharer.pidNamespace === namespace;
    });
  }

  // ---- Bells

  wake(words: Int32Array, at: number): void {
    this.native.wake(words, at);
  }

  sleep(words: Int32Array, at: number, seen: number, timeoutMs: number): void {
    const code = this.native.wait(words, at, seen, Math.min(timeoutMs, SLICE_MS));
    if (code === 0 || code === -EAGAIN) return;
    this.checkWhole();
    this.look(false, true);
  }

  sleepLater(words: Int32Array, at: number, seen: number, timeoutMs: number): Promise<void> {
    return new Promise((resolve, reject) => {
      const token = expect(() => {
        if (this.native.isWhole(this.words)) resolve();
        else reject(this.cut());
      });
      const code = this.native.waitLater(words, at, seen, Math.min(timeoutMs, 0x7fff_ffff), token);
      if (code === 0) return;
      expected.delete(token);
      reject(this.cut());
    });
  }

  /** Throws when something of the file is missing. */
  checkWhole(): void {
    if (!this.native.isWhole(this.words)) throw this.cut();
  }

  private cut(): PercoreError {
    let size = 0;
    try {
      size = statSync(this.mapped.file.path).size;
    } catch {
      // It has been removed since, which changes nothing about what is missing.
    }
    return cut(this.mapped.file.path, size, this.mapped.buffer.byteLength);
  }
}

const PAUSE = new Int32Array(new SharedArrayBuffer(4));

const isSame = (one: Sharer, other: Sharer): boolean =>
  one.processId === other.processId && one.thread === other.thread && one.startTicks === other.startTicks
  && one.pidNamespace === other.pidNamespace;
