/** The tasks that one thread, a reactor or the main thread, has given to the pool and waits for. */
import type { MessagePort, TransferListItem } from 'node:worker_threads';
import { PercoreError } from '../errors.js';
import { unpackError } from '../reactor/internal.js';
import { limitWait, type WaitOptions } from '../waiting.js';
import type { OffloadRequest, OffloadResult, Outcome } from './offloaded.js';

/** What a thread says to the pool. */
export type ToPool =
  | { readonly kind: 'run'; readonly request: OffloadRequest }
  | { readonly kind: 'cancel'; readonly id: number };
/** What the pool says to a reactor. */
export type ToAsker =
  | { readonly kind: 'port'; readonly port: MessagePort }
  | ({ readonly kind: 'result' } & OffloadResult);

interface Pending {
  readonly module: string;
  readonly resolve: (value: unknown) => void;
  readonly reject: (error: unknown) => void;
  stop: () => void;
}

export class OffloadClient {
  private readonly pending = new Map<number, Pending>();
  private readonly ports = new Set<MessagePort>();
  private nextId = 0;

  constructor(private readonly send: (message: ToPool, transfer: readonly TransferListItem[]) => void) {}

  /** The arguments have been checked. */
  run(given: Omit<OffloadRequest, 'id'>, limits: WaitOptions): Promise<unknown> {
    return new Promise((resolve, reject) => {
      const id = this.nextId++;
      const pending: Pending = { module: given.module, resolve, reject, stop: () => undefined };
      pending.stop = limitWait(limits, `offload of ${given.module} had no result`, (reason) => {
        if (this.take(id) === undefined) return;
        this.send({ kind: 'cancel', id }, []);
        reject(reason);
      });
      this.pending.set(id, pending);
      if (this.pending.size === 1) for (const port of this.ports) port.ref();
      try {
        this.send({ kind: 'run', request: { id, ...given } }, given.transfer);
      } catch (error) {
        this.take(id);
        pending.stop();
        throw (error as Error).name === 'DataCloneError' ? unclonable(error as Error) : error;
      }
      // A getter of the payload has aborted the signal before the task went.
      if (!this.pending.has(id)) this.send({ kind: 'cancel', id }, []);
    });
  }

  /** A thread of the pool has opened a channel. */
  listen(port: MessagePort): void {
    this.ports.add(port);
    port.on('message', ({ id, outcome }: OffloadResult) => this.settle(id, outcome));
    port.on('close', () => this.ports.delete(port));
    if (this.pending.size === 0) port.unref();
  }

  /** A result that nobody waits for any more is no surprise: its task had begun before it was given up. */
  settle(id: number, outcome: Outcome): void {
    const pending = this.take(id);
    if (pending === undefined) return;
    pending.stop();
    if ('failure' in outcome) pending.reject(unpackError(outcome.failure, undefined, `offload of ${pending.module}`));
    else pending.resolve(outcome.value);
  }

  private take(id: number): Pending | undefined {
    const pending = this.pending.get(id);
    this.pending.delete(id);
    if (this.pending.size === 0) for (const port of this.ports) port.unref();
    return pending;
  }
}

const unclonable = (error: Error): PercoreError => new PercoreError(
  'ERR_PERCORE_UNSERIALIZABLE', `offload: the payload cannot be sent: ${error.message}`,
  { argument: 'payload', cause: error },
);
