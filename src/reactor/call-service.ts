/**
 * The asking half of calls: asks a party and waits for its answer, or for the values of a streaming one. A call is a
 * record in the lane of its band; its answer comes back in the return lane of the same band. Whatever is said about a
 * call later (it was given up, more values may come) goes through the return lane to the party that was asked.
 */
import { PercoreError } from '../errors.js';
import { BANDS, RETURN_LANES, partyLayout } from '../layout.js';
import { BACK_PRESSURED, OK, TOO_LARGE } from '../queues/index.js';
import {
  checkSignal, checkTimeoutMs, limitWait, throwIfOver, type StartTimeout, type WaitOptions,
} from '../waiting.js';
import { ValueCodec } from '../queues/internal.js';
import type { Timers } from '../timers/index.js';
import { partyName, unreadable } from './call-answers.js';
import type { AskedCall } from './call-asked.js';
import { Incoming } from './call-incoming.js';
import { Calls, MAX_CALLS, PendingCall, died, type CallOptions } from './calls.js';
import { packError, shortFailure, unpackError, type Failure } from './failure.js';
import type { Inlet } from './inlet.js';
import type { Intercore } from './intercore.js';
import { CANCEL, CREDIT, GATHERED, HEAD_BYTES, REPLY, STREAMED } from './message.js';
import { MOST_WAITING_BYTES } from './outlet.js';
import { nextValue, VALUE_HEAD_BYTES } from './value-batch.js';

const DROPPED = partyLayout.fields.dropped.at >> 3;
const DROPPED_LATE_ANSWERS = partyLayout.fields.droppedLateAnswers.at >> 3;
const CALLS_MADE = partyLayout.fields.callsMade.at >> 3;
const CALLS_IN_FLIGHT = partyLayout.fields.callsInFlight.at >> 3;

/**
 * Whether to remember where each call was made, and add that to the errors that it brings. Finding that out costs as
 * much as several calls, so it is for those who look for a fault: PERCORE_CALL_STACKS=1.
 */
const KEEPS_STACKS = process.env['PERCORE_CALL_STACKS'] === '1';

/**
 * What the promise that was made last is settled by. An executor of each promise's own would be a third of what a call
 * leaves to the collector.
 */
let resolveNext!: (value: unknown) => void;
let rejectNext!: (error: unknown) => void;
const keepSettlers = (resolve: (value: unknown) => void, reject: (error: unknown) => void): void => {
  resolveNext = resolve;
  rejectNext = reject;
};

export class CallService {
  private readonly calls: Calls;
  private readonly codec = new ValueCodec();

  /** Whether some call waits for its answer. */
  private isWaiting = false;

  /** `onWaiting` is called when the first call begins to wait, and when none waits any more. */
  constructor(
    private readonly intercore: Intercore, private readonly timers: Timers,
    private readonly onWaiting: (isWaiting: boolean) => void,
  ) {
    // Answers to calls of a thread that died in this reactor's place must match none of ours.
    const made = intercore.counters[CALLS_MADE]!;
    this.calls = new Calls(made | 0, Math.floor(made / 2 ** 32) & 0xffff);
  }

  /** How many calls wait for their answer. */
  get count(): number {
    return this.calls.count;
  }

  /**
   * Sends the call in the lane of `band` to party `to`. Arguments have been checked, but for the limits. `within`: the
   * call that is being answered by it, whose limits hold for it as well.
   */
  call(
    name: string, argument: unknown, to: number, band: number, options: CallOptions, within?: AskedCall,
  ): Promise<unknown> {
    const promise = new Promise(keepSettlers);
    const call = new PendingCall(name, to, band, resolveNext, rejectNext);
    try {
      this.begin(call, argument, options, within);
    } catch (error) {
      call.reject(error);
    }
    return promise;
  }

