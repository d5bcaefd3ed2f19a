/**
 * The backend `deque`: values by reference inside one thread, in memory that grows with a burst and shrinks after it
 * (by the rule of value-chain.ts). Several producers and consumers may compete. It is for work that is handed around
 * within a reactor, since there is neither copy nor codec.
 *
 *     const jobs = createDeque<Job>({ capacity: 10_000, whenSlow: 'drop-oldest' });
 *     pubDeque(jobs).offer(job);
 *     for await (const job of subDeque(jobs)) { ... }
 *
 * The name is that of Rust's VecDeque. The verbs are those of a queue: values go in at one end and come out at the
 * other.
 */
import { checkInteger, checkOptions, invalidArgument } from '../errors.js';
import { type InThreadQueue, InThreadStore, bind, propertiesInThread, pubInThread, subInThread } from './in-thread.js';
import { BACK_PRESSURED, DROPPED, OK, type ResultCode } from '../result-codes.js';
import type { WhenSlow } from './ring.js';
import { ValueChain } from './value-chain.js';

/** What a deque can do when it is full. */
export type DequePolicy = Extract<WhenSlow, 'wait' | 'drop-newest' | 'drop-oldest'>;

/** Options of a deque. */
export interface DequeOptions {
  /** The most values that it holds: a whole number from 1 to 2^30. Memory is taken as it is needed. */
  capacity: number;
  /**
   * What a full deque does with an offer: answers BACK_PRESSURED (`wait`, the default), answers DROPPED, or drops the
   * oldest value and takes the new one.
   */
  whenSlow?: DequePolicy;
}

/** The deque as `create` returns it. It stays in its thread: a structured clone of it cannot be opened. */
export interface DequeQueue<T> extends InThreadQueue<T> {
  /** Where the values lie. */
  readonly backend: 'deque';
  /** What it does when it is full. */
  readonly whenSlow: DequePolicy;
}

const POLICIES: readonly DequePolicy[] = ['wait', 'drop-newest', 'drop-oldest'];

class DequeStore<T> extends InThreadStore<T> {
  private readonly values = new ValueChain<T>();

  constructor(capacity: number, private readonly whenSlow: DequePolicy) {
    super('deque', capacity);
  }

  get depth(): number {
    return this.values.length;
  }

  get hasRoom(): boolean {
    return this.whenSlow !== 'wait' || this.values.length < this.capacity;
  }

  protected put(value: T): ResultCode {
    if (this.values.length === this.capacity) {
      if (this.whenSlow === 'wait') {
        this.refused++;
        return BACK_PRESSURED;
      }
      if (this.whenSlow === 'drop-newest') {
        this.dropped.newest++;
        return DROPPED;
      }
      this.values.shift();
      this.dropped.oldest++;
    }
    this.values.push(value);
    return OK;
  }

  protected take(): T {
    return this.values.shift();
  }
}

/** Makes a deque. Throws ERR_PERCORE_INVALID_ARGUMENT for a bad option. */
export function createDeque<T>(options: DequeOptions): DequeQueue<T> {
  const { capacity: asked } = checkOptions('options', options, ['kind', 'backend', 'capacity', 'whenSlow']);
  const capacity = checkInteger('capacity', asked, 1, 2 ** 30);
  const whenSlow = options.whenSlow ?? 'wait';
  if (!POLICIES.includes(whenSlow))
    throw invalidArgument(
      'whenSlow', whenSlow,
      `one of ${POLICIES.join(', ')}: a deque's consumers share one place, and blocking would stop them too`,
    );
  return bind<T, DequeQueue<T>>(
    { kind: 'mpmc', backend: 'deque', capacity, whenSlow }, new DequeStore<T>(capacity, whenSlow),
  );
}

export { propertiesInThread as propertiesOfDeque, pubInThread as pubDeque, subInThread as subDeque };
