/**
 * What travels in a lane. The record's type word is the kind; the payload begins with a head:
 *
 *    BYTES, VALUE    name | 0                                                  | payload
 *    BATCH           name | how many                                           | several messages of bytes
 *    CALL            name | call number | call generation | credits | deadline | payload
 *    REPLY, FAILURE  call number | call generation                             | payload
 *    STREAMED        call number | call generation                             | one value of a streaming answer
 *    GATHERED        call number | call generation                             | several: length | 0 | value, …
 *    CANCEL          call number | call generation                             | why, as a failure
 *    CREDIT          call number | call generation                             | how many more values may come
 *    NAME            name | 0                                                  | the name's text, UTF-16
 *
 * The deadline of a call is a number (f64) of nanoseconds by the clock that all parties share, 0 if there is none.
 * `credits` is 0 unless the call asks for a stream: then it is how many values may be under way. REPLY, FAILURE,
 * STREAMED and GATHERED go from the answering party, CANCEL and CREDIT from the asker. All travel in return lanes, so
 * that none ever waits behind a call; CANCEL in that of the highest band, where it overtakes the call.
 *
 * A NAME is no message to whoever counts, a BATCH is as many as it says, which may be none, and the rest are one each.
 *
 * A name travels as text once in each lane; from then on a small number stands for it: see names.ts. Numbers and
 * generations of calls: see calls.ts.
 */
export const BYTES = 1;
export const VALUE = 2;
export const CALL = 3;
export const BATCH = 4;
/** From here on a record is not for a name. */
export const REPLY = 5;
export const FAILURE = 6;
export const STREAMED = 7;
export const GATHERED = 8;
export const NAME = 9;
export const CANCEL = 10;
export const CREDIT = 11;

export const HEAD_BYTES = 8;
export const CALL_HEAD_BYTES = 24;
/** In a CALL: where its credits and its deadline lie. */
export const CREDITS_AT = 12;
export const DEADLINE_AT = 16;
