/**
 * Calls of one party, both ways: asking a reactor and waiting for its answer, and answering by the handlers registered here. A call is a
 * record in the lane of its band; its answer comes back in the return lane of the same band.
 */
import { invalidArgument, PercoreError } from '../errors.js';
import { BANDS, RETURN_LANES, partyLayout } from '../layout.js';
import { BACK_PRESSURED, OK, TOO_LARGE } from '../queues/index.js';
import { ValueCodec } from '../queues/value-codec.js';
import type { Timers } from '../timers/index.js';
import { Calls, MAX_CALLS, PendingCall, packError, unpackError, type CallOptions } from './calls.js';
import type { Inlet } from './inlet.js';
import type { Intercore } from './intercore.js';
import { CALL_HEAD_BYTES, FAILURE, HEAD_BYTES, REPLY, hashName } from './message.js';
import { Outlet } from './outlet.js';

export interface CallContext {
  /** The party that asks. */
  readonly from: number;
  readonly priority: number;
}

export type Handler = (argument: never, context: CallContext) => unknown;

const DROPPED = partyLayout.fields.dropped.at >> 3;
const CALLS_IN_FLIGHT = partyLayout.fields.callsInFlight.at >> 3;

const NO_LIMIT_MS = 3e12;

export class CallService {
  private readonly calls = new Calls();
  private readonly handlers = new Map<number, { name: string; handler: Handler }>();
  private readonly codec = new ValueCodec();
  private readonly context = { from: 0, priority: 0 };

  constructor(private readonly intercore: Intercore, private readonly timers: Timers) {}

  /** Calls that wait for their answer. */
  get count(): number {
    return this.calls.count;
  }

  addHandler(target: number, name: string, handler: Handler): void {
    this.handlers.set(target, { name, handler });
  }

  nameOf(target: number): string | undefined {
    return this.handlers.get(target)?.name;
  }

  // ---- Asking -----------------------------------------------------------------------------------------------------

  /** Sends the call in the lane of `band` to reactor `to`. Arguments have been checked, but for the limits. */
  call(name: string, argument: unknown, to: number, band: number, options: CallOptions): Promise<unknown> {
    return new Promise((resolve, reject) => {
      if (this.calls.count >= MAX_CALLS) throw new PercoreError('ERR_PERCORE_BACK_PRESSURED', `call("${name}"): ${MAX_CALLS} calls wait for their answers already`);
      if (options.signal !== undefined && !(options.signal instanceof AbortSignal)) throw invalidArgument('signal', options.signal, 'an AbortSignal');
      if (options.signal?.aborted === true) throw options.signal.reason;
      const call = new PendingCall(name, to, resolve, reject);
      let deadlineNs = 0;
      if (options.timeoutMs !== undefined) {
        if (!(options.timeoutMs > 0)) throw invalidArgument('timeoutMs', options.timeoutMs, 'milliseconds above 0');
        // A century and Infinity are no limit at all.
        if (options.timeoutMs < NO_LIMIT_MS) deadlineNs = this.intercore.nowNs() + options.timeoutMs * 1e6;
      }
      this.calls.add(call);
      this.countCalls();
      if (deadlineNs !== 0 || options.signal !== undefined) this.limit(call, deadlineNs, options);
      this.ask(call, hashName(name), band, deadlineNs, argument);
    });
  }

  /** A REPLY or FAILURE record. One that comes after its call was given up is dropped on purpose. */
  settle(inlet: Inlet, at: number, length: number, kind: number): void {
    const call = this.take(inlet.words[at >> 2]!);
    if (call === undefined) return;
    const value = this.codec.read(inlet, at + HEAD_BYTES, length - HEAD_BYTES);
    if (kind === REPLY) call.resolve(value);
    else call.reject(unpackError(value as ReturnType<typeof packError>, inlet.from, call.name));
  }

  /** The calls to a reactor that has died will not be answered. */
  rejectAll(to: number): void {
    this.calls.rejectAll(to, (call) => died(to, call.name));
    this.countCalls();
  }

  /** The party is leaving: nobody will answer, and nobody may ask. */
  close(): void {
    this.calls.rejectAll(undefined, (call) => new PercoreError('ERR_PERCORE_CLOSED', `call("${call.name}"): the runtime was closed before it was answered`));
    this.countCalls();
  }

