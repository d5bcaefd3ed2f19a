/**
 * What travels in a lane. The record's type word is the kind; the payload begins with a head:
 *
 *    BYTES, VALUE    name | 0                                                  | payload
 *    CALL            name | call number | call generation | 0 | deadline (f64) | payload
 *    REPLY, FAILURE  call number | call generation                             | payload
 *    NAME            name | 0                                                  | the name's text, UTF-16
 *
 * A name travels as text once in each lane; from then on a small number stands for it: see names.ts. Numbers and
 * generations of calls: see calls.ts.
 */
export const BYTES = 1;
export const VALUE = 2;
export const CALL = 3;
export const REPLY = 4;
export const FAILURE = 5;
export const NAME = 6;

export const HEAD_BYTES = 8;
export const CALL_HEAD_BYTES = 24;
/** Of a CALL: where its deadline stands. */
export const DEADLINE_AT = 16;
