/**
 * The policy of a reactor's thread: asked for once its entry has run, so that a start, which takes long, starves
 * nobody; changed while it runs by whoever may. Only the kernel knows it: `status()` asks it each time.
 */
import { checkInteger, checkOptions, invalidArgument } from '../errors.js';
import type { Policy } from '../realtime/index.js';
import { checkPolicy, refusalError, requestPolicy, type PolicyRefusal } from '../realtime/internal.js';
import type { Member } from './member.js';
import { partyIn, type Reactor } from './reactor.js';
import { controllerIn, type Runtime } from './runtime.js';

/** Which threads `setPolicy` means. */
export interface SetPolicyOptions {
  /** A reactor's number, or 'main' for the main thread. Without it: all reactors. */
  readonly reactor?: number | 'main';
}

/**
 * Changes the policy by which the system schedules a thread, while it runs: that of the reactor itself, or, from the
 * main thread, that of one reactor or all. A reactor that is started again has the policy that was chosen here, or by
 * `createRuntime`.
 *
 *     await setPolicy(runtime, fifo(50), { reactor: 1 });
 *     setPolicy(reactor, other({ nice: 5 }));                       // from within
 *
 * If the system refuses, this throws, or rejects, and the thread keeps the policy that it had:
 * ERR_PERCORE_NO_CAPABILITY, _NO_REALTIME_BUDGET, _DEADLINE_AFFINITY, _NOT_ADMITTED or _SYSTEM, with the cause and the
 * fix in the message; `errno` has the system's name. Also ERR_PERCORE_INVALID_ARGUMENT, and _REACTOR_DIED for a reactor
 * that has ended. If all are meant, all are tried, and the first refusal is reported. Does not block; allocates.
 */
export function setPolicy(reactor: Reactor, policy: Policy): void;
export function setPolicy(runtime: Runtime, policy: Policy, options?: SetPolicyOptions): Promise<void>;
export function setPolicy(of: Reactor | Runtime, policy: Policy, options?: SetPolicyOptions): Promise<void> | void {
  const checked = checkPolicy('policy', policy);
  const controller = controllerIn(of);
  if (controller === undefined) {
    const party = partyIn(of);
    if (party === undefined) throw invalidArgument('reactor', of, 'a reactor, or a runtime');
    const refusal = requestPolicy(checked, 0);
    party.policy = { asked: checked, refusal };
    party.tellPolicy?.(party.policy);
    if (refusal !== undefined) throw refusalError(checked, refusal);
    return;
  }
  const { reactor } = checkOptions('options', options, ['reactor']);
  if (reactor === 'main') {
    const refusal = requestPolicy(checked, 0);
    return refusal === undefined ? Promise.resolve() : Promise.reject(refusalError(checked, refusal));
  }
  const { members, policyOf } = controller;
  if (reactor !== undefined) {
    checkInteger('reactor', reactor, 0, members.length - 1);
    policyOf.set(reactor, checked);
    return change(members[reactor]!, checked);
  }
  // Reactors that are added later have it as well.
  for (const id of controller.settings.pins.keys()) policyOf.set(id, checked);
  return Promise.allSettled(members.map((member) => change(member, checked))).then((results) => {
    for (const result of results) if (result.status === 'rejected') throw result.reason as Error;
  });
}

async function change(member: Member, policy: Policy): Promise<void> {
  // A reactor that is being started first asks for what it was started with.
  if (!member.isReady && !member.isDead) await member.ready;
  const tid = member.isDead ? undefined : member.grants?.tid;
  const refusal = tid === undefined ? DEAD : requestPolicy(policy, tid);
  member.policy = { asked: policy, refusal };
  if (refusal !== undefined) throw refusalError(policy, refusal, member.id);
}

const DEAD: PolicyRefusal = {
  code: 'ERR_PERCORE_REACTOR_DIED', errno: 'ESRCH', cause: 'the reactor has ended', fix: 'ask one that runs',
};