  /** The same for a streaming answer of which `credits` values may be under way. Throws what `call` rejects with. */
  stream(
    name: string, argument: unknown, to: number, band: number, options: CallOptions, within: AskedCall | undefined,
    credits: number,
  ): Incoming {
    const stream = new Incoming(credits);
    const call = new PendingCall(name, to, band, () => stream.end(), (error) => stream.fail(error));
    call.stream = stream;
    stream.host = {
      grant: (values) => {
        this.tell(call, call.band, CREDIT, values);
        // The other side makes them while those are taken that have come.
        this.intercore.outlet(to, RETURN_LANES + call.band).publishInTurn();
      },
      leave: (dropped) => {
        this.drop(DROPPED_LATE_ANSWERS, dropped);
        if (!this.take(call)) return;
        this.cancel(call, new PercoreError('ERR_PERCORE_CLOSED', 'the caller has left the stream'));
      },
    };
    this.begin(call, argument, options, within);
    return stream;
  }

  private begin(call: PendingCall, argument: unknown, options: CallOptions, within: AskedCall | undefined): void {
    const { name, to } = call;
    if (this.calls.count >= MAX_CALLS)
      throw new PercoreError(
        'ERR_PERCORE_BACK_PRESSURED', `call("${name}"): ${MAX_CALLS} calls already wait for their answers`,
      );
    if (KEEPS_STACKS) Error.captureStackTrace(call);
    const limits = within === undefined ? options : within.limit(options);
    const { signal, timeoutMs } = limits;
    checkSignal(signal);
    let deadlineNs = 0;
    if (timeoutMs !== undefined) {
      checkTimeoutMs(timeoutMs);
      deadlineNs = this.intercore.nowNs() + timeoutMs * 1e6;
    }
    const isLimited = signal !== undefined || timeoutMs !== undefined;
    if (isLimited) throwIfOver(limits, this.missed(name, to), to);
    const outlet = this.intercore.outlet(to, call.band);
    const sentName = outlet.name(name);
    this.calls.add(call);
    this.intercore.counters[CALLS_MADE]!++;
    this.countCalls();
    let code: number;
    try {
      code = outlet.sendCall(sentName, call, deadlineNs, argument);
    } catch (error) {
      this.take(call);
      throw error;
    }
    if (code !== OK) {
      this.take(call);
      throw code === TOO_LARGE
        ? new PercoreError('ERR_PERCORE_TOO_LARGE', `call("${name}"): ${outlet.tooLarge}`)
        : code === BACK_PRESSURED
          ? new PercoreError(
              'ERR_PERCORE_BACK_PRESSURED',
              `call("${name}"): calls and answers of ${MOST_WAITING_BYTES} bytes already wait for room; wait for `
                + `some answers before asking for more`,
            )
          : died(to, name);
    }
    // A getter of the argument may have closed the runtime, for example: what is over needs no limit.
    if (call.isOver) return;
    if (isLimited) this.limit(call, limits);
    if (within !== undefined && !call.isOver) this.bind(call, within);
  }

  /** A REPLY, FAILURE, STREAMED or GATHERED record. If its call was given up, it is dropped on purpose, and counted. */
  settle(inlet: Inlet, at: number, length: number, kind: number): void {
    const call = this.calls.find(inlet.words[at >> 2]!, inlet.words[(at >> 2) + 1]!, inlet.from);
    if (call === undefined) {
      this.drop(DROPPED_LATE_ANSWERS, 1);
      return;
    }
    let value: unknown;
    let error: unknown;
    try {
      if (kind === GATHERED) return this.takeGathered(call, inlet, at + HEAD_BYTES, at + length);
      value = this.codec.read(inlet, at + HEAD_BYTES, length - HEAD_BYTES);
      if (kind === STREAMED) {
        call.stream!.push(value);
        return;
      }
      if (kind !== REPLY) error = unpackError(value as Failure, inlet.from, `"${call.name}"`);
    } catch (cause) {
      error = unreadable(`the answer of ${this.nameOf(inlet.from)} to call("${call.name}")`, cause);
    }
    this.take(call);
    // An unreadable value gives the call up: otherwise the other side would go on.
    if (kind >= STREAMED) this.cancel(call, error);
    if (KEEPS_STACKS && error instanceof Error) error.stack += `\n    --- called here ---\n${framesOf(call)}`;
    if (error === undefined) call.resolve(value);
    else call.reject(error);
  }

  private takeGathered({ stream }: PendingCall, inlet: Inlet, at: number, end: number): void {
    for (let next = at; next < end;) {
      const length = inlet.words[next >> 2]!;
      stream!.push(this.codec.read(inlet, next + VALUE_HEAD_BYTES, length));
      next = nextValue(next, length);
    }
  }

