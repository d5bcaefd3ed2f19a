/**
 * What a runtime decides if the program has not: how many reactors there are and how they idle, by the CPUs that the
 * process really has, and where readiness comes from. `runtime.status().decisions` says why.
 */
import type { CpuBudget, Policy } from '../realtime/index.js';
import { formatList } from '../realtime/internal.js';
import type { IdleStrategy } from './idle-strategy.js';

/** How reactors idle if nobody says so: spinning would use up a quota that is not a whole CPU. */
export function defaultStrategy({ quota }: CpuBudget): IdleStrategy {
  return Number.isInteger(quota) || quota === Infinity ? 'adaptive' : 'park';
}

/** What was decided, one sentence for each decision: empty if the program has said everything. */
export function explainDecisions(
  cpus: CpuBudget, reactors: number | 'auto', strategy: IdleStrategy | undefined, source: string | undefined,
): string[] {
  const decisions: string[] = [];
  const { allowed, quota, count } = cpus;
  const isBounded = Math.floor(quota) < allowed.length;
  const mask = `CPUs ${formatList(allowed)} of the affinity mask`;
  if (reactors === 'auto') {
    decisions.push(`reactors 'auto': ${count}, ${isBounded
      ? `for the cgroup's quota of ${quota} CPUs, of the ${mask}` : `one for each of the ${mask}`}`);
  }
  if (strategy === undefined && defaultStrategy(cpus) === 'park') {
    decisions.push(`idle 'park': the cgroup's quota of ${quota} CPUs is a fraction, and a spin would be taken from it`);
  }
  if (source !== undefined) decisions.push(source);
  return decisions;
}

/**
 * Why each of the reactors that are pinned like this may not spin; undefined if it may. `policies` are theirs, if they
 * are asked to spin for ever.
 */
export function whyNoSpin(
  pins: readonly (number | undefined)[], cpus: CpuBudget, policies: readonly (Policy | undefined)[] = [],
): (string | undefined)[] {
  const starved = whoStarvesAll(pins, cpus, policies);
  return pins.map((_cpu, id) => whyNotSpin(id, pins, cpus) ?? (id === starved
    ? 'every CPU would be held for good by a reactor with a real-time policy, and nothing left to the main thread'
    : undefined));
}

/**
 * The last reactor, if threads with a real-time policy that never sleep would hold every CPU: only Linux, which takes 5
 * % of each second from them, would keep the rest of the machine alive.
 */
function whoStarvesAll(
  pins: readonly (number | undefined)[], { allowed }: CpuBudget, policies: readonly (Policy | undefined)[],
): number | undefined {
  const realtime = pins.map((_pin, id) => id).filter((id) => {
    const kind = policies[id]?.kind;
    return kind === 'fifo' || kind === 'roundRobin';
  });
  const isUnpinned = realtime.some((id) => pins[id] === undefined);
  const held = new Set(realtime.map((id) => pins[id]));
  const areAllHeld = allowed.every((cpu) => held.has(cpu)) || (isUnpinned && realtime.length >= allowed.length);
  return areAllHeld ? realtime.at(-1) : undefined;
}

/**
 * A spin that keeps away from its CPU what it waits for lasts for a whole slice of the scheduler, some milliseconds.
 */
function whyNotSpin(
  id: number, pins: readonly (number | undefined)[], { allowed, quota }: CpuBudget,
): string | undefined {
  const cpu = pins[id];
  const others = pins.flatMap((pin, other) => (other !== id && pin !== undefined && pin === cpu ? [other] : []));
  if (others.length > 0) {
    return `CPU ${cpu} is also that of reactor${others.length === 1 ? '' : 's'} `
      + `${others.slice(0, 4).join(', ')}${others.length > 4 ? ', …' : ''}`;
  }
  if (allowed.length === 1) return `CPU ${allowed[0]} is also the main thread's`;
  if (cpu === undefined && pins.length > allowed.length) return `${pins.length} reactors share ${allowed.length} CPUs`;
  // Each spinning reactor takes a whole CPU of the quota. If nothing is left for the main thread and V8's helpers, the
  // kernel stops all threads for the rest of each period, tens of milliseconds. A quota of all CPUs stops nobody.
  if (quota < allowed.length && pins.length >= quota) {
    return `the cgroup's quota is ${quota} CPUs for ${pins.length} reactor${pins.length === 1 ? '' : 's'} and the main `
      + 'thread';
  }
  return undefined;
}
