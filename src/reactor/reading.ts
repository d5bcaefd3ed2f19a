/**
 * A queue that a reactor reads as a task of a band: `Reactor.sub`.
 *
 *      waiting (consumer.ready) --records--> ready --select--> up to 16 records --more--> ready, behind its band
 *                                                                  ├──none left--> waiting
 *                                                                  └──a step is refused--> held, with its record
 *
 * It waits at the queue's own bell, and takes no turn meanwhile.
 */
import { PercoreError } from '../errors.js';
import { CLOSED, EVICTED, OK, nameOfCode, type ResultCode } from '../queues/index.js';
import { QUANTUM } from './quantum.js';
import type { ValueTask } from './task.js';
import type { Turn } from './turn.js';
import type { Holdable } from './waits.js';
import type { Timed } from './run-figures.js';

/** The consuming end of any queue: with a `state` if it gives values, without one if it gives bytes or a code. */
export interface ReadableEnd {
  readonly state?: number;
  readonly lost?: number;
  poll(): unknown;
  ready(): Promise<number>;
  leave?(): void;
  close(): void;
}

/**
 * A queue that is being read, as users see it. `Reactor.sub` makes it; only the reactor's own thread may call it, and
 * nothing here blocks.
 *
 *     const reading = reactor.sub(orders, { priority: 5 }, (order) => book.add(order));
 *     reactor.onStop(() => reading.leave());
 *     if ((await reading.ended) === EVICTED) console.log(`lost ${reading.lost} orders`);
 */
export class Reading {
  readonly #reading: QueueReading;

  /** Made by `Reactor.sub`. */
  constructor(reading: QueueReading) {
    this.#reading = reading;
  }

  /**
   * Why it has ended: EVICTED if it was too slow for too long; else CLOSED, by the queue's end, its own `leave()` or
   * `close()`, the end of the runtime, or an error, which is also a 'stepError'. Never rejects.
   */
  get ended(): Promise<ResultCode> {
    return this.#reading.ended;
  }

  /**
   * How many records were lost because the handler was too slow, if `whenSlow` is a policy that loses. Stays after the
   * end.
   */
  get lost(): number {
    return this.#reading.lost;
  }

  /** Stops reading and gives up the place; what is unread stays for its next consumer. A second call does nothing. */
  leave(): void {
    this.#reading.leave();
  }

  /**
   * Stops reading, and tells the producer that nobody will read; see `close` of the queue's consumer. A second call
   * does nothing.
   */
  close(): void {
    this.#reading.close();
  }
}

/** The inside of a `Reading`: the task that runs its handler. */
export class QueueReading implements Holdable, Timed {
  readonly ended: Promise<ResultCode>;
  isReady = false;
  readyNs = 0;
  sinceNs = 0;
  private tellEnd!: (code: ResultCode) => void;
  private lostAtEnd = 0;
  private isOver = false;
  /** The record that the next step gets. */
  private record: unknown;
  private hasRecord = false;
  /** How many reads in a row threw. */
  private failures = 0;

  /** `task` is never scheduled; it stands for the handler's steps. */
  constructor(
    private readonly turn: Turn, private readonly task: ValueTask,
    private readonly end: ReadableEnd, private readonly onEnd: (reading: QueueReading) => void,
  ) {
    this.ended = new Promise((resolve) => (this.tellEnd = resolve));
    turn.schedule(this);
  }

  get lost(): number {
    return this.isOver ? this.lostAtEnd : (this.end.lost ?? 0);
  }

  get band(): number {
    return this.task.band;
  }

  run(): boolean {
    const { turn, task } = this;
    let hasMore = true;
    let steps = 0;
    while (steps < QUANTUM) {
      if (!this.hasRecord && !this.take()) {
        hasMore = false;
        break;
      }
      const code = turn.steps.run(task, this.record, turn.id, task.band);
      if (code !== OK) {
        turn.hold(this, code);
        break;
      }
      this.hasRecord = false;
      this.record = undefined;
      steps++;
      if (turn.mustEndQuantum(task.band, steps)) break;
    }
    turn.endQuantum(task.band, steps);
    return hasMore;
  }

  setHeld(): void {
    // While it is held it does not wait for records: nobody else would schedule it.
  }

  leave(): void {
    this.giveUp(CLOSED);
  }

  close(): void {
    this.finish(CLOSED, () => this.end.close());
  }

  /** Takes the next record; without one, waits for it, or ends with the queue. */
  private take(): boolean {
    if (this.isOver) return false;
    const { end } = this;
    let polled: unknown;
    try {
      polled = end.poll();
      this.failures = 0;
    } catch (error) {
      // A record that cannot be read is lost alone; a queue with scribbled memory would throw for ever.
      if (++this.failures === QUANTUM) this.leave();
      this.report(error);
      return this.take();
    }
    const code = end.state ?? (typeof polled === 'number' ? polled : OK);
    if (code === OK) {
      this.record = polled;
      return this.hasRecord = true;
    }
    if (code === CLOSED || code === EVICTED) {
      this.giveUp(code);
      if (code === EVICTED) {
        this.report(
          new PercoreError(
            'ERR_PERCORE_CLOSED',
            `the consumer was ${nameOfCode(EVICTED)}: it was too slow for too long, and reads no more. What it `
              + 'has lost is counted: inspect(queue).dropped.evicted. Call sub again to read on',
          ),
        );
      }
      return false;
    }
    const goOn = (): void => {
      if (!this.isOver) this.turn.schedule(this);
    };
    end.ready().then(goOn, (error: unknown) => {
      // It would be the same the next time: reading ends at a queue that cannot be waited for.
      this.leave();
      this.report(error);
    });
    return false;
  }

  private giveUp(code: ResultCode): void {
    this.finish(code, () => (this.end.leave === undefined ? this.end.close() : this.end.leave()));
  }

  private finish(code: ResultCode, end: () => void): void {
    if (this.isOver) return;
    // The consumer of lanes forgets their counts with them.
    this.lostAtEnd = this.lost;
    this.isOver = true;
    this.tellEnd(code);
    end();
    this.onEnd(this);
  }

  private report(error: unknown): void {
    this.turn.reportError(error, this.task.name);
  }
}
