/**
 * The answering half of calls: handlers by name, the calls that are under way in them, and what callers say about
 * those. An answer goes back in the return lane of the band in which the call came.
 */
import { PercoreError } from '../errors.js';
import { BANDS, RETURN_LANES, partyLayout } from '../layout.js';
import { OK, TOO_LARGE } from '../queues/index.js';
import { ValueCodec } from '../queues/internal.js';
import { iteratorOf } from '../iterators.js';
import { refuseFor } from '../refusals.js';
import type { Timers } from '../timers/index.js';
import { AskedCall, type AskedHost, type Asker } from './call-asked.js';
import { Askers } from './call-askers.js';
import { HandlerContext } from './call-context.js';
import { Outgoing } from './call-outgoing.js';
import type { Handler } from './calls.js';
import { packError, shortFailure, unpackError, type Failure } from './failure.js';
import type { Inlet } from './inlet.js';
import type { Intercore } from './intercore.js';
import { CALL_HEAD_BYTES, CANCEL, CREDITS_AT, DEADLINE_AT, FAILURE, HEAD_BYTES, REPLY } from './message.js';
import type { HeardName } from './names.js';
import type { Outlet } from './outlet.js';
import { partyCounters } from './shared.js';

const DROPPED = partyLayout.fields.dropped.at >> 3;
const DROPPED_LATE_CALLS = partyLayout.fields.droppedLateCalls.at >> 3;
const CALLS_OF_DEAD = partyLayout.fields.callsOfDead.at >> 3;

export class CallAnswers implements AskedHost {
  private readonly handlers = new Map<string, Handler>();
  private readonly codec = new ValueCodec();
  private readonly askers: Askers;
  /** The tasks of this party: whoever calls one by mistake is told so. */
  private tasks!: { has(name: string): boolean };
  private reportError!: (error: unknown, where: string) => void;

  /** `asker` asks on behalf of a handler, within the call that it answers. */
  constructor(private readonly intercore: Intercore, private readonly timers: Timers, readonly asker: Asker) {
    const { inboxes } = intercore.shared;
    // Plain: the main thread has stored it before the death was known here.
    this.askers = new Askers(inboxes.length, (from) => partyCounters(inboxes[from]!)[CALLS_OF_DEAD]!);
  }

  /** Before the first turn. */
  begin(tasks: { has(name: string): boolean }, reportError: (error: unknown, where: string) => void): void {
    this.tasks = tasks;
    this.reportError = reportError;
  }

  addHandler(name: string, handler: Handler): void {
    this.handlers.set(name, handler);
  }

  hasHandler(name: string): boolean {
    return this.handlers.has(name);
  }

  /** The handler for a name that the lane has announced; undefined while there is none. */
  handlerOf(heard: HeardName): Handler | undefined {
    return (heard.handler ??= this.handlers.get(heard.text));
  }

  /**
   * A CALL record: runs the handler and sends back what it returns or throws. Returns OK, or BACK_PRESSURED: answers to
   * this asker already wait for room, so its next call waits in its lane. The handlers that are under way therefore
   * bound what waits here.
   */
  answer(inlet: Inlet, at: number, length: number, heard: HeardName | undefined): number {
    const outlet = this.intercore.outlet(inlet.from, RETURN_LANES + inlet.band);
    // A call that came through a return lane waits for nothing, like everything there.
    if (outlet.hasParcels && !inlet.isReturn) return refuseFor(outlet.line, HEAD_BYTES);
    this.answerNow(inlet, at, length, heard);
    return OK;
  }

  /** A CANCEL or CREDIT record: what the asker says about its call meanwhile. */
  told(inlet: Inlet, at: number, length: number, kind: number): void {
    const { words, from } = inlet;
    const number = words[at >> 2]!;
    const generation = words[(at >> 2) + 1]!;
    const asked = this.askers.find(from, number, generation);
    // It was answered meanwhile, or it has not arrived yet, since it came through another lane.
    if (asked === undefined) {
      if (kind === CANCEL) this.askers.cancelEarly(from, number, generation);
      return;
    }
    let value: unknown;
    try {
      value = this.codec.read(inlet, at + HEAD_BYTES, length - HEAD_BYTES);
    } catch (cause) {
      value = packError(cause);
    }
    const given = `call("${asked.name}") was given up`;
    if (kind === CANCEL && value === undefined) asked.end(new PercoreError('ERR_PERCORE_CLOSED', given));
    else if (kind === CANCEL) asked.end(unpackError(value as Failure, from, given));
    else asked.outgoing?.grant(value as number);
  }

