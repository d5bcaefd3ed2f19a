/** The context of a task, an init or an idle: it can do what was declared, and nothing else. */
import { checkFunction } from '../errors.js';
import type { Reactor } from '../reactor/index.js';
import type { Edges } from './declaration.js';
import { AT_ONCE, checkDeadline, SCHEDULED, SPAWNED, undeclared, type LevelOutbox } from './outbox.js';
import type { Plan, PlannedLevel } from './plan.js';
import type { ResourceLock } from './resource-lock.js';

/** What all contexts of a level share. */
export interface LevelParts {
  readonly plan: Plan;
  readonly level: PlannedLevel;
  readonly reactor: Reactor;
  readonly outbox: LevelOutbox;
  /** By name, the resources that something in this level uses. */
  readonly locks: ReadonlyMap<string, ResourceLock>;
  readonly data: unknown;
}

/** Numbers of tasks by name, of those that may be spawned or scheduled. */
export function targetsOf(plan: Plan, names: readonly string[] | undefined): ReadonlyMap<string, number> {
  return new Map((names ?? []).map((name) => [name, plan.tasks.find((task) => task.name === name)!.index]));
}

/** An AppContext. The compiler sees the types; here names are looked up. */
export class Context {
  scheduledNs = 0;
  readonly core: number;
  readonly priority: number;
  readonly reactor: Reactor;
  readonly data: unknown;
  readonly nowNs: () => number;
  readonly #who: string;
  readonly #outbox: LevelOutbox;
  readonly #spawns: ReadonlyMap<string, number>;
  readonly #schedules: ReadonlyMap<string, number>;
  readonly #uses: ReadonlyMap<string, ResourceLock>;

  /** Error messages use `who`: 'task "work"'. */
  constructor(who: string, { plan, level, reactor, outbox, locks, data }: LevelParts, edges: Edges) {
    this.#who = who;
    this.core = level.core;
    this.priority = level.priority;
    this.reactor = reactor;
    this.data = data;
    this.nowNs = reactor.nowNs;
    this.#outbox = outbox;
    this.#spawns = targetsOf(plan, edges.spawns);
    this.#schedules = targetsOf(plan, edges.schedules);
    this.#uses = new Map((edges.uses ?? []).map((name) => [name, locks.get(name)!]));
    // Callers take them out of the context: `({ lock, spawn }) => …`.
    this.lock = this.lock.bind(this);
    this.spawn = this.spawn.bind(this);
    this.schedule = this.schedule.bind(this);
  }

  lock<X>(resource: string, critical: (state: never, wasLeft: boolean) => X): X {
    const lock = this.#uses.get(resource);
    if (lock === undefined) throw undeclared('lock', this.#who, 'uses', resource, this.#uses.keys());
    if (typeof critical !== 'function') checkFunction('critical', critical);
    return lock.run(critical);
  }

  spawn(task: string, message?: unknown): number {
    const index = this.#spawns.get(task);
    if (index === undefined) throw undeclared('spawn', this.#who, 'spawns', task, this.#spawns.keys());
    return this.#outbox.send(index, SPAWNED, this.scheduledNs, AT_ONCE, message);
  }

  schedule(task: string, deadlineNs: number, message?: unknown): number {
    const index = this.#schedules.get(task);
    if (index === undefined) throw undeclared('schedule', this.#who, 'schedules', task, this.#schedules.keys());
    return this.#outbox.send(index, SCHEDULED, deadlineNs, checkDeadline(deadlineNs), message);
  }
}
