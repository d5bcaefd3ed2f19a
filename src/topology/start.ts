/** A topology that runs: it was started by messages of the protocol, and can be listed, dumped and sent to. */
import { PercoreError, checkOptions, checkText, invalidArgument } from '../errors.js';
import type { Runtime } from '../reactor/index.js';
import { controllerOf, reactorOf } from '../reactor/internal.js';
import type { BootStep, BootTopology } from './boot.js';
import { openControl, topicsOfControl, type Control, type ControlOptions } from './control.js';
import { formatDump, type TopologyDump } from './dump.js';
import { sender } from './made-tasks.js';
import type { Listed, ListedKind, Shown } from './messages.js';
import type { Topology, TopologyDeclaration, TopologyPublishes, TopologySends } from './topology.js';
import { TopologyMaker, edgesOf, topicsOfTask, type Parties } from './topology-maker.js';

/** One thing of a topology in a line, and where it is. */
export interface ListedInTopology extends Listed {
  /** The name of its reactor, or 'main'. */
  readonly on: string;
}

/** Starts topologies, and asks their parties; `startTopology` returns it. It belongs to the main thread. */
export class RunningTopology<T extends TopologyDeclaration = TopologyDeclaration> {
  /** The main thread's control, for all verbs. */
  readonly control: Control;
  /** The answers to the lines of a boot script that ask something, in order. Empty without a script. */
  readonly answers: readonly unknown[] = [];
  readonly #declaration: T;
  readonly #parties: Parties;
  readonly #send: (to: string, message: unknown) => number;
  readonly #publish: (topic: string, message: unknown) => number;

  constructor(control: Control, declaration: T, parties: Parties, runtime: Runtime) {
    this.control = control;
    this.#declaration = declaration;
    this.#parties = parties;
    this.#send = sender(reactorOf(runtime), 'main', edgesOf(declaration, parties, 'main')) as never;
    const { publishes } = topicsOfTask(declaration, 'main');
    this.#publish = topicsOfControl(control).publisher('main', publishes) as never;
  }

  /**
   * Sends from the main thread to a task that it may send to. Returns OK, BACK_PRESSURED, TOO_LARGE or CLOSED. Copies.
   * Throws ERR_PERCORE_UNDECLARED for any other task.
   */
  send<N extends keyof TopologySends<T, 'main'> & string>(to: N, message: TopologySends<T, 'main'>[N]): number {
    return this.#send(to, message);
  }

  /**
   * Publishes to a topic that the main thread may publish to; returns what `Topic.publish` does, throws as `send` does.
   */
  publish<N extends keyof TopologyPublishes<T, 'main'> & string>(
    topic: N, message: TopologyPublishes<T, 'main'>[N],
  ): number {
    return this.#publish(topic, message);
  }

  /** Resolves when everything that the main thread has sent to any party before has run. */
  async sync(options?: ControlOptions): Promise<void> {
    await Promise.all([...this.#parties.values()].map((to) => this.control.ask(to, 'sync', {}, options)));
  }

  /** Everything that there is, or all of one kind, one line each: asks each party now. */
  async list(what?: ListedKind, options?: ControlOptions): Promise<ListedInTopology[]> {
    const lists = await this.#askAll(async (on, to) => {
      const list = await this.control.ask(to, 'list', what === undefined ? {} : { what }, options);
      return list.map((listed) => ({ on, ...listed }));
    });
    return lists.flat();
  }

  /** One thing by its name, in full, wherever it is. Rejects with ERR_PERCORE_UNKNOWN_NAME. */
  async show(name: string, options?: ControlOptions): Promise<Shown & { readonly on: string }> {
    checkText('name', name);
    const { parties } = await this.dump(options);
    for (const { name: on, things } of parties) {
      const found = things.find((thing) => thing.name === name);
      if (found !== undefined) return { on, ...found };
    }
    const known = parties.flatMap(({ things }) => things.map((thing) => `"${thing.name}"`)).join(', ');
    throw new PercoreError(
      'ERR_PERCORE_UNKNOWN_NAME', `nobody here is called "${name}"; there are ${known}`,
      { argument: 'name', value: name, allowed: known },
    );
  }

