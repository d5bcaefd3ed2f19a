/**
 * Who has refused what since the present step began, in this thread.
 *
 * A step that answers BACK_PRESSURED waits for those who refused it, and for nobody else. Whatever is bounded and
 * refuses an offer for want of room therefore notes itself here: a lane, a mailbox, the producer of a queue, a
 * connection. Only a refusal costs anything.
 */
import { BACK_PRESSURED } from './result-codes.js';

/** The door of whoever refuses; no entry of the package exports the key. The same in every copy of this module. */
export const AWAIT_ROOM: unique symbol = Symbol.for('percore.awaitRoom');

export interface Refuser {
  /**
   * Calls `then` once, later and never from within, when `needed` would be taken, or when nothing will be taken any
   * more. Returns what takes the wish back. `needed` is what was noted with the refusal.
   */
  [AWAIT_ROOM](needed: number, then: () => void): () => void;
}

/** Of each refuser of this step, the room that it lacked: for the smallest record that it refused. */
const refusers: Refuser[] = [];
const needs: number[] = [];
let count = 0;
let isInStep = false;

/** `refuser` had no room for `needed`. Outside of a step nobody will ask. */
export function noteRefusal(refuser: Refuser, needed: number): void {
  if (!isInStep) return;
  const known = refusers.indexOf(refuser);
  if (known >= 0) {
    // Two records of one step: the smaller can be taken first.
    if (needed < needs[known]!) needs[known] = needed;
    return;
  }
  refusers.push(refuser);
  needs.push(needed);
  count++;
}

/**
 * For a message that cannot be given to a step at all: it waits as if a step had run and been refused by this one.
 * Answers BACK_PRESSURED.
 */
export function refuseFor(refuser: Refuser, needed = 0): number {
  beginStep();
  noteRefusal(refuser, needed);
  endStep();
  return BACK_PRESSURED;
}

/** A step begins. What was refused before does not concern it. */
export function beginStep(): void {
  isInStep = true;
  if (count !== 0) forget();
}

/** True when somebody has refused what this step has offered. */
export function isRefused(): boolean {
  return count !== 0;
}

/** The step has ended: what its promises or others are refused from here on is their own concern. */
export function endStep(): void {
  isInStep = false;
}

/**
 * Waits for all who have refused the step that has just ended; false when nobody has. `takeBack` gets what ends each
 * wish.
 */
export function awaitRefusers(then: () => void, takeBack: (() => void)[]): boolean {
  if (count === 0) return false;
  for (let i = 0; i < count; i++) takeBack.push(refusers[i]![AWAIT_ROOM](needs[i]!, then));
  forget();
  return true;
}

/** What their door is for those whose room is promised, as by `room()` or `writable()`. */
export function awaitPromised(
  room: (options: { signal: AbortSignal }) => Promise<unknown>, then: () => void,
): () => void {
  const end = new AbortController();
  // A wait that fails ends as well: the step is run again and meets what has failed.
  room({ signal: end.signal }).then(then, then);
  return () => end.abort();
}

/**
 * For a simulator that runs one thread's code in the middle of another's step: nothing is noted from now on. The
 * function returned puts back what was.
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
