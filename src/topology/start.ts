/** A topology that runs: started by messages of the protocol, then listed, dumped and sent to. */
import { PercoreError, checkOptions, checkText, invalidArgument } from '../errors.js';
import type { Runtime } from '../reactor/index.js';
import { controllerOf, reactorOf } from '../reactor/internal.js';
import type { BootStep, BootTopology } from './boot.js';
import { openControl, topicsOfControl, type Control, type ControlOptions } from './control.js';
import { formatDump, type TopologyDump } from './dump.js';
import { sender } from './made-tasks.js';
import type { ControlMessages, Listed, ListedKind, Shown, TaskTarget, ControlVerb } from './messages.js';
import {
  MADE, type Topology, type TopologyDeclaration, type TopologyPublishes, type TopologySends,
} from './topology.js';

/** One thing of a topology in a line, and whose it is. */
export interface ListedInTopology extends Listed {
  /** The name of its reactor, or 'main'. */
  readonly on: string;
}

/** Starts topologies, and asks their parties: `startTopology` gives it. It belongs to the main thread. */
export class RunningTopology<T extends TopologyDeclaration = TopologyDeclaration> {
  /** The main thread's control, for all verbs. */
  readonly control: Control;
  /** What the lines of a boot script that ask something were answered, in their order. Empty without a script. */
  readonly answers: readonly unknown[] = [];
  readonly #declaration: T;
  readonly #parties: ReadonlyMap<string, number | 'main'>;
  readonly #send: (to: string, message: unknown) => number;
  readonly #publish: (topic: string, message: unknown) => number;

  constructor(control: Control, declaration: T, parties: ReadonlyMap<string, number | 'main'>, runtime: Runtime) {
    this.control = control;
    this.#declaration = declaration;
    this.#parties = parties;
    this.#send = sender(reactorOf(runtime), 'main', edgesOf(declaration, parties, 'main')) as never;
    this.#publish = topicsOfControl(control).publisher('main', topicsOfTask(declaration, 'main').publishes) as never;
  }

  /**
   * Sends from the main thread to a task that it may send to: OK, BACK_PRESSURED, TOO_LARGE or CLOSED. Copies. Throws
   * ERR_PERCORE_UNDECLARED for any other.
   */
  send<N extends keyof TopologySends<T, 'main'> & string>(to: N, message: TopologySends<T, 'main'>[N]): number {
    return this.#send(to, message);
  }

  /** Publishes to a topic that the main thread may publish to; answers as `Topic.publish` does, throws as `send`. */
  publish<N extends keyof TopologyPublishes<T, 'main'> & string>(
    topic: N, message: TopologyPublishes<T, 'main'>[N],
  ): number {
    return this.#publish(topic, message);
  }

