/**
 * Notes who has refused what since the present step of this thread began.
 *
 * A step that answers BACK_PRESSURED waits for those who refused its offers, and for nobody else. So everything that is
 * bounded notes itself here when it refuses an offer for lack of room: a lane, a mailbox, the producer of a queue, a
 * connection. Offers that are accepted cost nothing here.
 */
import { BACK_PRESSURED } from './result-codes.js';

/**
 * The method by which one waits for a refuser. No entry of the package exports this key, so only Percore can call it.
 * It is the same in every copy of this module.
 */
export const AWAIT_ROOM: unique symbol = Symbol.for('percore.awaitRoom');

export interface Refuser {
  /**
   * Calls `then` once, as soon as an offer of size `needed` would be accepted, or when nothing will ever be accepted
   * again; it never calls `then` before this method has returned. `needed` is what was noted with the refusal. Returns
   * a function that cancels the wait; `then` may be called once even after that, and must then do nothing.
   */
  [AWAIT_ROOM](needed: number, then: () => void): () => void;
}

/** The refusers of this step and, for each, the size of the smallest record that it refused. */
const refusers: Refuser[] = [];
const needs: number[] = [];
let count = 0;
let isInStep = false;

/** Notes that `refuser` had no room for `needed`. Outside of a step this does nothing, since nobody would ask. */
export function noteRefusal(refuser: Refuser, needed: number): void {
  if (!isInStep) return;
  const known = refusers.indexOf(refuser);
  if (known >= 0) {
    // It refused two records of this step. The smaller one will fit first.
    if (needed < needs[known]!) needs[known] = needed;
    return;
  }
  refusers.push(refuser);
  needs.push(needed);
  count++;
}

/**
 * For a message that cannot be given to a step yet: it then waits as if a step had run and `refuser` had refused it.
 * Answers BACK_PRESSURED.
 */
export function refuseFor(refuser: Refuser, needed = 0): number {
  beginStep();
  noteRefusal(refuser, needed);
  endStep();
  return BACK_PRESSURED;
}

/** A step begins. Earlier refusals do not concern it. */
export function beginStep(): void {
  isInStep = true;
  if (count !== 0) forget();
}

/** True if somebody has refused an offer of this step. */
export function isRefused(): boolean {
  return count !== 0;
}

/** The step has ended. Refusals from here on, such as those in its promises, are not noted. */
export function endStep(): void {
  isInStep = false;
}

/**
 * Asks everybody who refused the step that has just ended to call `then` once there is room; false if nobody refused
 * it. For each refuser, a function that cancels the wait is added to `takeBack`.
 */
export function awaitRefusers(then: () => void, takeBack: (() => void)[]): boolean {
  if (count === 0) return false;
  for (let i = 0; i < count; i++) takeBack.push(refusers[i]![AWAIT_ROOM](needs[i]!, then));
  forget();
  return true;
}

/** Implements AWAIT_ROOM for a refuser whose `room()` returns a promise. */
export function awaitPromised(
  room: (options: { signal: AbortSignal }) => Promise<unknown>, then: () => void,
): () => void {
  const end = new AbortController();
  // If the wait fails, call `then` too: the step runs again and meets the failure itself.
  room({ signal: end.signal }).then(then, then);
  return () => end.abort();
}

/**
 * For a step that runs in the middle of another one: by `select`, or in the simulator, as another thread's. Forgets all
 * refusals and notes none from now on. The returned function restores what was noted before.
 */
export function setRefusalsAside(): () => void {
  const kept = { refusers: [...refusers], needs: [...needs], count, isInStep };
  forget();
  isInStep = false;
  return () => {
    forget();
    refusers.push(...kept.refusers);
    needs.push(...kept.needs);
    ({ count, isInStep } = kept);
  };
}

function forget(): void {
  refusers.length = needs.length = count = 0;
}
