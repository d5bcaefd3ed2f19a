import type { Policy } from '../realtime/index.js';
import { requestPolicy, type PolicyRefusal } from '../realtime/internal.js';

/** A policy that was asked for on behalf of a thread, and why it was refused, if it was. */
export interface PolicyGrant {
  readonly asked: Policy;
  readonly refusal: PolicyRefusal | undefined;
}

/** Asks for the policy of the calling thread. */
export function takePolicy(policy: Policy): PolicyGrant {
  return { asked: policy, refusal: requestPolicy(policy, 0) };
}
