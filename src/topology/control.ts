/**
 * The control of a party: it does what other parties ask by the verbs of messages.ts, and asks them in turn. A message
 * is a call to the reserved name `percore:control`, in the highest band, so it is acknowledged once or rejected,
 * whatever dies.
 *
 *      control.ask(1, 'ring', { … })          asker                     reactor 1
 *          CALL percore:control ['ring', …]  ------- lane, band 7 --->  checks, makes the ring
 *          resolves                          <------ return lane -----  { name, kind, bytes }
 *
 * `sync` is asked once in every band, because each band is a lane of its own whose messages run in order: when all
 * eight have been answered, everything before them has run.
 */
import { checkText } from '../errors.js';
import { BANDS } from '../layout.js';
import type { CallOptions, Reactor, Runtime } from '../reactor/index.js';
import { partyOf, reactorOf } from '../reactor/internal.js';
import { ControlHost } from './host.js';
import { selfOf } from './made-tasks.js';
import type { MadeTopics } from './made-topics.js';
import type { ControlAnswers, ControlMessages, ControlVerb } from './messages.js';

/** The reserved names of the protocol. */
const CONTROL = 'percore:control';
const SYNC = 'percore:sync';
const HIGHEST = BANDS - 1;

/** How long to wait for an acknowledgement. */
export type ControlOptions = Pick<CallOptions, 'timeoutMs' | 'signal'>;

let topicsIn: (control: Control) => MadeTopics;

const controls = new WeakMap<object, Control>();

/**
 * Opens the control of this party: from now on others may ask it, and it may ask others that have opened theirs. Call
 * it in the entry, and on the main thread after `createRuntime`; or use `controlEntry` as the entry. A second call
 * returns the same control.
 *
 *     const control = openControl(runtime);
 *     await control.ask(0, 'spawn', { name: 'book', module: new URL('./book.js', import.meta.url).href, priority: 6 });
 *     await control.ask(0, 'send', { task: 'book', message: { price: 101.5 } });
 *     await control.ask(0, 'sync', {});                          // the book has it
 *     console.log(await control.ask(0, 'list', {}));
 *
 * Throws ERR_PERCORE_INVALID_ARGUMENT if `of` is neither a reactor nor a runtime, and ERR_PERCORE_CLOSED.
 */
export function openControl(of: Reactor | Runtime): Control {
  const party = partyOf(of);
  const opened = controls.get(party) ?? new Control(reactorOf(of));
  controls.set(party, opened);
  return opened;
}

/** Asks parties by the verbs of the InterCore protocol; made by `openControl`. It belongs to one thread. */
export class Control {
  readonly #reactor: Reactor;
  readonly #host: ControlHost;

  static {
    topicsIn = (control) => control.#host.topics;
  }

  constructor(reactor: Reactor) {
    this.#reactor = reactor;
    const host = this.#host = new ControlHost(reactor, () => this.#syncLanes(selfOf(reactor), {}));
    reactor.handle(CONTROL, (asked: unknown) => host.take(asked));
    reactor.handle(SYNC, () => undefined);
  }

  /**
   * Asks a party, this one or another, and promises its acknowledgement. Rejects with what is wrong with the message,
   * and as `call` does: ERR_PERCORE_REACTOR_DIED, _NO_HANDLER (it has not opened its control), _TIMEOUT, and so on.
   * Errors of the protocol: ERR_PERCORE_UNKNOWN_VERB, ERR_PERCORE_UNKNOWN_NAME, ERR_PERCORE_NAME_TAKEN,
   * ERR_PERCORE_ENTRY (a program that cannot be loaded), ERR_PERCORE_INVALID_ARGUMENT. Does not block; allocates.
   *
   * `sync` waits for what this party has sent to that one through lanes, by `send`, `call` and addresses alike, and for
   * what verbs have sent there. A step that returned a promise has run, but the promise may not have settled.
   */
  async ask<V extends ControlVerb>(
    to: number | 'main', verb: V, fields: ControlMessages[V], options: ControlOptions = {},
  ): Promise<ControlAnswers[V]> {
    checkText('verb', verb);
    if (verb === 'sync') await this.#syncLanes(to, options);
    const where = { ...options, reactor: to, priority: HIGHEST };
    return this.#reactor.call(CONTROL, [verb, fields], where) as Promise<ControlAnswers[V]>;
  }

  #syncLanes(to: number | 'main', options: ControlOptions): Promise<unknown> {
    return Promise.all(Array.from(
      { length: BANDS }, (_, priority) => this.#reactor.call(SYNC, undefined, { ...options, reactor: to, priority }),
    ));
  }
}

/** Only for the package itself: the topics of a control's party. */
export const topicsOfControl = (control: Control): MadeTopics => topicsIn(control);