  /** Nobody waits any more for what `from` has asked; without `from`, for anything. */
  endAll(from: number | undefined, why: () => PercoreError): void {
    this.askers.endAll(from, why);
  }

  // ---- One call -----------------------------------------------------------------------------------------------------

  private answerNow(inlet: Inlet, at: number, length: number, heard: HeardName | undefined): void {
    const { words, from, band } = inlet;
    const number = words[(at >> 2) + 1]!;
    const generation = words[(at >> 2) + 2]!;
    const deadlineNs = inlet.view.getFloat64(at + DEADLINE_AT, true);
    // Nobody waits for the answer any more.
    if (
      (deadlineNs !== 0 && this.intercore.nowNs() > deadlineNs)
      || (this.askers.hasEarly && this.askers.takeEarly(from, number, generation))
      // What a dead thread has handed over with a bucket comes by a return lane, and counts.
      || (this.askers.hasDead && !inlet.isReturn && this.askers.isOfDead(from, number, generation))
    ) {
      this.intercore.counters[DROPPED]!++;
      this.intercore.counters[DROPPED_LATE_CALLS]!++;
      return;
    }
    const name = heard === undefined ? '' : heard.text;
    const asked = new AskedCall(this, name, from, band, number, generation, deadlineNs);
    const handler = heard === undefined ? undefined : this.handlerOf(heard);
    if (handler === undefined) {
      this.fail(asked, this.noHandler(heard?.text));
      return;
    }
    let argument: unknown;
    try {
      argument = this.codec.read(inlet, at + CALL_HEAD_BYTES, length - CALL_HEAD_BYTES);
    } catch (cause) {
      const what = `the argument of call("${asked.name}"), which ${this.nameOf(from)} has sent,`;
      this.fail(asked, unreadable(what, cause));
      return;
    }
    const credits = words[(at + CREDITS_AT) >> 2]!;
    try {
      const answer = handler(argument as never, new HandlerContext(asked) as never);
      if (credits !== 0) {
        void this.stream(asked, answer, credits);
      } else if (typeof (answer as Promise<unknown> | undefined)?.then === 'function') {
        this.follow(asked, answer as Promise<unknown>);
      } else {
        asked.finish();
        this.reply(asked, answer);
      }
    } catch (error) {
      asked.finish();
      this.fail(asked, error);
    }
  }

  private follow(asked: AskedCall, answer: Promise<unknown>): void {
    this.askers.add(asked);
    // Uses a promise of the language: a thenable of a user's may call back twice, or throw.
    Promise.resolve(answer).then(
      (value) => {
        this.askers.remove(asked);
        this.reply(asked, value);
      },
      (error: unknown) => {
        this.askers.remove(asked);
        this.fail(asked, error);
      },
    );
  }

  private async stream(asked: AskedCall, answer: unknown, credits: number): Promise<void> {
    this.askers.add(asked);
    try {
      const values = await answer;
      const iterator = streamOf(values);
      if (iterator === undefined) throw notStreaming(asked.name);
      const outgoing = new Outgoing(
        this, iterator, this.answerOutlet(asked), asked.number, asked.generation, credits,
      );
      asked.outgoing = outgoing;
      if (asked.isOver) outgoing.end();
      const isAwaited = await outgoing.run();
      this.askers.remove(asked);
      if (isAwaited) this.reply(asked, undefined);
    } catch (error) {
      this.askers.remove(asked);
      if (!asked.isOver) this.fail(asked, error);
      // The caller has left, and would not hear of it.
      else if (!asked.isEndedBy(error)) this.reportError(error, `the stream of callStream("${asked.name}")`);
    }
  }