  /**
   * The calls to a reactor that has died will not be answered. The thread that comes in its place, if one does, is told
   * of them: those that wait in the lane must not begin there, or they would answer nobody, a stream without end.
   */
  rejectAll(to: number): void {
    this.calls.rejectAll(to, (call) => {
      const mayBegin = !call.isWaiting && call.band < RETURN_LANES && !this.intercore.isDead(to);
      if (mayBegin) this.tell(call, BANDS - 1, CANCEL, undefined);
      return died(to, call.name);
    });
    this.countCalls();
  }

  /** The party is leaving: nobody will answer, and nobody may ask. */
  close(): void {
    const code = 'ERR_PERCORE_CLOSED';
    this.calls.rejectAll(
      undefined,
      ({ name }) => new PercoreError(code, `call("${name}"): the runtime was closed before it was answered`),
    );
    this.countCalls();
  }

  private limit(call: PendingCall, limits: WaitOptions): void {
    const giveUp = (reason: unknown): void => {
      // The other side knows the deadline, but a stream also has to be ended.
      this.giveUp(call, reason, call.stream !== undefined || limits.signal?.aborted === true);
    };
    try {
      call.cleanUp = limitWait(limits, this.missed(call.name, call.to), giveUp, this.startTimeout, call.to);
    } catch (reason) {
      // Serializing runs the getters of the argument, and one of them may have aborted the signal.
      giveUp(reason);
    }
  }

  /** The call is given up when the call that it is made for is given up. */
  private bind(call: PendingCall, within: AskedCall): void {
    const { cleanUp } = call;
    const forget = within.whenOver((reason) => this.giveUp(call, reason, true));
    call.cleanUp = () => {
      cleanUp?.();
      forget();
    };
  }

  private giveUp(call: PendingCall, reason: unknown, isTold: boolean): void {
    if (!this.take(call)) return;
    if (isTold) this.cancel(call, reason);
    if (call.stream !== undefined) this.drop(DROPPED_LATE_ANSWERS, call.stream.clear());
    call.reject(reason);
  }

  /** The party that was asked must know that nobody waits any more. */
  private cancel(call: PendingCall, reason: unknown): void {
    // A call that still waits for room is never sent.
    if (call.isWaiting) return;
    // In the highest band, so that it overtakes a call that has not begun. It is short, so that many of them fit a
    // lane; that the call was given up matters more than why.
    if (this.tell(call, BANDS - 1, CANCEL, shortFailure(packError(reason))) === TOO_LARGE)
      this.tell(call, BANDS - 1, CANCEL, undefined);
  }

  private tell(call: PendingCall, band: number, kind: number, value: unknown): number {
    const outlet = this.intercore.outlet(call.to, RETURN_LANES + band);
    return outlet.sendReply(kind, call.number, call.generation, value);
  }

  /** By the reactor's own clock. */
  private readonly startTimeout: StartTimeout = (timeoutMs, then) => {
    const timer = this.timers.after({ delayNs: timeoutMs * 1e6, priority: BANDS - 1 }, then);
    return () => void this.timers.cancel(timer);
  };

  private missed(name: string, to: number): string {
    return `call("${name}") to ${this.nameOf(to)} had no answer`;
  }

  private take(call: PendingCall): boolean {
    const isTaken = this.calls.take(call);
    this.countCalls();
    return isTaken;
  }

  private nameOf(party: number): string {
    return partyName(party, this.intercore.shared.reactors);
  }

  private drop(reason: number, count: number): void {
    this.intercore.counters[DROPPED]! += count;
    this.intercore.counters[reason]! += count;
  }

  private countCalls(): void {
    const { count } = this.calls;
    this.intercore.counters[CALLS_IN_FLIGHT] = count;
    if (this.isWaiting !== count > 0) this.onWaiting((this.isWaiting = count > 0));
  }
}

/** Where the call was made, without the frames of the call itself. */
function framesOf(call: object): string {
  const { stack = '' } = call as { readonly stack?: string };
  return stack.split('\n').filter((line) => line.startsWith('    at ')).join('\n');
}
