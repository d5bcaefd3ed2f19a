/** Makes the parts of a topology by messages of the protocol: all of them, or those of one reactor. */
import { PercoreError } from '../errors.js';
import type { Runtime } from '../reactor/index.js';
import { controllerOf } from '../reactor/internal.js';
import type { Control, ControlOptions } from './control.js';
import type { ControlMessages, ControlVerb, TaskTarget } from './messages.js';
import { MADE, type TopologyDeclaration } from './topology.js';

/** Parties by their names. */
export type Parties = ReadonlyMap<string, number | 'main'>;

export class TopologyMaker {
  /** Classes that the runtime knows, with their bands: only their names are sent, so that the runtime's bands hold. */
  readonly #known: ReadonlyMap<string, number>;

  /** Throws ERR_PERCORE_TOPOLOGY if the runtime and the topology do not fit together. */
  constructor(
    runtime: Runtime, private readonly control: Control, private readonly declaration: TopologyDeclaration,
    private readonly parties: Parties,
  ) {
    for (const [name, id] of Object.entries(declaration.reactors)) {
      if (id >= runtime.reactors) throw failed(`reactors.${name}`, name, tooFew(id, runtime.reactors));
    }
    this.#known = new Map(controllerOf(runtime).settings.classes.map(({ name, priority }) => [name, priority]));
    for (const [name, { priority }] of Object.entries(declaration.classes ?? {})) {
      const its = this.#known.get(name);
      if (its !== undefined && its !== priority) {
        throw failed(`classes.${name}`, 'the runtime', otherBand(its, priority));
      }
    }
  }

  /**
   * Makes what is on the given parties, in the order of startTopology. Rejects with the first thing that cannot be
   * made.
   */
  async make(options: ControlOptions, isMeant: (on: string) => boolean): Promise<void> {
    const { declaration, parties } = this;
    for (const name of Object.keys(declaration.reactors)) {
      if (isMeant(name)) await this.#ask(`reactors.${name}`, name, 'reactor', { name }, options);
    }
    const [rings, ...others] = MADE;
    await this.#makeSection(rings!, options, isMeant);
    for (const [name, task] of Object.entries(declaration.tasks)) {
      const { on, class: group, priority: _priority, takes: _takes, module, ...fields } = task;
      if (!isMeant(on)) continue;
      const priority = bandOf(declaration, name);
      const band = group !== undefined && this.#known.has(group) ? { class: group }
        : priority === undefined ? {} : { priority };
      const sends = edgesOf(declaration, parties, name);
      await this.#ask(`tasks.${name}`, on, 'spawn', {
        ...fields, ...band, ...topicsOfTask(declaration, name), name, module: String(module), sends,
      }, options);
    }
    for (const each of others) await this.#makeSection(each, options, isMeant);
  }

  /** A reactor was started or added again: what was on it is made there anew. Never rejects. */
  async remake(reactor: number): Promise<void> {
    try {
      await this.make({}, (on) => this.parties.get(on) === reactor);
    } catch (error) {
      process.emitWarning((error as Error).message, { code: 'ERR_PERCORE_TOPOLOGY' });
    }
  }

  async #makeSection(
    [section, verb]: (typeof MADE)[number], options: ControlOptions, isMeant: (on: string) => boolean,
  ): Promise<void> {
    const { declaration, parties } = this;
    for (const [name, { on, of, ...fields }] of Object.entries(declaration[section] ?? {})) {
      if (!isMeant(on)) continue;
      const owner = of === undefined ? {} : { of: parties.get(of) };
      const to = section === 'splits' ? { to: targetsOf(declaration, parties, fields as never) } : {};
      await this.#ask(`${section}.${name}`, on, verb, { ...fields, ...owner, ...to, name } as never, options);
    }
  }

  async #ask<V extends ControlVerb>(
    path: string, on: string, verb: V, fields: ControlMessages[V], options: ControlOptions,
  ): Promise<void> {
    try {
      await this.control.ask(this.parties.get(on)!, verb, fields, options);
    } catch (cause) {
      throw failed(path, on, cause as Error);
    }
  }
}

/** The tasks to which a task, or main, may send, with the party and the band of each. */
export function edgesOf(
  declaration: TopologyDeclaration, parties: Parties, from: string,
): NonNullable<ControlMessages['spawn']['sends']> {
  return Object.fromEntries((declaration.sends[from] ?? []).map((to) => {
    const priority = bandOf(declaration, to);
    const reactor = parties.get(declaration.tasks[to]!.on)!;
    return [to, { reactor, ...(priority === undefined ? {} : { priority }) }];
  }));
}

/** Targets of a split: tasks of the topology are found where it places them, in their band. */
function targetsOf(
  declaration: TopologyDeclaration, parties: Parties, split: { readonly to: unknown },
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

/** The topics that a task, or main, publishes to and subscribes to, with their options. */
export function topicsOfTask({ topics = {} }: TopologyDeclaration, task: string): Topics {
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
