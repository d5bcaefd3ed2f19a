/**
 * The task queue of piscina over our bands: the highest band first, and within each band in order of arrival.
 *
 * Its shape follows from what piscina does with a queue. Piscina takes a task and gives it back by `unshift` if no
 * thread is free (`stricterFIFO`), so that task goes before all others of its band. A task that nobody wants any more
 * must not occupy a thread, but `shift` may not answer null while `size` is above 0: such a task is marked as aborted,
 * and piscina leaves it out. And no task is given to piscina with a signal, because those wait in a list of its own
 * that goes before any queue, whatever their band.
 */
import type { TaskQueue } from 'piscina';
import { Bands } from '../scheduling/internal.js';
import type { Offloaded } from './offloaded.js';

/** A task as piscina hands it to a queue. */
type PoolTask = Parameters<TaskQueue['push']>[0] & { aborted?: boolean };

/** How many gaps the bands may have before they are closed. */
const MOST_GIVEN_UP = 64;

export class BandQueue implements TaskQueue {
  size = 0;
  /** The key under which piscina shows what belongs to a task. */
  symbol!: symbol;
  private bands = new Bands();
  private readonly tasks = new Map<Offloaded, PoolTask>();
  /** Tasks that piscina gave back because no thread was free: of the highest bands, the last one first. */
  private givenBack: Offloaded[] = [];
  /** Tasks that were given up and still stand in the bands. */
  private givenUp = 0;

  /** `mayRun` is called when it is a task's turn. */
  constructor(private readonly mayRun: (task: Offloaded) => boolean) {}

  holds(task: Offloaded): boolean {
    return this.tasks.has(task);
  }

  push(task: PoolTask): void {
    this.bands.push(this.keep(task));
  }

  unshift(task: PoolTask): void {
    this.givenBack.push(this.keep(task));
  }

  shift(): PoolTask | null {
    const offloaded = this.take();
    if (offloaded === undefined) return null;
    const task = this.tasks.get(offloaded)!;
    this.tasks.delete(offloaded);
    this.size--;
    offloaded.isRunning = this.mayRun(offloaded);
    if (!offloaded.isRunning) task.aborted = true;
    return task;
  }

  /**
   * Nobody wants the task any more: its place is free at once, and so is its payload, since thousands may be given up
   * while the threads are busy with others.
   */
  giveUp(offloaded: Offloaded): void {
    if (!this.tasks.delete(offloaded)) return;
    this.size--;
    this.givenUp++;
    if (this.givenUp > MOST_GIVEN_UP && this.givenUp > this.size) this.close();
  }

  /** Piscina calls it for tasks with a signal; there are none. */
  remove(task: PoolTask): void {
    task.aborted = true;
  }

  private keep(task: PoolTask): Offloaded {
    const offloaded = (task as unknown as Record<symbol, Offloaded>)[this.symbol]!;
    offloaded.isRunning = false;
    this.tasks.set(offloaded, task);
    this.size++;
    return offloaded;
  }

  /** The first that somebody wants, or wanted when it came. */
  private take(): Offloaded | undefined {
    for (;;) {
      const back = this.givenBack.at(-1);
      const isBack = back !== undefined && !this.bands.hasAbove(back.band);
      const first = isBack ? this.givenBack.pop() : (this.bands.select() as Offloaded | undefined);
      if (first === undefined || this.tasks.has(first)) return first;
      this.givenUp--;
    }
  }

  /** Closes the gaps of those that were given up. */
  private close(): void {
    const bands = new Bands();
    for (let each = this.bands.select(); each !== undefined; each = this.bands.select()) {
      if (this.tasks.has(each as Offloaded)) bands.push(each);
    }
    this.bands = bands;
    this.givenBack = this.givenBack.filter((each) => this.tasks.has(each));
    this.givenUp = 0;
  }
}
