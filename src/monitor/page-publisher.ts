/**
 * Who writes a counters page, and when. A thread of its own does, so the page goes on while the main thread is blocked.
 * That thread sleeps in between, and needs neither the addon nor any other thread.
 *
 *      main thread: makes the file, writes it once --starts--> thread: writes it each `everyMs`, and when it is asked
 *                   <--it has ended, or cannot be started: the main thread goes on by a timer--
 *
 * | word       | writes                 | means                                                      |
 * |------------|------------------------|------------------------------------------------------------|
 * | `writer`   | both, by exchange      | whose turn it is to write: MAIN, MAIN_WRITES, THREAD, OVER |
 * | `asked`    | main adds              | how often a writing was asked for                          |
 * | `answered` | the thread             | the value of `asked` that it had seen before it wrote      |
 * | `isClosed` | main                   | the next writing is the last                               |
 * | `sequence` | whoever `writer` names | that of the page                                           |
 *
 * All are sequentially consistent. `writer` makes one writer of two: the thread takes over only from MAIN, and what the
 * main thread has written is complete by then. `asked` pairs with the thread's load before it writes, `answered` with
 * the main thread's wait.
 */
import { existsSync } from 'node:fs';
import { pathToFileURL } from 'node:url';
import { Worker } from 'node:worker_threads';
import { programPath } from '../native.js';
import type { Queue } from '../queues/index.js';
import { checkDescriptors } from '../thread-descriptors.js';
import { PageWriter, type PageSource } from './page-writer.js';

export const WRITER = 0;
export const ASKED = 1;
export const ANSWERED = 2;
export const IS_CLOSED = 3;
export const SEQUENCE = 4;
const CONTROL_WORDS = 5;

export const MAIN = 0;
export const MAIN_WRITES = 1;
export const THREAD = 2;
export const OVER = 3;

/** What the thread gets. */
export interface PageThreadStart {
  readonly path: string;
  readonly source: PageSource;
  readonly control: Int32Array;
  readonly queues: readonly QueueChange[];
}
export interface QueueChange {
  readonly name: string;
  readonly queue: Queue | undefined;
}

/** If the thread does not answer within this time, the main thread goes on without it. */
const MOST_WAIT_MS = 1000;
/** It holds no objects of users: it allocates only a few rows. */
const LIMITS = { maxOldGenerationSizeMb: 64, maxYoungGenerationSizeMb: 4 };

export class PagePublisher {
  private readonly control = new Int32Array(new SharedArrayBuffer(CONTROL_WORDS * 4));
  private readonly writer: PageWriter;
  private readonly queues = new Map<string, Queue>();
  /** Used where no thread writes. */
  private timer: NodeJS.Timeout | undefined;
  private thread: Worker | undefined;

  /** `fd` is the new, empty file at `path`. Writes it; throws what writing throws. */
  constructor(fd: number, private readonly path: string, private readonly source: PageSource) {
    this.writer = new PageWriter(fd, source);
    // Nobody else has it yet.
    Atomics.store(this.control, SEQUENCE, this.writer.begin());
    this.publish();
  }

  /** From now on a thread writes, if one can be started. */
  start(): void {
    const { path, source, control } = this;
    const queues = [...this.queues].map(([name, queue]) => ({ name, queue }));
    const program = programPath(import.meta.url, 'page-thread.js');
    // Part of an application's bundle, without the file beside it: the main thread writes.
    if (!existsSync(program)) return this.writeHere();
    try {
      checkDescriptors('the thread of the counters page');
      const start: PageThreadStart = { path, source, control, queues };
      // Takes over neither the program's flags nor its environment, which may load what the user wants into each
      // thread.
      const thread = new Worker(`import(${JSON.stringify(pathToFileURL(program).href)})`, {
        eval: true, workerData: start, name: 'percore-page', execArgv: [], env: {}, resourceLimits: LIMITS,
      });
      this.thread = thread;
      thread.unref();
      thread.on('error', (error) => this.lost(error)).on('exit', () => this.lost());
    } catch {
      // No thread may be started here, or there is no memory or descriptor for one.
      this.writeHere();
    }
  }

  /** Writes the page now. Blocks until it is written, for a second at most. */
  publish(): void {
    const { control } = this;
    // writer: pairs with the thread's exchange in page-thread.ts.
    if (Atomics.compareExchange(control, WRITER, MAIN, MAIN_WRITES) === MAIN) {
      try {
        this.write(false);
      } finally {
        Atomics.store(control, WRITER, MAIN);
        Atomics.notify(control, WRITER);
      }
    } else {
      this.askThread();
    }
  }

  setQueue(name: string, queue: Queue | undefined): void {
    if (queue === undefined) this.queues.delete(name);
    else this.queues.set(name, queue);
    this.writer.setQueue(name, queue);
    this.thread?.postMessage({ name, queue } satisfies QueueChange);
  }

  /** Writes the page for the last time, as closed. A second call does nothing. */
  end(): void {
    const { control } = this;
    clearInterval(this.timer);
    const { thread } = this;
    this.thread = undefined;
    // isClosed: stored before the request below; pairs with the thread's load, also if that has only just begun.
    Atomics.store(control, IS_CLOSED, 1);
    const before = Atomics.compareExchange(control, WRITER, MAIN, OVER);
    if (before === THREAD) this.askThread();
    else if (before === MAIN) this.write(true);
    Atomics.notify(control, WRITER);
    void thread?.terminate();
  }

  private write(isClosed: boolean): void {
    const { control } = this;
    // sequence: this thread is the writer now.
    Atomics.store(control, SEQUENCE, this.writer.write(Atomics.load(control, SEQUENCE), isClosed));
  }

  private askThread(): void {
    const { control } = this;
    // asked: pairs with the thread's load before it writes.
    const asked = (Atomics.add(control, ASKED, 1) + 1) | 0;
    Atomics.notify(control, ASKED);
    const endMs = performance.now() + MOST_WAIT_MS;
    for (;;) {
      // answered: pairs with the thread's store after its writing.
      const answered = Atomics.load(control, ANSWERED);
      const leftMs = endMs - performance.now();
      if (((answered - asked) | 0) >= 0 || leftMs <= 0) return;
      Atomics.wait(control, ANSWERED, answered, leftMs);
    }
  }

  /** The thread has ended although nobody told it to: the main thread is the writer again. */
  private lost(error?: Error): void {
    if (this.thread === undefined) return;
    this.thread = undefined;
    this.warn(
      `the thread that writes the counters page ${this.path} has ended: the main thread writes it from now on, so it `
        + `stands still while that is blocked. ${error?.message ?? ''}`,
    );
    // writer: there is nobody else.
    Atomics.store(this.control, WRITER, MAIN);
    this.writeHere();
  }

  private writeHere(): void {
    this.timer = setInterval(() => {
      try {
        this.publish();
      } catch (error) {
        // Whoever looks at the program must not end it.
        clearInterval(this.timer);
        this.warn(`the counters page ${this.path} stands still from now on: ${(error as Error).message}`);
      }
    }, this.source.everyMs).unref();
  }

  private warn(text: string): void {
    process.emitWarning(text, { code: 'ERR_PERCORE_SYSTEM' });
  }
}