  private noHandler(name: string | undefined): PercoreError {
    const known = [...this.handlers.keys()].map((each) => `"${each}"`).join(', ') || 'none';
    const here = this.nameOf(this.intercore.id);
    const why = name !== undefined && this.tasks.has(name)
      ? 'it is a task: send to it'
      : `it handles ${known}. Register handlers in the entry, before it returns`;
    return new PercoreError(
      'ERR_PERCORE_NO_HANDLER', `call("${name}"): ${here} has no handler by this name; ${why}`,
      { argument: 'name', value: name },
    );
  }

  private reply(asked: AskedCall, value: unknown): void {
    const outlet = this.answerOutlet(asked);
    try {
      if (outlet.sendReply(REPLY, asked.number, asked.generation, value) !== TOO_LARGE) return;
    } catch (error) {
      if (isStream(value)) {
        void streamOf(value)!.return?.();
        this.fail(asked, isStreaming(asked.name));
        return;
      }
      // The asker must not look for the fault in its own argument.
      if (error instanceof PercoreError) error.message = `the answer: ${error.message}`;
      this.fail(asked, error);
      return;
    }
    this.fail(asked, new PercoreError('ERR_PERCORE_TOO_LARGE', `the answer: ${outlet.tooLarge}`));
  }

  private fail(asked: AskedCall, error: unknown): void {
    const outlet = this.answerOutlet(asked);
    const failure = packError(error);
    // CLOSED: the asker has died, and nobody misses the answer.
    if (outlet.sendReply(FAILURE, asked.number, asked.generation, failure) === TOO_LARGE)
      outlet.sendReply(FAILURE, asked.number, asked.generation, shortFailure(failure));
  }

  private answerOutlet({ from, band }: AskedCall): Outlet {
    return this.intercore.outlet(from, RETURN_LANES + band);
  }

  private nameOf(party: number): string {
    return partyName(party, this.intercore.shared.reactors);
  }

  // ---- For a call ---------------------------------------------------------------------------------------------------

  nowNs(): number {
    return this.intercore.nowNs();
  }

  at(deadlineNs: number, then: () => void): () => void {
    const delayNs = Math.max(0, deadlineNs - this.intercore.nowNs());
    const timer = this.timers.after({ delayNs, priority: BANDS - 1 }, then);
    return () => void this.timers.cancel(timer);
  }
}

export const partyName = (party: number, reactors: number): string =>
  (party === reactors ? 'the main thread' : `reactor ${party}`);

export function unreadable(what: string, cause: unknown): PercoreError {
  const why = cause instanceof Error ? cause.message : String(cause);
  return new PercoreError(
    'ERR_PERCORE_UNSERIALIZABLE',
    `${what} cannot be read on this thread: ${why}. A value that is nested thousands of levels deep needs more stack `
      + `than a thread may have`,
    { cause },
  );
}

/** For an asynchronous iterable, or a plain iterator such as a generator; lists and the like are values. */
function streamOf(values: unknown): AsyncIterator<unknown> | Iterator<unknown> | undefined {
  if (typeof values !== 'object' || values === null) return undefined;
  const { next, [Symbol.asyncIterator]: async, [Symbol.iterator]: plain } = values as
    { next?: unknown } & Partial<AsyncIterable<unknown>> & Partial<Iterable<unknown>>;
  const answer = 'what the handler answers';
  if (typeof async === 'function') return iteratorOf(answer, values, Symbol.asyncIterator);
  if (typeof next !== 'function' || typeof plain !== 'function') return undefined;
  return iteratorOf(answer, values, Symbol.iterator);
}

const isStream = (value: unknown): boolean => {
  if (typeof value !== 'object' || value === null) return false;
  const { next, [Symbol.asyncIterator]: async } = value as { next?: unknown } & Partial<AsyncIterable<unknown>>;
  return typeof async === 'function' || (typeof next === 'function' && Symbol.iterator in value);
};

const isStreaming = (name: string): PercoreError => new PercoreError(
  'ERR_PERCORE_INVALID_ARGUMENT', `call("${name}"): its handler answers a stream; ask by callStream`,
  { argument: 'name', value: name },
);

const notStreaming = (name: string): PercoreError => new PercoreError(
  'ERR_PERCORE_INVALID_ARGUMENT',
  `callStream("${name}"): its handler answers no async iterable, such as a generator; ask by call`,
  { argument: 'name', value: name },
);