  /** Resolves when everything that the main thread has sent to any party before has been run. */
  async sync(options?: ControlOptions): Promise<void> {
    await Promise.all([...this.#parties.values()].map((to) => this.control.ask(to, 'sync', {}, options)));
  }

  /** What there is, all of it or of one kind, one line each: asked of each party now. */
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

  /** Everything, as plain data: asked of each party now. */
  async dump(options?: ControlOptions): Promise<TopologyDump> {
    const parties = await this.#askAll((_on, to) => this.control.ask(to, 'dump', {}, options));
    return { sends: this.#declaration.sends, parties };
  }

  /** The same as text for people. */
  async dumpText(options?: ControlOptions): Promise<string> {
    return formatDump(await this.dump(options));
  }

  /** What a line of a boot script asks: of one party, or of all. */
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
 * Rejects with ERR_PERCORE_TOPOLOGY: the message says which thing failed and why, and `argument` is its path; what was
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
  const ask = async <V extends ControlVerb>(
    path: string, on: string, verb: V, fields: ControlMessages[V],
  ): Promise<void> => {
    try {
      await control.ask(parties.get(on)!, verb, fields, options);
    } catch (cause) {
      throw failed(path, on, cause as Error);
    }
  };
  for (const [name, id] of Object.entries(declaration.reactors)) {
    if (id >= runtime.reactors) throw failed(`reactors.${name}`, name, tooFew(id, runtime.reactors));
    await ask(`reactors.${name}`, name, 'reactor', { name });
  }
  // Of classes that the runtime knows, the names are told, so that their numbers hold there.
  const known = new Map(controllerOf(runtime).settings.classes.map(({ name, priority }) => [name, priority]));
  for (const [name, { priority }] of Object.entries(declaration.classes ?? {})) {
    const its = known.get(name);
    if (its !== undefined && its !== priority) throw failed(`classes.${name}`, 'the runtime', otherBand(its, priority));
  }
  const make = async ([section, verb]: (typeof MADE)[number]): Promise<void> => {
    for (const [name, { on, of, ...fields }] of Object.entries(declaration[section] ?? {})) {
      const owner = of === undefined ? {} : { of: parties.get(of) };
      const to = section === 'splits' ? { to: targetsOf(declaration, parties, fields as never) } : {};
      await ask(`${section}.${name}`, on, verb, { ...fields, ...owner, ...to, name } as never);
    }
  };
  const [rings, ...others] = MADE;
  await make(rings!);
  for (const [name, task] of Object.entries(declaration.tasks)) {
    const { on, class: group, priority: _priority, takes: _takes, module, ...fields } = task;
    const priority = bandOf(declaration, name);
    const band = group !== undefined && known.has(group) ? { class: group }
      : priority === undefined ? {} : { priority };
    const sends = edgesOf(declaration, parties, name);
    await ask(`tasks.${name}`, on, 'spawn', {
      ...fields, ...band, ...topicsOfTask(declaration, name), name, module: String(module), sends,
    });
  }
  for (const each of others) await make(each);
  const running = new RunningTopology<T>(control, declaration, parties, runtime);
  await running.run((topology as Partial<BootTopology>).steps ?? [], options);
  return running;
}

/** To whom a task, or main, may send: with the party and the band of each. */
function edgesOf(
  declaration: TopologyDeclaration, parties: ReadonlyMap<string, number | 'main'>, from: string,
): NonNullable<ControlMessages['spawn']['sends']> {
  return Object.fromEntries((declaration.sends[from] ?? []).map((to) => {
    const priority = bandOf(declaration, to);
    const reactor = parties.get(declaration.tasks[to]!.on)!;
    return [to, { reactor, ...(priority === undefined ? {} : { priority }) }];
  }));
}

/** Targets of a split: tasks of the topology are where it says, in their band. */
function targetsOf(
  declaration: TopologyDeclaration, parties: ReadonlyMap<string, number | 'main'>, split: { readonly to: unknown },
): unknown {
  const { tasks } = declaration;
  return !Array.isArray(split.to) ? split.to : split.to.map((target: Partial<TaskTarget> | undefined) => {
    const { task } = target ?? {};
    if (task === undefined || target?.reactor !== undefined || tasks[task] === undefined) return target;
    const priority = bandOf(declaration, task);
    const reactor = parties.get(tasks[task].on);
    return { ...(priority === undefined ? {} : { priority }), reactor, ...target };
  });
}

/** The topics that a task, or main, publishes to and hears, with their options. */
function topicsOfTask({ topics = {} }: TopologyDeclaration, task: string): Topics {
  const all = Object.entries(topics);
  const publishes = all.filter(([, { from }]) => from.includes(task)).map(([name, { priority, retain }]) => [
    name, { ...(priority === undefined ? {} : { priority }), ...(retain === undefined ? {} : { retain }) },
  ]);
  const subscribes = all.filter(([, { to }]) => to.includes(task)).map(([name, { whenSlow, evictAfterMs }]) => [
    name, {
      ...(whenSlow === undefined ? {} : { whenSlow }), ...(evictAfterMs === undefined ? {} : { evictAfterMs }),
    },
  ]);
  return { publishes: Object.fromEntries(publishes), subscribes: Object.fromEntries(subscribes) } as Topics;
}
type Topics = Required<Pick<ControlMessages['spawn'], 'publishes' | 'subscribes'>>;

function bandOf({ tasks, classes = {} }: TopologyDeclaration, name: string): number | undefined {
  const { class: group, priority } = tasks[name]!;
  return group === undefined ? priority : classes[group]!.priority;
}

function tooFew(id: number, reactors: number): PercoreError {
  const message = `the runtime has ${reactors} reactors, and this is number ${id}`;
  return new PercoreError('ERR_PERCORE_INVALID_ARGUMENT', message, { argument: 'reactors', value: id });
}

function otherBand(its: number, priority: number): PercoreError {
  const message = `createRuntime has declared it with band ${its}, and the topology with ${priority}`;
  return new PercoreError('ERR_PERCORE_INVALID_ARGUMENT', message, { argument: 'priority', value: priority });
}

function failed(path: string, on: string, cause: Error): PercoreError {
  const hint = cause instanceof PercoreError && cause.code === 'ERR_PERCORE_NO_HANDLER'
    ? '. Its entry has not called openControl(reactor)' : '';
  return new PercoreError(
    'ERR_PERCORE_TOPOLOGY', `${path} (on ${on}) cannot be started: ${cause.message}${hint}`, { argument: path, cause },
  );
}
