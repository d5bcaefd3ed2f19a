/**
 * What travels in a lane. The record's type word is the kind; the payload begins with a head of two or four words:
 *
 *    BYTES, VALUE    target | 0      | payload
 *    CALL            target | callId | deadline (f64) | payload
 *    REPLY, FAILURE  callId | 0      | payload
 *
 * A target is the 32-bit hash of a task's or handler's name: reactors need no table of each other's names, and a hash that two
 * names of one reactor share is refused when the second is registered.
 */
export const BYTES = 1;
export const VALUE = 2;
export const CALL = 3;
export const REPLY = 4;
export const FAILURE = 5;

export const HEAD_BYTES = 8;
export const CALL_HEAD_BYTES = 16;

/** FNV-1a over UTF-16 code units, as int32. Source: Fowler, Noll, Vo. */
export function hashName(name: string): number {
  let hash = 0x811c9dc5;
  for (let i = 0; i < name.length; i++) hash = Math.imul(hash ^ name.charCodeAt(i), 0x01000193);
  return hash | 0;
}
