/** Asks for the policy of a thread and reads back what it has. Any thread may ask for any other of its process. */
import { ENOSYS } from '../errno.js';
import { native } from '../native.js';
import { POLICY_NUMBERS, readPolicy, writePolicy, type Policy } from './policies.js';
import { explainRefusal, type PolicyRefusal } from './policy-refusals.js';

/** The policy that the kernel's thread `tid` has (0: the caller); undefined if it cannot be read. */
export function policyOfThread(tid: number): Policy | undefined {
  const numbers = new Float64Array(POLICY_NUMBERS);
  return native().realtime?.getPolicy(tid, numbers) === 0 ? readPolicy(numbers) : undefined;
}

/** Asks for a policy for the thread `tid` (0: the caller). Returns undefined, or why the system has refused it. */
export function requestPolicy(policy: Policy, tid: number): PolicyRefusal | undefined {
  const answer = native().realtime?.setPolicy(tid, writePolicy(policy)) ?? -ENOSYS;
  return answer === 0 ? undefined : explainRefusal(policy, native().system.errorName(-answer));
}
