/**
 * Calls of one party, both ways: asking a reactor and waiting for its answer, and answering by the handlers registered
 * here. A call is a record in the lane of its band; its answer comes back in the return lane of the same band.
 */
import { PercoreError } from '../errors.js';
import { BANDS, RETURN_LANES, partyLayout } from '../layout.js';
import { BACK_PRESSURED, OK, TOO_LARGE } from '../queues/index.js';
import { refuseFor } from '../refusals.js';
import { checkSignal, checkTimeoutMs, limitWait, throwIfOver, type StartTimeout } from '../waiting.js';
import { ValueCodec } from '../queues/internal.js';
import type { Timers } from '../timers/index.js';
import { Calls, MAX_CALLS, PendingCall, died, type CallOptions, type Handler } from './calls.js';
import { packError, shortFailure, unpackError, type Failure } from './failure.js';
import type { Inlet } from './inlet.js';
import type { Intercore } from './intercore.js';
import { CALL_HEAD_BYTES, DEADLINE_AT, FAILURE, HEAD_BYTES, REPLY } from './message.js';
import type { HeardName } from './names.js';
import { MOST_WAITING_BYTES, type Outlet } from './outlet.js';

const DROPPED = partyLayout.fields.dropped.at >> 3;
const DROPPED_LATE_CALLS = partyLayout.fields.droppedLateCalls.at >> 3;
const DROPPED_LATE_ANSWERS = partyLayout.fields.droppedLateAnswers.at >> 3;
const CALLS_MADE = partyLayout.fields.callsMade.at >> 3;
const CALLS_IN_FLIGHT = partyLayout.fields.callsInFlight.at >> 3;

export class CallService {
  private readonly calls: Calls;
  private readonly handlers = new Map<string, Handler>();
  private readonly codec = new ValueCodec();

  /** The tasks of this party: who calls one by mistake is told. */
  private tasks!: { has(name: string): boolean };

  /** Some call waits for its answer. */
  private isWaiting = false;

  /** `onWaiting` is told when the first call begins to wait, and when none does any more. */
  constructor(
    private readonly intercore: Intercore, private readonly timers: Timers,
    private readonly onWaiting: (isWaiting: boolean) => void,
  ) {
    // Answers to calls of a thread that has died in this reactor's place must fit none of ours.
    const made = intercore.counters[CALLS_MADE]!;
    this.calls = new Calls(made | 0, Math.floor(made / 2 ** 32) & 0xffff);
  }

  /** Calls that wait for their answer. */
  get count(): number {
    return this.calls.count;
  }

  /** Before the first turn. */
  begin(tasks: { has(name: string): boolean }): void {
    this.tasks = tasks;
  }

  addHandler(name: string, handler: Handler): void {
    this.handlers.set(name, handler);
  }

  hasHandler(name: string): boolean {
    return this.handlers.has(name);
  }

  /** The names that are handled here. */
  get names(): string[] {
    return [...this.handlers.keys()];
  }

  // ---- Asking -----------------------------------------------------------------------------------------------------

