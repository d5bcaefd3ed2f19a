/**
 * The control of one party at work: what it does for each verb. Whatever is wrong with a message is thrown, so the
 * sender gets it; a message that fails leaves nothing behind that it has begun.
 */
import { threadId } from 'node:worker_threads';
import { PercoreError, checkOneOf, checkOptions, checkText, invalidArgument } from '../errors.js';
import type { Connection } from '../io/index.js';
import { CLOSED, type Queue } from '../queues/index.js';
import type { Reactor } from '../reactor/index.js';
import { partyOf } from '../reactor/internal.js';
import { tasksOf } from '../tasks/index.js';
import { createIds, type Ids } from './ids.js';
import { MadeListener, MadeTimer, RegisteredProgram, checkCount } from './made-others.js';
import { MadeTopics } from './made-topics.js';
import { MadeTask, selfOf, sender, showTask } from './made-tasks.js';
import {
  FIELDS, LISTED_KINDS, VERBS,
  type ControlAnswers, type ControlMessages, type Listed, type PartyDump, type ProgramSettings, type ReactorIdentity,
  type Shown, type ControlVerb,
} from './messages.js';
import { checkMade, loadProgram, type Loaded } from './programs.js';
import { RingPassing } from './ring-passing.js';
import { Cursor, MadeRing, Split } from './rings.js';
import { Things, show, type Thing } from './things.js';

type Verbs = { [V in ControlVerb]: (message: ControlMessages[V]) => ControlAnswers[V] | Promise<ControlAnswers[V]> };

export class ControlHost implements Verbs {
  readonly #reactor: Reactor;
  readonly #things = new Things();
  readonly #passing: RingPassing;
  /** What its tasks publish to; the main thread's topology publishes through it as well. */
  readonly topics: MadeTopics;
  /** Names of things that are being made, which may take a while. */
  readonly #begun = new Set<string>();
  readonly #syncSelf: () => Promise<unknown>;
  #name: string;
  #ids: Ids | undefined;

  /** `syncSelf` resolves when what this party has sent itself through lanes has run. */
  constructor(reactor: Reactor, syncSelf: () => Promise<unknown>) {
    this.#reactor = reactor;
    this.#syncSelf = syncSelf;
    this.topics = new MadeTopics(reactor);
    this.#name = selfOf(reactor) === 'main' ? 'main' : `reactor ${reactor.id}`;
    this.#passing = new RingPassing(reactor, (ring) => this.#things.find('ring', ring, MadeRing, 'ring').queue);
  }

  /**
   * Handles one message, whoever sent it. Throws ERR_PERCORE_UNKNOWN_VERB, _INVALID_ARGUMENT and what the verb throws.
   */
  take(asked: unknown): unknown {
    if (!Array.isArray(asked)) throw invalidArgument('message', asked, 'a verb and its fields');
    const [verb, fields] = asked as [unknown, unknown];
    if (typeof verb !== 'string' || !VERBS.includes(verb as ControlVerb)) throw unknownVerb(verb);
    const known = verb as ControlVerb;
    const message = checkOptions(known, (fields ?? {}) as object, FIELDS[known]);
    return (this[known] as (message: object) => unknown)(message);
  }

  // ---- Who it is ---------------------------------------------------------------------------------------------------

  reactor({ name }: ControlMessages['reactor']): ReactorIdentity {
    if (name !== undefined) this.#name = checkText('reactor.name', name);
    return this.#identity();
  }

  // ---- Rings -------------------------------------------------------------------------------------------------------

  ring(message: ControlMessages['ring']): ControlAnswers['ring'] {
    this.#checkNew('ring.name', message.name);
    const { name, queue } = this.#things.add(new MadeRing(message));
    return { name, kind: queue.kind, bytes: queue.buffer.byteLength };
  }

