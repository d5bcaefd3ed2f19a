/** Tasks that were made by a message: `spawn` and `join`. */
import { PercoreError, invalidArgument } from '../errors.js';
import type { Address, ByteRecord, Reactor, Task } from '../reactor/index.js';
import { partyOf, type ByteTask, type ValueTask } from '../reactor/internal.js';
import { createProcess, type ProcessBody, type ProcessEnd, type TaskFigures } from '../tasks/index.js';
import type { ControlMessages, Shown } from './messages.js';
import type { MadeTopics } from './made-topics.js';
import { checkMade, type Loaded, type ProgramContext } from './programs.js';
import { unknownName, type Thing } from './things.js';

type Sends = NonNullable<ControlMessages['spawn']['sends']>;

/** A task that runs a program. */
export class MadeTask implements Thing {
  readonly kind = 'task';
  /** Settles when the program has ended the task, or rejects with its error or the reason of its cancellation. */
  readonly ended: Promise<unknown>;
  /** It is not a task any more, and its name is free. */
  isOver = false;
  #settle!: { resolve(value: unknown): void; reject(error: unknown): void };
  #task: Task<unknown> | undefined;
  #leaveTopics: (() => void) | undefined;

  constructor(
    readonly name: string, private readonly reactor: Reactor, private readonly about: string,
    private readonly message: ControlMessages['spawn'], private readonly topics: MadeTopics,
  ) {
    this.ended = new Promise((resolve, reject) => (this.#settle = { resolve, reject }));
    // Whoever joins it sees how it failed; if nobody does, that is no fault.
    this.ended.catch(() => undefined);
  }

  /** Runs the program, and makes the task from what it returns. Throws what the program or `spawn` throws. */
  async begin(program: Loaded): Promise<void> {
    const { name, reactor, message } = this;
    const made = checkMade(name, await program(this.#context()));
    const { takesBytes = false, process = false, priority, class: group, capacity, concurrency, supervise } = message;
    const options = {
      name, ...given('priority', priority), ...given('class', group), ...given('capacity', capacity),
    };
    if (process) {
      if (takesBytes) throw invalidArgument('spawn.takesBytes', takesBytes, 'left out of a process');
      if (concurrency !== undefined) throw invalidArgument('spawn.concurrency', concurrency, 'left out of a process');
      const body = made as unknown as ProcessBody<unknown, unknown>;
      const running = createProcess(reactor, { ...options, ...given('supervise', supervise) }, body);
      this.#subscribe(running);
      void running.join().then((end) => this.#over(end));
      return;
    }
    if (supervise !== undefined) throw invalidArgument('spawn.supervise', supervise, 'given with process: true alone');
    const all = { ...options, ...given('concurrency', concurrency) };
    this.#subscribe(takesBytes
      ? reactor.spawnBytes(all, made as (record: ByteRecord) => number | void)
      : reactor.spawn(all, made as (message: unknown) => undefined));
    if (this.isOver) this.#task?.stop();
  }

  describe(): { about: string; details: Record<string, unknown> } {
    return { about: this.isOver ? 'ended' : 'starting', details: this.#details() };
  }

  /** With the figures of the table of tasks, while the task is in there. */
  show(figures: TaskFigures | undefined): Shown {
    const { kind, name } = this;
    return figures === undefined ? { kind, name, ...this.describe() } : showTask(figures, this.#details());
  }

  #details(): Record<string, unknown> {
    const { sends = {}, publishes = {}, subscribes = {} } = this.message;
    return {
      state: this.isOver ? 'ended' : 'starting', program: this.about, sends: Object.keys(sends),
      publishes: Object.keys(publishes), subscribes: Object.keys(subscribes),
    };
  }

  /** It exists: it hears its topics from now on, or, if that fails, is removed again. */
  #subscribe(task: Task<unknown>): void {
    this.#task = task;
    try {
      this.#leaveTopics = this.topics.subscribe(task, this.message.subscribes ?? {});
    } catch (error) {
      task.stop();
      throw error;
    }
    if (this.isOver) this.#leaveTopics();
  }

  #over(end: ProcessEnd): void {
    this.isOver = true;
    this.#leaveTopics?.();
    if (end.how === 'ended') this.#settle.resolve(end.value);
    else this.#settle.reject(end.how === 'failed' ? end.error : end.reason);
  }

  #context(): ProgramContext {
    const { reactor, name } = this;
    const { data, sends = {}, publishes = {}, process = false } = this.message;
    return {
      reactor, name, data,
      send: sender(reactor, name, sends),
      publish: this.topics.publisher(name, publishes),
      end: (value) => {
        if (process) throw invalidArgument('end', value, 'left to a step: a process ends by returning');
        this.#over({ how: 'ended', value });
        this.#task?.stop();
      },
    };
  }
}

/** A row of the table of tasks, with what else is known. */
export function showTask(figures: TaskFigures, more: Record<string, unknown>): Shown {
  const { name, state, priority, steps } = figures;
  return {
    kind: 'task', name, about: `${state}, band ${priority}, ${steps} steps`, details: { ...more, ...figures },
  };
}

/** A field if there is a value, else none. */
function given<N extends string, V>(name: N, value: V | undefined): { readonly [F in N]?: V } {
  return (value === undefined ? {} : { [name]: value }) as { readonly [F in N]?: V };
}

/** Looks up among the declared edges what may be sent; each has the address that it leads to. */
export function sender(reactor: Reactor, from: string, sends: Sends): ProgramContext['send'] {
  if (typeof sends !== 'object' || sends === null || Array.isArray(sends)) {
    throw invalidArgument('spawn.sends', sends, 'an object: targets by name');
  }
  // A lane is made at its first use, since one that is never used costs nothing.
  const addresses = new Map<string, Address>();
  return (to, message) => {
    let address = addresses.get(to);
    if (address === undefined) {
      if (!Object.hasOwn(sends, to)) throw undeclared(from, to, Object.keys(sends));
      const { reactor: party = selfOf(reactor), priority } = sends[to]!;
      address = reactor.address(to, { reactor: party, ...given('priority', priority) });
      addresses.set(to, address);
    }
    return address.send(message);
  };
}

/** A task of this party, or ERR_PERCORE_UNKNOWN_NAME for what `argument` names. */
export function taskHere(reactor: Reactor, argument: string, name: string): ByteTask | ValueTask {
  const { tasks } = partyOf(reactor).dispatcher;
  const found = tasks.get(name);
  if (found !== undefined) return found;
  throw unknownName(argument, name, 'task', [...tasks.keys()].map((each) => `"${each}"`), undefined);
}

/** How a party addresses itself. */
export function selfOf(reactor: Reactor): number | 'main' {
  const { id, shared } = partyOf(reactor);
  // The main thread comes after the last reactor that there may be, and not after the last that there is.
  return id === shared.reactors ? 'main' : id;
}

/** The error for a message along an edge that nobody has declared. */
function undeclared(from: string, to: unknown, declared: readonly string[]): PercoreError {
  const allowed = declared.length === 0 ? 'nobody' : declared.map((each) => `"${each}"`).join(', ');
  return new PercoreError(
    'ERR_PERCORE_UNDECLARED', `"${from}" may not send to ${JSON.stringify(to)}: it is declared to send to ${allowed}`,
    { argument: 'to', value: to, allowed },
  );
}