  /** Sends the call in the lane of `band` to party `to`. Arguments have been checked, but for the limits. */
  call(name: string, argument: unknown, to: number, band: number, options: CallOptions): Promise<unknown> {
    return new Promise((resolve, reject) => {
      if (this.calls.count >= MAX_CALLS)
        throw new PercoreError(
          'ERR_PERCORE_BACK_PRESSURED', `call("${name}"): ${MAX_CALLS} calls wait for their answers already`,
        );
      const { signal, timeoutMs } = options;
      checkSignal(signal);
      let deadlineNs = 0;
      if (timeoutMs !== undefined) {
        checkTimeoutMs(timeoutMs);
        deadlineNs = this.intercore.nowNs() + timeoutMs * 1e6;
      }
      const isLimited = signal !== undefined || timeoutMs !== undefined;
      if (isLimited) throwIfOver(options, this.missed(name, to), to);
      const outlet = this.intercore.outlet(to, band);
      const sentName = outlet.name(name);
      const call = new PendingCall(name, to, resolve, reject);
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
                `call("${name}"): calls and answers of ${MOST_WAITING_BYTES} bytes wait for room already; wait for `
                  + `some answers before asking more`,
              )
            : died(to, name);
      }
      // A getter of the argument may have closed the runtime, or whatever: what is over needs no limit.
      if (isLimited && !call.isOver) this.limit(call, options);
    });
  }

  /** A REPLY or FAILURE record. One that comes after its call was given up is dropped on purpose, and counted. */
  settle(inlet: Inlet, at: number, length: number, kind: number): void {
    const call = this.calls.find(inlet.words[at >> 2]!, inlet.words[(at >> 2) + 1]!, inlet.from);
    if (call === undefined) {
      this.drop(DROPPED_LATE_ANSWERS);
      return;
    }
    let value: unknown;
    let error: unknown;
    try {
      value = this.codec.read(inlet, at + HEAD_BYTES, length - HEAD_BYTES);
      if (kind !== REPLY) error = unpackError(value as Failure, inlet.from, `"${call.name}"`);
    } catch (cause) {
      error = unreadable(`the answer of ${this.nameOf(inlet.from)} to call("${call.name}")`, cause);
    }
    this.take(call);
    if (error === undefined) call.resolve(value);
    else call.reject(error);
  }

  /** The calls to a reactor that has died will not be answered. */
  rejectAll(to: number): void {
    this.calls.rejectAll(to, (call) => died(to, call.name));
    this.countCalls();
  }

  /** The party is leaving: nobody will answer, and nobody may ask. */
  close(): void {
    this.calls.rejectAll(
      undefined,
      (call) =>
        new PercoreError('ERR_PERCORE_CLOSED', `call("${call.name}"): the runtime was closed before it was answered`),
    );
    this.countCalls();
  }

  private limit(call: PendingCall, options: CallOptions): void {
    const giveUp = (reason: unknown): void => {
      if (this.take(call)) call.reject(reason);
    };
    try {
      call.cleanUp = limitWait(options, this.missed(call.name, call.to), giveUp, this.startTimeout, call.to);
    } catch (reason) {
      // Serializing runs the getters of the argument, and one of them may have aborted the signal.
      giveUp(reason);
    }
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
    return party === this.intercore.shared.reactors ? 'the main thread' : `reactor ${party}`;
  }

  private drop(reason: number): void {
    this.intercore.counters[DROPPED]!++;
    this.intercore.counters[reason]!++;
  }

  private countCalls(): void {
    const { count } = this.calls;
    this.intercore.counters[CALLS_IN_FLIGHT] = count;
    if (this.isWaiting !== count > 0) this.onWaiting((this.isWaiting = count > 0));
  }

  // ---- Answering --------------------------------------------------------------------------------------------------

  /** The handler for a name that the lane has told; undefined while there is none. */
  handlerOf(heard: HeardName): Handler | undefined {
    return (heard.handler ??= this.handlers.get(heard.text));
  }

  /**
   * A CALL record: runs the handler and sends back what it returns or throws. OK, or BACK_PRESSURED: answers to this
   * asker wait for room already, so its next call waits in its lane. What waits here is therefore bounded by the
   * handlers that are under way.
   */
  answer(inlet: Inlet, at: number, length: number, heard: HeardName | undefined): number {
    const outlet = this.answerOutlet(inlet);
    // One that came by a return lane waits for nothing, as everything there.
    if (outlet.hasParcels && !inlet.isReturn) return refuseFor(outlet.line, HEAD_BYTES);
    this.answerNow(inlet, at, length, heard);
    return OK;
  }

  private answerNow(inlet: Inlet, at: number, length: number, heard: HeardName | undefined): void {
    const { words, from, band } = inlet;
    const deadlineNs = inlet.view.getFloat64(at + DEADLINE_AT, true);
    // Nobody waits for the answer any more.
    if (deadlineNs !== 0 && this.intercore.nowNs() > deadlineNs) {
      this.drop(DROPPED_LATE_CALLS);
      return;
    }
    const asked: Asked = { from, band, number: words[(at >> 2) + 1]!, generation: words[(at >> 2) + 2]! };
    const handler = heard === undefined ? undefined : this.handlerOf(heard);
    if (handler === undefined) {
      this.fail(asked, this.noHandler(heard?.text));
      return;
    }
    let argument: unknown;
    try {
      argument = this.codec.read(inlet, at + CALL_HEAD_BYTES, length - CALL_HEAD_BYTES);
    } catch (cause) {
      this.fail(
        asked, unreadable(`the argument of call("${heard!.text}"), which ${this.nameOf(from)} has sent,`, cause),
      );
      return;
    }
    try {
      const answer = handler(argument as never, { from, priority: band });
      if (typeof (answer as Promise<unknown> | undefined)?.then === 'function') {
        // By a promise of the language: a thenable of the user's may call back twice, or throw.
        Promise.resolve(answer).then((value) => this.reply(asked, value), (error: unknown) => this.fail(asked, error));
      } else {
        this.reply(asked, answer);
      }
    } catch (error) {
      this.fail(asked, error);
    }
  }

  private noHandler(name: string | undefined): PercoreError {
    const known = this.names.map((each) => `"${each}"`).join(', ') || 'none';
    const here = this.nameOf(this.intercore.id);
    const why = name !== undefined && this.tasks.has(name)
      ? 'it is a task: send to it'
      : `it handles ${known}. Register handlers in the entry, before it returns`;
    return new PercoreError(
      'ERR_PERCORE_NO_HANDLER', `call("${name}"): ${here} has no handler by this name; ${why}`,
      { argument: 'name', value: name },
    );
  }

  private reply(asked: Asked, value: unknown): void {
    const outlet = this.answerOutlet(asked);
    try {
      if (outlet.sendReply(REPLY, asked.number, asked.generation, value) !== TOO_LARGE) return;
    } catch (error) {
      // The asker must not look for the fault in its own argument.
      if (error instanceof PercoreError) error.message = `the answer: ${error.message}`;
      this.fail(asked, error);
      return;
    }
    this.fail(asked, new PercoreError('ERR_PERCORE_TOO_LARGE', `the answer: ${outlet.tooLarge}`));
  }

  private fail({ from, band, number, generation }: Asked, error: unknown): void {
    const outlet = this.answerOutlet({ from, band });
    const failure = packError(error);
    // CLOSED: the asker has died, and nobody misses the answer.
    if (outlet.sendReply(FAILURE, number, generation, failure) === TOO_LARGE)
      outlet.sendReply(FAILURE, number, generation, shortFailure(failure));
  }

  private answerOutlet({ from, band }: { from: number; band: number }): Outlet {
    return this.intercore.outlet(from, RETURN_LANES + band);
  }
}

/** Which call is to be answered. */
interface Asked {
  readonly from: number;
  readonly band: number;
  readonly number: number;
  readonly generation: number;
}

function unreadable(what: string, cause: unknown): PercoreError {
  const why = cause instanceof Error ? cause.message : String(cause);
  return new PercoreError(
    'ERR_PERCORE_UNSERIALIZABLE',
    `${what} cannot be read on this thread: ${why}. A value that is nested thousands of levels deep needs more stack `
      + `than a thread may have`,
    { cause },
  );
}