  private ask(call: PendingCall, target: number, band: number, deadlineNs: number, argument: unknown): void {
    const outlet = this.intercore.outlet(call.to, band);
    let code: number;
    try {
      code = outlet.sendCall(target, call.id, deadlineNs, argument);
    } catch (error) {
      this.take(call.id)?.reject(error);
      return;
    }
    if (code === OK) return;
    if (code === BACK_PRESSURED) {
      outlet.whenRoom(outlet.refusedBytes, () => {
        // Given up meanwhile: nothing to ask any more.
        if (this.calls.has(call)) this.ask(call, target, band, deadlineNs, argument);
      });
      return;
    }
    this.take(call.id)?.reject(code === TOO_LARGE ? new PercoreError('ERR_PERCORE_TOO_LARGE', `call("${call.name}"): ${Outlet.tooLarge(outlet)}`) : died(call.to, call.name));
  }

  private limit(call: PendingCall, deadlineNs: number, { signal, timeoutMs }: CallOptions): void {
    const timer = deadlineNs === 0 ? undefined : this.timers.after({ delayNs: timeoutMs! * 1e6, priority: BANDS - 1 }, () => {
      this.take(call.id)?.reject(new PercoreError('ERR_PERCORE_TIMEOUT', `call("${call.name}") to reactor ${call.to} had no answer within ${timeoutMs} ms`, { reactorId: call.to, value: timeoutMs }));
    });
    const onAbort = () => this.take(call.id)?.reject(signal!.reason);
    signal?.addEventListener('abort', onAbort, { once: true });
    call.cleanUp = () => {
      if (timer !== undefined) this.timers.cancel(timer);
      signal?.removeEventListener('abort', onAbort);
    };
  }

  private take(id: number): PendingCall | undefined {
    const call = this.calls.take(id);
    this.countCalls();
    return call;
  }

  private countCalls(): void {
    this.intercore.counters[CALLS_IN_FLIGHT] = this.calls.count;
  }

  // ---- Answering --------------------------------------------------------------------------------------------------

  /** A CALL record: runs the handler and sends back what it returns or throws. */
  answer(inlet: Inlet, at: number, length: number): void {
    const target = inlet.words[at >> 2]!;
    const callId = inlet.words[(at >> 2) + 1]!;
    const deadlineNs = inlet.view.getFloat64(at + HEAD_BYTES, true);
    // Nobody waits for the answer any more.
    if (deadlineNs !== 0 && this.intercore.nowNs() > deadlineNs) {
      this.intercore.counters[DROPPED]!++;
      return;
    }
    const entry = this.handlers.get(target);
    if (entry === undefined) {
      const known = [...this.handlers.values()].map(({ name }) => `"${name}"`).join(', ') || 'none';
      this.reply(inlet, FAILURE, callId, packError(new PercoreError('ERR_PERCORE_NO_HANDLER', `reactor ${this.intercore.id} has no handler by this name; it handles ${known}. Register handlers in the synchronous part of the entry`)));
      return;
    }
    const context = this.context;
    context.from = inlet.from;
    context.priority = inlet.band;
    try {
      const answer = entry.handler(this.codec.read(inlet, at + CALL_HEAD_BYTES, length - CALL_HEAD_BYTES) as never, context);
      if (typeof (answer as Promise<unknown> | undefined)?.then === 'function') {
        (answer as Promise<unknown>).then((value) => this.reply(inlet, REPLY, callId, value), (error: unknown) => this.reply(inlet, FAILURE, callId, packError(error)));
      } else {
        this.reply(inlet, REPLY, callId, answer);
      }
    } catch (error) {
      this.reply(inlet, FAILURE, callId, packError(error));
    }
  }

  /** Waits for room when the return lane is full, which the asker's limit on calls bounds. */
  private reply(asked: Inlet, kind: number, callId: number, value: unknown): void {
    const outlet = this.intercore.outlet(asked.from, RETURN_LANES + asked.band);
    let code: number;
    try {
      code = outlet.sendReply(kind, callId, value);
    } catch (error) {
      this.reply(asked, FAILURE, callId, packError(error));
      return;
    }
    if (code === BACK_PRESSURED) outlet.whenRoom(outlet.refusedBytes, () => this.reply(asked, kind, callId, value));
    else if (code === TOO_LARGE) this.reply(asked, FAILURE, callId, packError(new PercoreError('ERR_PERCORE_TOO_LARGE', `the answer: ${Outlet.tooLarge(outlet)}`)));
    // CLOSED: the asker has died, and nobody misses the answer.
  }
}

function died(id: number, name: string): PercoreError {
  return new PercoreError('ERR_PERCORE_REACTOR_DIED', `call("${name}"): reactor ${id} has died`, { reactorId: id });
}