  async cursor(message: ControlMessages['cursor']): Promise<ControlAnswers['cursor']> {
    return this.#make('cursor.name', message.name, async () => {
      const queue = await this.#findRing('cursor.ring', message.ring, message.of);
      return new Cursor(this.#reactor, queue, message);
    });
  }

  async split(message: ControlMessages['split']): Promise<ControlAnswers['split']> {
    return this.#make('split.name', message.name, async () => {
      const queue = await this.#findRing('split.from', message.from, message.of);
      return new Split(this.#reactor, queue, this.#things, message);
    });
  }

  close({ name }: ControlMessages['close']): ControlAnswers['close'] {
    const thing = this.#things.any('close.name', name);
    if (thing.close === undefined) {
      throw invalidArgument('close.name', name, `a ring, cursor, split, timer or listener; it is a ${thing.kind}`);
    }
    thing.close();
    this.#things.remove(name);
    return { name };
  }

  // ---- Tasks -------------------------------------------------------------------------------------------------------

  async register(message: ControlMessages['register']): Promise<ControlAnswers['register']> {
    const { name, module, export: exported = 'default' } = message;
    return this.#make('register.name', name, async () => new RegisteredProgram(
      name, await loadProgram('register', module, exported), module, exported,
    ));
  }

  async spawn(message: ControlMessages['spawn']): Promise<ControlAnswers['spawn']> {
    return this.#make('spawn.name', message.name, async () => {
      const { program, about } = await this.#program('spawn', message);
      const task = new MadeTask(message.name, this.#reactor, about, message, this.topics);
      await task.begin(program);
      return task;
    });
  }

  async join({ name }: ControlMessages['join']): Promise<ControlAnswers['join']> {
    return { value: await this.#things.find('join.name', name, MadeTask, 'task made by a message').ended };
  }

  /**
   * Sends to a task through this party's own lane, so that bytes and values are taken alike and `sync` comes after it.
   */
  send(message: ControlMessages['send']): ControlAnswers['send'] {
    const { task, cursor } = message as { task?: string; cursor?: string };
    if ((task === undefined) === (cursor === undefined)) {
      throw invalidArgument('send.task', task, 'given where cursor is not, and left out where it is');
    }
    if (cursor !== undefined) {
      const end = this.#things.find('send.cursor', cursor, Cursor, 'cursor');
      const code = end.send(message.message);
      end.flush();
      return { code };
    }
    const { tasks } = partyOf(this.#reactor).dispatcher;
    const found = tasks.get(checkText('send.task', task));
    if (found === undefined) {
      // A task that was made by a message and is not there any more has ended.
      this.#things.find('send.task', task, MadeTask, 'task');
      return { code: CLOSED };
    }
    const options = { reactor: selfOf(this.#reactor), priority: found.band };
    return { code: this.#reactor.send(task!, message.message, options) };
  }

  async sync(): Promise<ControlAnswers['sync']> {
    await this.#syncSelf();
    return {};
  }

  seq({ count }: ControlMessages['seq']): ControlAnswers['seq'] {
    const ids = (this.#ids ??= createIds());
    return { ids: Array.from({ length: checkCount(count) }, () => ids.next()) };
  }

  // ---- Timers and sockets ------------------------------------------------------------------------------------------

  timer(message: ControlMessages['timer']): ControlAnswers['timer'] {
    const { name } = message;
    if ('cancel' in message) {
      if (message.cancel !== true) throw invalidArgument('timer.cancel', message.cancel, 'true or left out');
      this.#things.find('timer.name', name, MadeTimer, 'timer').close();
      this.#things.remove(name);
      return { name };
    }
    this.#checkNew('timer.name', name);
    this.#things.add(new MadeTimer(this.#reactor, message, () => this.#things.remove(name)));
    return { name };
  }

  async io(message: ControlMessages['io']): Promise<ControlAnswers['io']> {
    const { name } = message;
    if ('close' in message) {
      if (message.close !== true) throw invalidArgument('io.close', message.close, 'true or left out');
      this.#things.find('io.name', name, MadeListener, 'listener').close();
      this.#things.remove(name);
      return { name };
    }
    await this.#make('io.name', name, async () => {
      const { program } = await this.#program('io', message);
      const reactor = this.#reactor;
      const context = {
        reactor, name, data: message.data, send: sender(reactor, name, {}), end: () => undefined,
        publish: this.topics.publisher(name, {}),
      };
      const handler = checkMade(name, await program(context)) as (connection: Connection) => void;
      return new MadeListener(reactor, name, message.listen, handler);
    });
    const { port } = this.#things.find('io.name', name, MadeListener, 'listener');
    return { name, ...(port === undefined ? {} : { port }) };
  }

  // ---- To look -----------------------------------------------------------------------------------------------------

  list({ what }: ControlMessages['list']): Listed[] {
    if (what !== undefined) checkOneOf('list.what', what, LISTED_KINDS);
    return this.#all().filter(({ kind }) => what === undefined || kind === what)
      .map(({ kind, name, about }) => ({ kind, name, about }));
  }

  show({ name }: ControlMessages['show']): Shown {
    checkText('show.name', name);
    return this.#all().find((shown) => shown.name === name) ?? show(this.#things.any('show.name', name));
  }

  dump(): PartyDump {
    return { ...this.#identity(), things: this.#all() };
  }

  #all(): Shown[] {
    const { id } = this.#reactor;
    const rows = new Map(tasksOf(this.#reactor).map((row) => [row.name, row]));
    const things = [...this.#things].map((thing) => (
      thing instanceof MadeTask ? thing.show(rows.get(thing.name)) : show(thing)
    ));
    const others = [...rows.values()].filter(({ name }) => !this.#things.has(name)).map((row) => showTask(row, {}));
    const me: Shown = {
      kind: 'reactor', name: this.#name, about: selfOf(this.#reactor) === 'main' ? 'the main thread' : `reactor ${id}`,
      details: { ...this.#identity() },
    };
    return [me, ...things, ...others, ...this.topics.show()];
  }

  #identity(): ReactorIdentity {
    const { id, reactors } = this.#reactor;
    return { id, name: this.#name, threadId, reactors, nowNs: this.#reactor.nowNs() };
  }

  // ---- Making ------------------------------------------------------------------------------------------------------

  /** Makes a thing under a name that nobody else can take meanwhile. */
  async #make(argument: string, name: string, make: () => Promise<Thing>): Promise<{ name: string }> {
    this.#checkNew(argument, name);
    this.#begun.add(name);
    try {
      this.#things.add(await make());
    } finally {
      this.#begun.delete(name);
    }
    return { name };
  }

  #checkNew(argument: string, name: unknown): void {
    this.#things.checkFree(checkText(argument, name));
    if (!this.#begun.has(name as string)) return;
    throw new PercoreError('ERR_PERCORE_NAME_TAKEN', `name "${name as string}" is being made here already`, {
      argument, value: name,
    });
  }

  async #findRing(argument: string, ring: string, of: number | 'main' | undefined): Promise<Queue> {
    checkText(argument, ring);
    const self = selfOf(this.#reactor);
    if (of === undefined || of === self) return this.#things.find(argument, ring, MadeRing, 'ring').queue;
    return this.#passing.fetch(ring, of);
  }

  async #program(verb: 'spawn' | 'io', message: ProgramSettings): Promise<{ program: Loaded; about: string }> {
    const { program, module, export: exported = 'default' } = message;
    if ((program === undefined) === (module === undefined)) {
      throw invalidArgument(`${verb}.module`, module, 'given where program is not, and left out where it is');
    }
    if (module !== undefined) {
      return { program: await loadProgram(verb, module, exported), about: `export ${exported} of ${module}` };
    }
    const found = this.#things.find(`${verb}.program`, program, RegisteredProgram, 'registered program');
    return { program: found.program, about: `program ${found.name}` };
  }
}

export function unknownVerb(verb: unknown): PercoreError {
  const allowed = VERBS.join(', ');
  return new PercoreError(
    'ERR_PERCORE_UNKNOWN_VERB', `there is no verb ${JSON.stringify(verb)}; there are ${allowed}`,
    { argument: 'verb', value: verb, allowed },
  );
}