  /** Everything, as plain data: asks each party now. */
  async dump(options?: ControlOptions): Promise<TopologyDump> {
    const parties = await this.#askAll((_on, to) => this.control.ask(to, 'dump', {}, options));
    return { sends: this.#declaration.sends, parties };
  }

  /** The same as text for people. */
  async dumpText(options?: ControlOptions): Promise<string> {
    return formatDump(await this.dump(options));
  }

  /** What a line of a boot script asks, of one party or of all. */
  async #take({ verb, on, fields }: BootStep, options: ControlOptions): Promise<unknown> {
    if (on !== undefined && !this.#parties.has(on)) {
      throw invalidArgument('on', on, `one of ${[...this.#parties.keys()].join(', ')}`);
    }
    if (on !== undefined) return this.control.ask(this.#parties.get(on)!, verb, fields as never, options);
    if (verb === 'send') return this.#send(checkText('send.task', fields['task']), fields['message']);
    if (verb === 'sync') return this.sync(options);
    if (verb === 'list') return this.list(fields['what'] as ListedKind | undefined, options);
    if (verb === 'show') return this.show(fields['name'] as string, options);
    if (verb === 'dump') return this.dump(options);
    const { name } = fields as { name: string };
    const party = verb === 'join' ? this.#declaration.tasks[name]?.on : 'main';
    if (party === undefined) throw invalidArgument('join.name', name, 'a task of the topology');
    return this.control.ask(this.#parties.get(party)!, verb, fields as never, options);
  }

  /** For `startTopology`: the lines of a boot script that ask something. */
  async run(steps: readonly BootStep[], options: ControlOptions): Promise<void> {
    for (const step of steps) {
      try {
        (this.answers as unknown[]).push(await this.#take(step, options));
      } catch (cause) {
        const message = `${step.where}: ${(cause as Error).message}`;
        throw new PercoreError('ERR_PERCORE_TOPOLOGY', message, { argument: step.verb, cause });
      }
    }
  }

  #askAll<R>(ask: (on: string, to: number | 'main') => Promise<R>): Promise<R[]> {
    return Promise.all([...this.#parties].map(([on, to]) => ask(on, to)));
  }
}

/**
 * Starts a topology in a runtime whose reactors have opened their control, in this order: names of reactors, rings,
 * tasks, cursors, splits, timers, sockets. Resolves when all have been acknowledged.
 *
 *     const runtime = await createRuntime({ entry: controlEntry, reactors: 2 });
 *     const running = await startTopology(runtime, town);
 *     running.send('parse', '101.5');
 *     await running.sync();
 *     console.log(await running.dumpText());
 *
 * What lives on a reactor that has died and was started again, or that was taken away and added again, is made there
 * anew, with fresh state. If that fails, the process gets a warning with the code ERR_PERCORE_TOPOLOGY.
 *
 * Rejects with ERR_PERCORE_TOPOLOGY: the message says which thing failed and why, and `argument` is its path. What was
 * made before stays, so close the runtime.
 */
export async function startTopology<const T extends TopologyDeclaration>(
  runtime: Runtime, topology: Topology<T>, options: ControlOptions = {},
): Promise<RunningTopology<T>> {
  checkOptions('options', options, ['timeoutMs', 'signal']);
  const declaration = topology?.declaration;
  if (declaration === undefined) throw invalidArgument('topology', topology, 'what defineTopology has returned');
  const control = openControl(runtime);
  const parties = new Map<string, number | 'main'>([...Object.entries(declaration.reactors), ['main', 'main']]);
  const maker = new TopologyMaker(runtime, control, declaration, parties);
  await maker.make(options, () => true);
  const running = new RunningTopology<T>(control, declaration, parties, runtime);
  await running.run((topology as Partial<BootTopology>).steps ?? [], options);
  runtime.on('reactorRestarted', ({ reactorId }) => void maker.remake(reactorId));
  controllerOf(runtime).welcomers.push((id) => void maker.remake(id));
  return running;
}
