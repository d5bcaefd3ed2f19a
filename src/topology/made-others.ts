/** Timers, listeners and programs that were made by a message: `timer`, `io` and `register`. */
import { checkFunction, checkInteger, checkText, invalidArgument } from '../errors.js';
import type { Connection, ListenOptions, Listener } from '../io/index.js';
import { OK } from '../queues/index.js';
import type { Reactor } from '../reactor/index.js';
import type { Tick, TimerId } from '../timers/index.js';
import type { ControlMessages } from './messages.js';
import { selfOf, taskHere } from './made-tasks.js';
import type { Loaded } from './programs.js';
import type { Thing } from './things.js';

/** A module's function, loaded and named. */
export class RegisteredProgram implements Thing {
  readonly kind = 'program';

  constructor(readonly name: string, readonly program: Loaded, readonly module: string, readonly exported: string) {}

  describe(): { about: string; details: Record<string, unknown> } {
    const { module, exported } = this;
    return { about: `export ${exported} of ${module}`, details: { module, export: exported } };
  }
}

type TimerMessage = Exclude<ControlMessages['timer'], { cancel: true }>;

/** A timer that sends messages to a task of its party. */
export class MadeTimer implements Thing {
  readonly kind = 'timer';
  readonly name: string;
  readonly #reactor: Reactor;
  readonly #message: TimerMessage;
  readonly #id: TimerId;
  #ticks = 0;
  #refused = 0;
  #missed = 0;

  /** `onOver` is called when it will not tick again. */
  constructor(reactor: Reactor, message: TimerMessage, onOver: () => void) {
    const { name, afterNs, everyNs, task, priority } = message;
    this.name = name;
    this.#reactor = reactor;
    this.#message = message;
    checkText('timer.task', task);
    taskHere(reactor, 'timer.task', task);
    const band = priority === undefined ? {} : { priority };
    if ((afterNs === undefined) === (everyNs === undefined)) {
      throw invalidArgument('timer.afterNs', afterNs, 'given where everyNs is not, and left out where it is');
    }
    const address = reactor.address(task, { reactor: selfOf(reactor), ...band });
    const tick = ({ missed }: Tick): void => {
      const count = ++this.#ticks;
      this.#missed += missed;
      if (address.send(message.message ?? { timer: name, tick: count }) !== OK) this.#refused++;
      if (everyNs === undefined) onOver();
    };
    this.#id = afterNs !== undefined
      ? reactor.timers.after({ delayNs: afterNs, ...band }, tick)
      : reactor.timers.every({ intervalNs: everyNs!, ...band }, tick);
  }

  close(): void {
    this.#reactor.timers.cancel(this.#id);
  }

  describe(): { about: string; details: Record<string, unknown> } {
    const { afterNs, everyNs, task, priority = 3 } = this.#message;
    const when = afterNs === undefined ? `every ${everyNs} ns` : `once, after ${afterNs} ns`;
    return {
      about: `${when}, to task "${task}"`,
      details: { task, priority, when, ticks: this.#ticks, missed: this.#missed, refused: this.#refused },
    };
  }
}

/** A listener that passes its connections to a program. */
export class MadeListener implements Thing {
  readonly kind = 'io';
  readonly listener: Listener;
  #connections = 0;

  constructor(
    reactor: Reactor, readonly name: string, listen: ListenOptions, handler: (connection: Connection) => void,
  ) {
    checkFunction('handler', handler);
    if (typeof listen !== 'object' || listen === null) {
      throw invalidArgument('io.listen', listen, 'options of listen, such as { port: 7000 }');
    }
    this.listener = reactor.io.listen(listen, (connection) => {
      this.#connections++;
      // What the program promises is followed, as for any listener.
      return handler(connection);
    });
  }

  /** Accepts no more; its connections go on. */
  close(): void {
    this.listener.close();
  }

  /** The port that was asked for, or that the kernel has chosen; undefined for a path. */
  get port(): number | undefined {
    return this.listener.port === 0 ? undefined : this.listener.port;
  }

  describe(): { about: string; details: Record<string, unknown> } {
    const { port, isClosed, accepted } = this.listener.status();
    return {
      about: `listens${port === 0 ? '' : ` on port ${port}`}, ${this.#connections} connections`,
      details: { port, isClosed, accepted, connections: this.#connections },
    };
  }
}

/** How many identifiers one message may ask for. */
const MOST_IDS = 1024;

export function checkCount(count: number | undefined): number {
  return count === undefined ? 1 : checkInteger('seq.count', count, 1, MOST_IDS);
}
