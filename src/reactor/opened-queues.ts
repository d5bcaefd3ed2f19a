/**
 * Which queues a reactor's thread has ends of. The main thread knows them, and frees their places when that thread has
 * ended.
 *
 *      reactor: pub, sub --'queueOpened', before the place is taken--> main thread keeps the handle --exit--> recover
 *               nothing here reaches its memory --'queueUnreachable'--> forgets it, unless a place is still held
 *
 * A thread that drops an end without leave() or close() keeps its place, and therefore the memory of its queue, until
 * the thread ends.
 */
import { recover, type Queue, type Recovered } from '../queues/index.js';
import { addRecovered, hasPlace, noneRecovered } from '../queues/internal.js';

export type QueueReport = { kind: 'queueOpened'; number: number; queue: Queue } | {
  kind: 'queueUnreachable'; number: number,
};

/** Memory of runtimes that were made in this thread; they look after their lanes themselves. */
const ownLanes = new WeakSet<SharedArrayBuffer>();
export function noteOwnLanes(inboxes: readonly SharedArrayBuffer[]): void {
  for (const inbox of inboxes) ownLanes.add(inbox);
}

/** The reactor's half. */
export class OpenedQueues {
  private opened = 0;
  /** For each memory, the places in it of the queues that were reported. */
  private readonly told = new WeakMap<SharedArrayBuffer, Set<number>>();
  private readonly unreachable = new FinalizationRegistry<number>(
    (number) => this.report({ kind: 'queueUnreachable', number }),
  );

  /** `lanes`: memory of the runtime itself, whose ends nobody takes over. */
  constructor(
    private readonly lanes: readonly SharedArrayBuffer[], private readonly report: (report: QueueReport) => void,
  ) {}

  /** An end of a queue, whose handle was checked, is about to take its place. Reports each queue once. */
  note(queue: Queue): void {
    const { kind, backend, buffer, byteOffset, capacity, recordBytes, maxProducers, maxConsumers } = queue;
    const { chunkBytes, memory } = queue as Queue & { chunkBytes?: number };
    if (this.lanes.includes(buffer) || ownLanes.has(buffer)) return;
    let offsets = this.told.get(buffer);
    if (offsets === undefined) this.told.set(buffer, offsets = new Set());
    if (offsets.has(byteOffset)) return;
    offsets.add(byteOffset);
    const number = ++this.opened;
    this.unreachable.register(buffer, number);
    // Not the handle itself: the user may have put something on it that cannot be posted.
    const handle = {
      kind,
      backend,
      buffer,
      byteOffset,
      capacity,
      recordBytes,
      maxProducers: kind === 'mpsc' ? maxProducers : 1,
      maxConsumers,
      ...(backend === 'linked' ? { chunkBytes } : {}),
      // In a file: its places are known by numbers of that file.
      ...(memory === undefined ? {} : { memory }),
    };
    this.report({ kind: 'queueOpened', number, queue: handle });
  }
}

/** The main thread's half, for one reactor. `threadId` is Node's. */
export class QueuesOfThread {
  private readonly queues = new Map<number, Queue>();

  constructor(private readonly threadId: number) {}

  /** How many queues are remembered. */
  get count(): number {
    return this.queues.size;
  }

  take(report: QueueReport): void {
    const { number } = report;
    if (report.kind === 'queueOpened') {
      this.queues.set(number, report.queue);
      return;
    }
    const queue = this.queues.get(number);
    if (queue !== undefined && !hasPlace(queue, this.threadId)) this.queues.delete(number);
  }

  /**
   * Call it only after the thread's exit event: frees its places. `failed` gets what a queue with scribbled memory
   * throws.
   */
  recover(failed: (error: Error) => void): Recovered {
    const done = noneRecovered();
    for (const queue of this.queues.values()) {
      try {
        addRecovered(done, recover(queue, this.threadId));
      } catch (error) {
        failed(error as Error);
      }
    }
    this.queues.clear();
    return done;
  }
}
