/**
 * One call that is answered here: who asked, under which number, until when, and whether it is still wanted.
 *
 *      CALL --> handler runs --answered at once--> gone
 *                   \--promise or stream--> under way, in the table of its asker --answered--> gone
 *                                               \--CANCEL, deadline, the asker's death--> over: its signal aborts
 *
 * What only some handlers need (a signal, calls of their own, a stream) is made at its first use: a call without them
 * costs one object.
 */
import { PercoreError } from '../errors.js';
import type { WaitOptions } from '../waiting.js';
import type { Incoming } from './call-incoming.js';
import type { CallOptions } from './calls.js';

/** Asks on behalf of a handler too: it belongs to the party. `within` is the call that the handler answers. */
export interface Asker {
  call(name: string, argument: unknown, options: CallOptions, within: AskedCall | undefined): Promise<unknown>;
  stream(
    name: string, argument: unknown, options: CallOptions, credits: number, within: AskedCall | undefined,
  ): Incoming;
}

/** What a call needs of the answering party. */
export interface AskedHost {
  readonly asker: Asker;
  nowNs(): number;
  /** Calls `then` at that time; the returned function prevents that. */
  at(deadlineNs: number, then: () => void): () => void;
}

export class AskedCall {
  /** The previous call with the same place in the asker's table, if it is still under way here. */
  older: AskedCall | undefined = undefined;
  /** The source of its values, if it is answered by a stream. */
  outgoing: { grant(values: number): void; end(): void } | undefined = undefined;
  private life: Life | undefined = undefined;
  private isAnswered = false;

  constructor(
    readonly host: AskedHost,
    readonly name: string,
    readonly from: number,
    readonly band: number,
    readonly number: number,
    readonly generation: number,
    /** By the clock of all parties; 0 if there is none. */
    readonly deadlineNs: number,
  ) {}

  /** Nobody waits for the answer any more. */
  get isOver(): boolean {
    return this.life?.isOver === true;
  }

  /**
   * True for what its handler throws because it heard of the end: the reason itself, or an error with it as the cause.
   */
  isEndedBy(error: unknown): boolean {
    const reason = this.life?.reason;
    return error === reason || (error instanceof Error && (error.cause === reason || error.name === 'AbortError'));
  }

  get remainingMs(): number {
    if (this.deadlineNs === 0) return Infinity;
    return Math.max(0, (this.deadlineNs - this.host.nowNs()) / 1e6);
  }

  /** Aborts when nobody waits for the answer any more; not after the answer. */
  get signal(): AbortSignal {
    const life = this.needLife();
    if (life.controller === undefined) {
      life.controller = new AbortController();
      if (life.isOver) life.controller.abort(life.reason);
      else if (this.deadlineNs !== 0 && !this.isAnswered) {
        life.stopTimer = this.host.at(this.deadlineNs, () => this.end(this.late()));
      }
    }
    return life.controller.signal;
  }

  /**
   * The limits of a call that its handler makes: the given ones, and what is left of this call. Throws when that is
   * over.
   */
  limit({ signal, timeoutMs }: WaitOptions): WaitOptions {
    if (this.isOver) throw this.life!.reason;
    if (this.deadlineNs === 0) return { signal, timeoutMs };
    const leftMs = this.remainingMs;
    if (leftMs === 0) throw this.late();
    return { signal, timeoutMs: timeoutMs === undefined ? leftMs : Math.min(timeoutMs, leftMs) };
  }

  /** Calls `then` when it ends before it is answered, except by its deadline; the returned function prevents that. */
  whenOver(then: (reason: unknown) => void): () => void {
    const { watchers } = this.needLife();
    watchers.add(then);
    return () => void watchers.delete(then);
  }

  /** Nobody waits for the answer any more. */
  end(reason: unknown): void {
    const life = this.needLife();
    if (life.isOver) return;
    life.isOver = true;
    life.reason = reason;
    life.stopTimer?.();
    this.outgoing?.end();
    for (const then of life.watchers) then(reason);
    life.controller?.abort(reason);
  }

  /** It has been answered. */
  finish(): void {
    this.isAnswered = true;
    this.life?.stopTimer?.();
  }

  private needLife(): Life {
    return (this.life ??= new Life());
  }

  private late(): Error {
    return new PercoreError('ERR_PERCORE_TIMEOUT', `call("${this.name}"): its deadline is over`);
  }
}

class Life {
  isOver = false;
  reason: unknown = undefined;
  controller: AbortController | undefined = undefined;
  stopTimer: (() => void) | undefined = undefined;
  readonly watchers: Set<(reason: unknown) => void> = new Set();
}
