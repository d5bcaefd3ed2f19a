/**
 * What follows from a declaration: the levels of each core, how high each resource lifts its holder, and where
 * everything lies in shared memory. It is the same in every thread, since all compute it from the same declaration.
 *
 *      core 0   idle (rank 0) < priority 1 (rank 1) < priority 5 (rank 2)       one reactor each
 *      ceiling of a resource   on one core: the highest rank that uses it; where several cores use it: the highest rank
 *                              of each core, so that whoever spins for it waits for no preempted holder
 *
 * Sources: the immediate priority ceiling of Sha, Rajkumar and Lehoczky, 1990, and the stack resource policy of Baker,
 * 1991; between cores the rule of MSRP (Gai, Lipari and Di Natale, 2001).
 */
import { appCoreLayout, appLayout, appLevelLayout, fairLockLayout, LINE_BYTES } from '../layout.js';
import { struct, type StructDescription } from '../queues/index.js';
import type { AppDeclaration, Edges } from './declaration.js';

export interface PlannedLevel {
  /** Its number, which is also that of its reactor. */
  readonly id: number;
  readonly core: number;
  /** 0 for idle, then rising by one. */
  readonly rank: number;
  /** As declared; 0 for idle. */
  readonly priority: number;
  readonly tasks: readonly string[];
  readonly hasInit: boolean;
  readonly hasIdle: boolean;
}

export interface PlannedTask {
  readonly index: number;
  readonly name: string;
  readonly level: number;
  readonly capacity: number;
  readonly edges: Edges;
}

export interface PlannedResource {
  readonly index: number;
  readonly name: string;
  readonly layout: StructDescription;
  /** Levels that use it. */
  readonly users: readonly number[];
  /** Whether several cores use it. */
  readonly isCrossing: boolean;
  /** For each core, the rank to which it lifts its holder; -1 if nobody uses it there. */
  readonly ceilings: readonly number[];
  /** Where its lock lies; its state follows. */
  readonly at: number;
}

export interface Plan {
  readonly levels: readonly PlannedLevel[];
  readonly tasks: readonly PlannedTask[];
  readonly resources: readonly PlannedResource[];
  /** Bytes of the memory that all levels share. */
  readonly bytes: number;
  readonly coreAt: (core: number) => number;
  readonly levelAt: (level: number) => number;
  /** What a level, or the main thread after them, has spawned and scheduled: a pair of words for each task. */
  readonly sentAt: (sender: number) => number;
  /** What a task has begun for each sender: a pair of words for each. */
  readonly begunAt: (task: number) => number;
}

export const DEFAULT_CAPACITY = 16;

const lines = (bytes: number): number => Math.ceil(bytes / LINE_BYTES) * LINE_BYTES;

/** The plan of a declaration that was checked. */
export function planOf(declaration: AppDeclaration): Plan {
  const { cores, resources = {}, tasks } = declaration;
  const names = Object.keys(tasks);
  const levels: PlannedLevel[] = cores.flatMap((core, number) => {
    const here = names.filter((name) => (tasks[name]!.core ?? 0) === number);
    const priorities = [...new Set(here.map((name) => tasks[name]!.priority))].toSorted((a, b) => a - b);
    if (core.idle !== undefined || priorities.length === 0) priorities.unshift(0);
    return priorities.map((priority, i) => ({
      id: -1, core: number, rank: priorities[0] === 0 ? i : i + 1, priority,
      tasks: here.filter((name) => tasks[name]!.priority === priority),
      hasInit: i === 0 && core.init !== undefined, hasIdle: priority === 0 && core.idle !== undefined,
    }));
  }).map((level, id) => ({ ...level, id }));
  const plannedTasks = names.map((name, index): PlannedTask => ({
    index, name, level: levels.find((level) => level.tasks.includes(name))!.id,
    capacity: tasks[name]!.capacity ?? DEFAULT_CAPACITY, edges: tasks[name]!,
  }));

  const senders = levels.length + 1;
  const coreAt = (core: number): number => appLayout.bytes + core * (appCoreLayout.bytes + fairLockLayout.bytes);
  const levelAt = (level: number): number => coreAt(cores.length) + level * appLevelLayout.bytes;
  const sentBytes = lines(names.length * 8);
  const begunBytes = lines(senders * 8);
  const sentAt = (sender: number): number => levelAt(levels.length) + sender * sentBytes;
  const begunAt = (task: number): number => sentAt(senders) + task * begunBytes;
  let end = begunAt(names.length);
  const plannedResources = Object.entries(resources).map(([name, fields], index): PlannedResource => {
    const users = levels.filter((level) => usesOf(declaration, level).includes(name)).map(({ id }) => id);
    const used = new Set(users.map((id) => levels[id]!.core));
    const layout = struct(fields);
    const at = end;
    end += fairLockLayout.bytes + lines(layout.recordBytes);
    const ceilings = cores.map((_, core) => {
      const ranks = levels.filter((level) => level.core === core && (used.size > 1 || users.includes(level.id)));
      return used.has(core) ? Math.max(...ranks.map(({ rank }) => rank)) : -1;
    });
    return { index, name, layout, users, isCrossing: used.size > 1, ceilings, at };
  });
  return {
    levels, tasks: plannedTasks, resources: plannedResources, bytes: end, coreAt, levelAt, sentAt, begunAt,
  };
}

/** Resources that something in this level may lock. */
function usesOf({ cores, tasks }: AppDeclaration, level: PlannedLevel): readonly string[] {
  const { init, idle } = cores[level.core]!;
  return [
    ...(level.hasInit ? init?.uses ?? [] : []), ...(level.hasIdle ? idle?.uses ?? [] : []),
    ...level.tasks.flatMap((name) => tasks[name]!.uses ?? []),
  ];
}
