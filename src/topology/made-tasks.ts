/** Tasks that were made by a message: `spawn` and `join`. */
import { PercoreError, invalidArgument } from '../errors.js';
import type { Address, ByteRecord, Reactor, Task } from '../reactor/index.js';
import type { ControlMessages } from './messages.js';
import { checkMade, type Loaded, type ProgramContext } from './programs.js';
import type { Thing } from './things.js';

type Sends = NonNullable<ControlMessages['spawn']['sends']>;

/** A task that runs a program. */
export class MadeTask implements Thing {
  readonly kind = 'task';
  /** Settles when the program has called `context.end`. */
  readonly ended: Promise<unknown>;
  #end!: (value: unknown) => void;
  #task: Task<unknown> | undefined;
  #isOver = false;
  #steps = 0;
  #dropped = 0;

  constructor(
    readonly name: string, private readonly reactor: Reactor, private readonly about: string,
    private readonly message: ControlMessages['spawn'],
  ) {
    this.ended = new Promise((resolve) => (this.#end = resolve));
  }

  /** Runs the program, and makes the task of what it returns. Throws what the program or `spawn` throws. */
  async begin(program: Loaded): Promise<void> {
    const { name, message } = this;
    const step = checkMade(name, await program(this.#context()));
    const { priority, capacity, concurrency, takesBytes = false } = message;
    const options = {
      name, ...(priority === undefined ? {} : { priority }), ...(concurrency === undefined ? {} : { concurrency }),
    };
    if (takesBytes) {
      const run = step as (record: ByteRecord) => number | void;
      this.#task = this.reactor.spawnBytes(options, (record) => this.#mayRun() ? run(record) : undefined);
      return;
    }
    this.#task = this.reactor.spawn(
      { ...options, ...(capacity === undefined ? {} : { capacity }) },
      (given: unknown, from, band) => this.#mayRun() ? step(given, from, band) as undefined : undefined,
    );
  }

  /** Of this thread, so without a copy: OK, BACK_PRESSURED, or of bytes also TOO_LARGE. */
  send(message: unknown): number {
    return this.#task!.send(message);
  }

  describe(): { about: string; details: Record<string, unknown> } {
    const { priority = 3, sends = {} } = this.message;
    const state = this.#isOver ? 'ended' : this.#task === undefined ? 'starting' : 'runs';
    return {
      about: `${state}, band ${priority}, ${this.#steps} steps`,
      details: {
        state, priority, program: this.about, steps: this.#steps, depth: this.#task?.depth ?? 0,
        droppedAfterEnd: this.#dropped, sends: Object.keys(sends),
      },
    };
  }

  #mayRun(): boolean {
    if (this.#isOver) {
      this.#dropped++;
      return false;
    }
    this.#steps++;
    return true;
  }

  #context(): ProgramContext {
    const { reactor, name } = this;
    const { data, sends = {} } = this.message;
    return {
      reactor, name, data,
      send: sender(reactor, name, sends),
      end: (value) => {
        this.#isOver = true;
        this.#end(value);
      },
    };
  }
}

/** What may be sent is looked up among the declared edges, each with the address that it goes to. */
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
      address = reactor.address(to, { reactor: party, ...(priority === undefined ? {} : { priority }) });
      addresses.set(to, address);
    }
    return address.send(message);
  };
}

/** How a party addresses itself. */
export function selfOf(reactor: Reactor): number | 'main' {
  return reactor.id === reactor.reactors ? 'main' : reactor.id;
}

/** A message along an edge that nobody has declared. */
export function undeclared(from: string, to: unknown, declared: readonly string[]): PercoreError {
  const allowed = declared.length === 0 ? 'nobody' : declared.map((each) => `"${each}"`).join(', ');
  return new PercoreError(
    'ERR_PERCORE_UNDECLARED', `"${from}" may not send to ${JSON.stringify(to)}: it is declared to send to ${allowed}`,
    { argument: 'to', value: to, allowed },
  );
}
