/**
 * The options of createRuntime that say where each reactor's thread runs, and by which policy: checked and resolved.
 */
import { checkInteger, checkOneOf, invalidArgument } from '../errors.js';
import { cpuTopology, type CpuBudget, type Placement, type Policy } from '../realtime/index.js';
import { checkPolicy, placeReactors, PLACEMENTS } from '../realtime/internal.js';

/** Where the reactors are to run. */
export interface Pins {
  /** One for each reactor there may be; undefined: wherever the process may run. */
  readonly pins: readonly (number | undefined)[];
  /** Why a reactor is not where the option would put it; undefined if it is. */
  readonly pinRefusals: readonly (string | undefined)[];
}

/** What `policy` may be. */
export type PolicyOption = Policy | readonly (Policy | undefined)[];
/** What `pin` may be. */
export type PinOption = boolean | Placement | readonly number[];

/** Throws ERR_PERCORE_INVALID_ARGUMENT. */
export function checkPolicies(policy: PolicyOption | undefined, count: number): (Policy | undefined)[] {
  if (!Array.isArray(policy)) {
    return new Array<Policy | undefined>(count).fill(policy === undefined ? undefined : checkPolicy('policy', policy));
  }
  if (policy.length !== count) {
    throw invalidArgument('policy', policy, `a policy, or a list of ${count}, one a reactor`);
  }
  return Array.from(policy as readonly unknown[], (each, id) =>
    (each === undefined ? undefined : checkPolicy(`policy[${id}]`, each)));
}

/** Throws ERR_PERCORE_INVALID_ARGUMENT. Reads the topology if a placement is asked for. */
export function checkPins(pin: PinOption, policies: readonly (Policy | undefined)[], cpus: CpuBudget): Pins {
  const { length: count } = policies;
  const none = new Array<undefined>(count).fill(undefined);
  if (pin === false) return { pins: none, pinRefusals: none };
  if (pin === true || typeof pin === 'string') {
    const placed = pin === true ? inTurn(cpus.allowed, count) : placeReactors(
      checkOneOf('pin', pin, PLACEMENTS), cpuTopology(), count,
    );
    // The kernel accepts DEADLINE only for threads that may run everywhere.
    const pins = policies.map((policy, id) => (policy?.kind === 'deadline' ? undefined : placed.cpus[id]));
    return { pins, pinRefusals: policies.map((_policy, id) => placed.refusals[id]) };
  }
  if (!Array.isArray(pin) || pin.length !== count) {
    throw invalidArgument(
      'pin', pin, `true, false, 'pack', 'spread', 'isolated', or a list of ${count} CPU numbers, one a reactor`,
    );
  }
  return { pins: pin.map((cpu: number, id) => checkInteger(`pin[${id}]`, cpu, 0, 8191)), pinRefusals: none };
}

function inTurn(allowed: readonly number[], count: number): { cpus: number[]; refusals: (string | undefined)[] } {
  return { cpus: Array.from({ length: count }, (_, id) => allowed[id % allowed.length]!), refusals: [] };
}
